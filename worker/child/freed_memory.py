"""Gives memory that nobody uses any more back to the system, when Python and the C library would still keep it.

Python looks for cycles only when there are many new objects: of the few that each call of boto3 leaves behind, a quiet
shard's child would gather for hours. The C library keeps what lies free below anything that stays.
"""

import ctypes
import gc
import time
from collections.abc import Callable

EVERY_SECONDS = 60.0
"""It takes some milliseconds, and the next delivery takes the memory again."""


def trim() -> None:
    """Give back what lies free. Only glibc has to be asked."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


class FreedMemory:
    """Of one process; `clock` in seconds."""

    def __init__(self, trim: Callable[[], None] = trim, clock: Callable[[], float] = time.monotonic) -> None:
        self._trim = trim
        self._clock = clock
        self._next = clock() + EVERY_SECONDS

    def give_back(self) -> None:
        """Do so if the last time was long ago."""
        now = self._clock()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            gc.collect()
            self._trim()
