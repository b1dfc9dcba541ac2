"""The stream read again: by the workers from reset checkpoints, or beside them by a consumer of its own."""
