"""The heartbeat table of a source: so that every shard gets a record about once a second, whatever else is written."""
