"""The worker: change records in, ready documents out; one process per shard under a supervisor."""
