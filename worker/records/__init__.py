"""From stream records to row changes: pure, no clock, no I/O."""
