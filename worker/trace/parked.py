"""The parked records of one row: those of its table are read, and opened to see whose they are."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from contract.mapping import Table
from worker.parked.commands import Parked, entry_id
from worker.parked.items import list_of_table
from worker.records.envelope import ChangeEvent
from worker.records.errors import PoisonRecord
from worker.records.rows import row_key
from worker.records.source import Source
from worker.sealing import CannotOpen

MOST: Final = 200


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """One of them, without its payload."""

    id: str
    reason: str
    detail: str
    parked_at: str


@dataclass(frozen=True, slots=True)
class ParkedOfRow:
    """`unread`: records of the table that could not be opened or decoded; `more`: there are more than were read."""

    records: tuple[ParkedRecord, ...] = ()
    unread: int = 0
    more: bool = False


def parked_of_row(parked: Parked, client: Any, place: str, source: Source, table: Table, key: str) -> ParkedOfRow:
    """Look through the parked records of a table. Raises FatalError, TransientError."""
    items = list_of_table(client, place, table.name, MOST + 1)
    found, unread = [], 0
    for item in items[:MOST]:
        try:
            payload = parked.payload(item)
        except CannotOpen:
            payload = None
        whose = _key(payload, source, table) if payload is not None else None
        if whose is None:
            unread += 1
        elif key in whose:
            found.append(ParkedRecord(entry_id(item), item.reason, item.detail, item.parked_at))
    return ParkedOfRow(tuple(found), unread, len(items) > MOST)


def _key(payload: bytes, source: Source, table: Table) -> tuple[str, ...] | None:
    """The row's key, and the one it had before; None if the record does not say."""
    try:
        event = source.decode(payload)
        if not isinstance(event, ChangeEvent):
            return ()
        keys = [row_key(event.data, table)]
    except PoisonRecord:
        return None
    with contextlib.suppress(PoisonRecord):
        keys.append(row_key({**event.data, **(event.before or {})}, table))
    return tuple(keys)
