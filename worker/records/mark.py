"""Up to where something is complete: a commit time and a place in the source's log, each a bound of its own. Pure.

A mark says: every transaction that committed before this time, and every one whose commit stands in the log before this
place, has been seen. Both only rise where the records of a task come in the order of the commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_TIME_DIGITS: Final = 16
_PLACE_DIGITS: Final = 36


@dataclass(frozen=True, slots=True)
class Mark:
    """`place`: incarnation and position as a version has them, "" for none."""

    commit_micros: int = 0
    place: str = ""

    def later(self, other: Mark) -> Mark:
        """What holds if both do."""
        return Mark(max(self.commit_micros, other.commit_micros), max(self.place, other.place))

    def earlier(self, other: Mark) -> Mark:
        """What holds of two parts together."""
        return Mark(min(self.commit_micros, other.commit_micros), min(self.place, other.place))

    def text(self) -> str:
        """For `parse_mark`."""
        return f"{self.commit_micros:0{_TIME_DIGITS}d}{self.place}"

    @property
    def incarnation(self) -> int:
        """Of the source, 0 for none."""
        return int(self.place[:4] or "0", 16)

    @property
    def position(self) -> str:
        """In that incarnation's log: hexadecimal, of a fixed width; "" for none."""
        return self.place[4:]


NOTHING: Final = Mark()


def place(incarnation: int, position: int) -> str:
    """The place of a change, which is what its version begins with."""
    return f"{incarnation:04x}{position:032x}"


def parse_mark(text: str) -> Mark:
    """NOTHING, which holds up everything, of what is no mark: an item of a time before there were marks."""
    time, where = text[:_TIME_DIGITS], text[_TIME_DIGITS:]
    if len(time) != _TIME_DIGITS or not time.isdigit() or len(where) not in (0, _PLACE_DIGITS):
        return NOTHING
    return Mark(int(time), where)
