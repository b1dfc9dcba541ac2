"""Which rows change most, from a few samples of every batch; bounded, and old samples count less and less. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from worker.watermark.progress import HotRow

KEPT: Final = 64
TOLD: Final = 3
HALVED_AFTER: Final = 1000
LEAST_SAMPLES: Final = 50
"""A share of fewer says nothing."""
LEAST_SHARE: Final = 0.02
LONGEST_KEY: Final = 200
"""Characters of a key as it is told: the item is written every second."""


class HotRows:
    """Counts of sampled rows."""

    def __init__(self) -> None:
        self.sampled = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, rows: Sequence[tuple[str, str]]) -> None:
        """Count rows by table and key."""
        self.sampled += len(rows)
        for row in rows:
            if row not in self._counts and len(self._counts) >= KEPT:
                # the newcomer takes the place of the rarest and its count, so a row that is hot from now on stays
                rarest = min(self._counts, key=self._counts.__getitem__)
                self._counts[row] = self._counts.pop(rarest)
            self._counts[row] += 1
        if self.sampled >= HALVED_AFTER:
            self.sampled //= 2
            self._counts = Counter({row: count // 2 for row, count in self._counts.items() if count > 1})

    def top(self) -> tuple[HotRow, ...]:
        """The hottest, as far as they stand out."""
        if self.sampled < LEAST_SAMPLES:
            return ()
        return tuple(
            HotRow(table, key[:LONGEST_KEY], count)
            for (table, key), count in self._counts.most_common(TOLD)
            if count >= LEAST_SHARE * self.sampled and count > 1
        )
