"""Benchmarks that anyone can repeat: `make bench`. The worker never imports this package."""
