"""The local stand-ins: everything a laptop needs in place of AWS, the database and the monolith."""
