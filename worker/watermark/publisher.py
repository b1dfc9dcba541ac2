"""Tells readers about once a second up to when documents are complete. All workers take turns; any of them will do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from worker.records.mark import Mark
from worker.store.dynamodb import DynamoStore
from worker.watermark.complete import (
    Complete,
    Part,
    Teller,
    loaded_tables,
    look,
    raise_complete,
    read_complete,
    shared_mark,
)
from worker.watermark.progress import take_turn

MICROS: Final = 1_000_000
READ_SECONDS: Final = 5.0
"""How old what others have written may be in this worker's metrics."""


class Publisher:
    """One worker's part in it. For one thread."""

    def __init__(
        self,
        store: DynamoStore,
        tables: Sequence[str],
        parts: Callable[[], Sequence[Part]],
        parked: Callable[[], Collection[str]],
        clock: Callable[[], float],
        period_millis: int,
        teller: Callable[[int], Teller] = lambda _: Teller(),
    ) -> None:
        """`parts`: the shards that are being read or are to be; `parked`: the tables that are stopped; `teller`: who
        tells marks up to that incarnation."""
        self._store = store
        self._tables = tables
        self._parts = parts
        self._parked = parked
        self._clock = clock
        self._period_millis = period_millis
        self._teller = teller
        self._read_at = float("-inf")
        self.complete: dict[str, Complete] = {}

    def complete_seconds(self) -> dict[str, float]:
        """By table the commit time up to which it is known to be complete; any thread may ask."""
        return {table: found.mark.commit_micros / MICROS for table, found in self.complete.items()}

    def go(self) -> bool:
        """One round; whether it was this worker's turn. Raises whatever the store, `parts` and `parked` raise."""
        now = self._clock()
        turn = self._store.drive(take_turn(int(now * 1000), self._period_millis))
        if turn:
            marks = self._marks()
            teller = self._teller(max((mark.incarnation for mark in marks.values()), default=0))
            self.complete = {**self.complete, **self._store.drive(raise_complete(marks, now, teller))}
        if now - self._read_at >= READ_SECONDS:
            self._read_at = now
            self.complete = self._store.drive(read_complete(self._tables))
        return turn

    def _marks(self) -> dict[str, Mark]:
        parts = self._parts()
        seen = self._store.drive(look(parts))
        mark = shared_mark(parts, seen)
        if mark is None:
            return {}
        parked = self._parked()
        return {table: mark for table in loaded_tables(parts, seen, self._tables) if table not in parked}
