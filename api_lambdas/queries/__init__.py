"""Reading documents: what may be asked for, which items that takes, how fresh and how consistent they are.

Functions and `packing` import it, and `commands`, whose answers carry the tokens of consistent reads.
"""
