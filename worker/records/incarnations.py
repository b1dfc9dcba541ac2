"""Which life of the source a record belongs to: a function of the record alone, never of when it is processed. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

FIRST: Final = 1
LAST: Final = 0xFFFF
"""A version has four hexadecimal digits for it."""


@dataclass(frozen=True, slots=True)
class Incarnations:
    """From which `metadata.timestamp` (epoch microseconds, rising) the second and each further incarnation holds."""

    starts: tuple[int, ...] = ()

    def of(self, built_micros: int) -> int:
        """The incarnation of a record that DMS built at that time."""
        return FIRST + bisect_right(self.starts, built_micros) if self.starts else FIRST
