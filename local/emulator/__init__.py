"""MiniStack where it has to be more like AWS: programs, apart from `local/ministack.py`, whose name they need."""
