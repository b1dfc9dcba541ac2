"""What a worker's process learns from its writes: whether it should look at what is stored before it writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MOST_SURPRISES: Final = 10
"""One surprise in so many rows, and the next batch looks before it writes."""


@dataclass(slots=True)
class Habit:
    """Whether to look at flat documents, and at the images of rows that are said to be new; which recipes are filed.

    A process begins with a look: after a restart much of what comes is stored already, and a look is no write.
    """

    looks: bool = True
    looks_for_new: bool = True
    filed: set[str] = field(default_factory=set)


def is_worth_a_look(surprises: int, rows: int) -> bool:
    """Whether so many of the rows were not as a write without a look takes them to be that the next batch looks."""
    return surprises * MOST_SURPRISES > rows
