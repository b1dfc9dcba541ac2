"""How fast a run may read, and how it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]
Sleep = Callable[[float], None]


@dataclass(slots=True)
class Pace:
    """At most `rows_per_second` on average since the start; without a number, as fast as it goes."""

    rows_per_second: float | None = None
    clock: Clock = time.monotonic
    sleep: Sleep = time.sleep
    _started: float | None = field(default=None, init=False)
    _done: int = field(default=0, init=False)

    def chunk(self, most: int) -> int:
        """How many to read at once, so that no pause comes in the middle of a snapshot."""
        return most if self.rows_per_second is None else max(1, min(most, int(self.rows_per_second)))

    def after(self, rows: int) -> None:
        """Wait until so many more were due."""
        if self.rows_per_second is None:
            return
        now = self.clock()
        if self._started is None:
            self._started = now
        self._done += rows
        early = self._started + self._done / self.rows_per_second - now
        if early > 0:
            self.sleep(early)
