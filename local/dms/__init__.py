"""A stand-in for AWS DMS: PostgreSQL's changes become DMS records on a Kinesis stream."""
