"""Executing commands: what is declared, once per key, by the monolith of this region or of the primary.

Only functions and `packing` import it.
"""
