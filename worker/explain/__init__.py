"""What one change, row or document means to the engine: matched places, exact reads and writes, capacity units."""
