"""Taking events: onto the bus of the region, from there into items that are the same in every region.

Only functions and `packing` import it.
"""
