"""Whose turn it is while the daemon has more to deliver: the stream's, or that of what is due. Pure."""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.25
"""Seconds of work that is due for a second of deliveries, where these come without a pause."""

FURTHEST_AHEAD: Final = 1.0
"""Seconds. What was done in a long pause does not keep that work from its share of the time after it."""

MOST_OWED: Final = 10.0
"""Seconds. A delivery that waited for hours, for a store or for an operator, must not keep the next one waiting."""


class Turns:
    """An account of seconds: a slice costs documents that wait for their delivery as long as it takes."""

    def __init__(self) -> None:
        self._owed = 0.0

    @property
    def owes(self) -> bool:
        """Whether something that is due comes first, whatever the daemon has."""
        return self._owed > 0

    def delivered(self, seconds: float) -> None:
        """The stream had its turn."""
        self._owed = min(max(self._owed, -FURTHEST_AHEAD) + SHARE * seconds, MOST_OWED)

    def worked(self, seconds: float) -> None:
        """What is due had its turn."""
        self._owed -= seconds

    def nothing_is_due(self) -> None:
        """What comes later has no claim to time before."""
        self._owed = 0.0
