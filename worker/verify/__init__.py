"""`nearview verify`: the proof that every document equals what SQL on the source says.

It shares no assembling code with the worker, only the contract: compiled mappings, keys and attribute values.
"""
