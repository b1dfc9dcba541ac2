"""The HTTP API: queries answered from the documents table, commands dispatched to the monolith."""
