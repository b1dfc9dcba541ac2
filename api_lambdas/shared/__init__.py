"""What every function is made of: HTTP, requests to AWS, settings, the log.

Imports no other package; all others, and the functions, may import it.
"""
