"""Which region executes commands, whether it can be reached, and how a command gets there.

Functions and `packing` import it, and `commands`.
"""
