"""A first mapping from a PostgreSQL schema: its catalog in, mapping files and warnings out."""
