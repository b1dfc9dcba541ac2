"""The demo monolith: an order business over PostgreSQL with its HTTP service, its seed data and a workload."""
