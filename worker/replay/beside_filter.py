"""Which records a replay beside the workers feeds on: of which tables, of which rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from contract.mapping import Mapping
from worker.errors import FatalError
from worker.records.envelope import ChangeEvent
from worker.records.errors import PoisonRecord, TableLacks
from worker.records.rows import RowReader
from worker.records.source import Source

_ANY_VERSION = "0"


class Verdict(StrEnum):
    """What becomes of a record."""

    TAKEN = "taken"
    OTHER = "other"
    UNMAPPED = "unmapped"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty `tables`: all that are mapped; empty `keys`: all rows. Keys are key text, sensitive columns as tokens."""

    readers: dict[str, RowReader]
    source: Source
    tables: frozenset[str]
    keys: frozenset[str]

    def judge(self, data: bytes) -> Verdict:
        """Never raises. A row whose key changes counts by both its keys."""
        try:
            event = self.source.decode(data)
            if not isinstance(event, ChangeEvent) or event.table not in self.readers:
                return Verdict.UNMAPPED
            if self.tables and event.table not in self.tables:
                return Verdict.OTHER
            if not self.keys:
                return Verdict.TAKEN
            event = self.source.protection.event(event)
            changes = self.readers[event.table].changes(event, _ANY_VERSION)
        except (PoisonRecord, TableLacks):
            return Verdict.UNREADABLE
        return Verdict.TAKEN if any(change.key in self.keys for change in changes) else Verdict.OTHER


def make_filter(mapping: Mapping, source: Source, tables: Iterable[str], keys: Iterable[str]) -> Filter:
    """Raises FatalError if no mapping uses a table."""
    chosen = frozenset(tables)
    if unknown := sorted(chosen - mapping.tables.keys()):
        raise FatalError(f"no mapping uses the table {', '.join(unknown)}")
    readers = {name: RowReader(table) for name, table in mapping.tables.items()}
    return Filter(readers, source, chosen, frozenset(keys))
