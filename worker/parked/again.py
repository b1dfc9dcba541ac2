"""Where a retry parks what it could not use."""

from __future__ import annotations

from collections.abc import Sequence

from worker.parked.parking import Entry, Parking


class Again:
    """Parks what a retry could not use, in its old place, and remembers it by the record's sort key."""

    def __init__(self, parking: Parking) -> None:
        self._parking = parking
        self.entries: dict[str, Entry] = {}

    @property
    def retries(self) -> int:
        """As worker.parked.parking.Parking.retries."""
        return self._parking.retries

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""
        return self._parking.tables()

    def park(self, entries: Sequence[Entry]) -> None:
        """Durable when it returns."""
        self._parking.park(entries)
        self.entries.update({entry.sk: entry for entry in entries})
