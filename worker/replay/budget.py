"""How much of DynamoDB's capacity a replay may use: a token bucket that is paid afterwards, by what was charged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FIRST_CHUNK: Final = 25
"""Records, as long as nothing is known of what one costs."""


@dataclass(slots=True)
class Budget:
    """At most `units_per_second`, a second's worth at once and what one batch overdraws; without it, no limit."""

    units_per_second: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _units: float = field(default=0.0, init=False)
    _each: float | None = field(default=None, init=False)
    _filled: float | None = field(default=None, init=False)

    def chunk(self, most: int) -> int:
        """How many records to work on together, so that they cost about a second's worth."""
        if self.units_per_second is None:
            return most
        if self._each is None:
            return min(most, FIRST_CHUNK)
        return most if self._each <= 0 else max(1, min(most, int(self.units_per_second / self._each)))

    def spent(self, units: float, records: int) -> None:
        """Take what a batch has cost, and wait until it is paid."""
        if self.units_per_second is None:
            return
        each = units / max(1, records)
        # what gets dearer is believed at once
        self._each = each if self._each is None else max(each, (self._each + each) / 2)
        now = self.clock()
        earned = 0.0 if self._filled is None else (now - self._filled) * self.units_per_second
        self._units = min(self.units_per_second, self._units + earned) - units
        self._filled = now
        if self._units < 0:
            self.sleep(-self._units / self.units_per_second)
