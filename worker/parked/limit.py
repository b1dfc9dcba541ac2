"""A shard that parks more than anybody looks at holds: its records wait in the stream, where they are safe.

Within a window at most so many records are parked, and what one batch brings beyond. Then the shard waits until the
window has passed or an operator allows more, and goes on by itself. Nothing is skipped, and every record that can be
used is written before the shard waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from worker import pulse

LOOK_SECONDS: Final = 5.0
"""How soon an operator's word is heard."""

TELL_SECONDS: Final = 60.0
"""How often a shard that holds says so again: an alarm on the log must stay on."""


class Held(StrEnum):
    """Why a shard holds; closed list, used as metric label."""

    PARKING_LIMIT = "parking_limit"
    PARKING_STORE = "parking_store"
    FENCED = "fenced"


class Telling(Protocol):
    """Who is told that a shard holds (worker.holding.Holding)."""

    def holds(self, why: Held, message: str) -> None:
        """It does, or still does."""

    def goes_on(self, why: Held) -> None:
        """It does no more."""


class ParkingLimit:
    """At most `most` records within a window; 0 is no limit. `allowed`: whether an operator lets more through now."""

    def __init__(
        self,
        most: int,
        window_seconds: float,
        allowed: Callable[[], bool],
        telling: Telling,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pulse.sleep,
    ) -> None:
        self._most = most
        self._window_seconds = window_seconds
        self._allowed = allowed
        self._telling = telling
        self._clock = clock
        self._sleep = sleep
        self._parked: deque[tuple[float, int]] = deque()

    def take(self, records: int) -> bool:
        """Whether so many records may be parked now; then they count as parked. Raises what `allowed` raises."""
        if self._most and records:
            if self._within() >= self._most and not self._allowed():
                return False
            self._parked.append((self._clock(), records))
        return True

    def wait(self, records: int) -> None:
        """Return when they may be parked, and count them. Raises what `allowed` raises."""
        told = float("-inf")
        try:
            while not self.take(records):
                if self._clock() - told >= TELL_SECONDS:
                    told = self._clock()
                    self._telling.holds(Held.PARKING_LIMIT, self._message())
                self._sleep(LOOK_SECONDS)
        finally:
            self._telling.goes_on(Held.PARKING_LIMIT)

    def _within(self) -> int:
        """Records parked within the window that ends now."""
        start = self._clock() - self._window_seconds
        while self._parked and self._parked[0][0] <= start:
            self._parked.popleft()
        return sum(records for _, records in self._parked)

    def _message(self) -> str:
        return (
            f"{self._within()} records parked within {self._window_seconds:.0f} seconds, at most {self._most} are:"
            " `nearview parked list` says why, `nearview parked allow` lets more through; without it the shard goes on"
            " when the window has passed (NEARVIEW_PARKED_LIMIT, NEARVIEW_PARKED_WINDOW_SECONDS)"
        )
