"""The HTTP API: queries answered from the documents table, commands dispatched to the monolith, events taken.

The modules here are what is started: a function each, with its `handler`, and `package`, which packs them. They alone
read the environment, and nobody imports them; what they are made of is in the packages.
"""
