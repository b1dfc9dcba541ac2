"""The process that KCL's daemon starts for each shard: it speaks the protocol, feeds the pipeline and checkpoints."""
