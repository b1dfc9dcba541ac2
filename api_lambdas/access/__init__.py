"""Who may call what: the rules of routes, bearer tokens, the keys that signed them.

Only functions and `packing` import it.
"""
