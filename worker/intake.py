"""One shard's records to row changes: decoded, protected, versioned. What cannot be used becomes an entry to park.

It keeps what a shard must remember between batches: parked tables, positions, key changes, known columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from contract.mapping import Mapping
from worker.parked.parking import NO_TABLE, Entry, record_entry, table_entry, unknown_table_entry
from worker.records.crossing import KeyMove, KeyMoves, RowId, State
from worker.records.drift import Drift, DriftWatch, Ledger
from worker.records.envelope import ChangeEvent, ControlEvent, InternalEvent, Operation
from worker.records.errors import PoisonRecord, Reason, TableLacks
from worker.records.incarnations import Incarnations
from worker.records.positions import CHECKS_KEYS_LATE
from worker.records.rows import RowChange, RowReader
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.records.version import change_version, load_version
from worker.records.watch import PositionWatch

CROSSED: Final = (
    "its primary-key change crosses another one of the same transaction (keys swapped or handed on), so which row has"
    " which key cannot be told: reload the table"
)


_LOAD: Final = Operation.LOAD  # an enum's members are slow to look up in its class
_table_and_operation: Final = attrgetter("table", "operation")


@dataclass(slots=True)
class Taken:
    """What a batch of records came to.

    `events`: all that the records say of rows, in their order; `used`: those whose changes go on to the tables.
    `moves`: records that change a primary key; whether they can be used depends on what is stored.
    """

    changes: list[RowChange] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    drift: dict[str, list[Drift]] = field(default_factory=dict)
    parked: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    heartbeat_micros: int = 0
    events: list[ChangeEvent] = field(default_factory=list)
    used: list[ChangeEvent] = field(default_factory=list)
    moves: list[tuple[KeyMove, StreamRecord, ChangeEvent, tuple[RowChange, ...]]] = field(default_factory=list)

    def new_keys(self) -> list[RowId]:
        """The rows that stand, or do not, where moves want to go."""
        return sorted({(move.transaction[0], move.new_key) for move, *_ in self.moves})

    def use(self, event: ChangeEvent, changes: tuple[RowChange, ...]) -> None:
        """An event's changes go on to the tables."""
        self.used.append(event)
        self.changes.extend(changes)

    def counts(self) -> Counter[tuple[str, str]]:
        """Of what is used: by table and operation."""
        return Counter(map(_table_and_operation, self.used))

    def newest_commit_micros(self) -> int | None:
        """Of what is used: the newest commit time of the source, of a loaded row when it was built."""
        return max([event.commit_micros or event.built_micros for event in self.used], default=None)


class Intake:
    """With `notes_tables` off every record stands for itself: nothing is concluded from it about its table."""

    def __init__(self, mapping: Mapping, source: Source, *, notes_tables: bool) -> None:
        self.parked_tables: dict[str, str] = {}
        self.incarnations = Incarnations()
        self._readers = {name: RowReader(table) for name, table in mapping.tables.items()}
        self._source = source
        self._order = source.order
        self._protection = source.protection
        self._checks_keys_late = source.order.engine in CHECKS_KEYS_LATE
        self._notes_tables = notes_tables
        self._unknown_tables: set[str] = set()
        self._positions = PositionWatch()
        self._moves = KeyMoves()
        self._drift = DriftWatch()

    def know(self, ledgers: dict[str, Ledger]) -> None:
        """Take over what is stored about the columns of tables."""
        self._drift.know(ledgers)

    def table(self, record: StreamRecord) -> str | None:
        """The table that a record is of; None if it names none."""
        try:
            return self._source.decode(record.data).table
        except PoisonRecord:
            return None

    def lacks(self, record: StreamRecord, lack: TableLacks) -> Entry:
        """Stop a table from now on; the entry that makes it known to all."""
        self.parked_tables[lack.table] = lack.detail
        return table_entry(self._protected(record), lack.table, lack.detail)

    def take(self, records: Sequence[StreamRecord]) -> Taken:
        """The changes in a batch, and what to park instead of the rest. Its moves are still to be settled."""
        taken = Taken()
        decode, readers = self._source.decode, self._readers
        for record in records:
            table = NO_TABLE
            try:
                event = decode(record.data)
                table = event.table
                if isinstance(event, ChangeEvent):
                    taken.events.append(event)
                    if reader := readers.get(table):
                        self._change(record, event, reader, taken)
                        continue
                self._other(record, event, taken)
            except PoisonRecord as poison:
                self._park(record, poison.table or table, poison.reason, poison.detail, taken)
            except TableLacks as lack:
                if self._notes_tables:
                    taken.entries.append(self.lacks(record, lack))
                self._park(record, lack.table, Reason.TABLE_PARKED, lack.detail, taken)
        return taken

    def settle(self, taken: Taken, stored: dict[RowId, State]) -> None:
        """Use or park the moves; `stored`: the images of rows at their new keys, as far as there are any."""
        known = {row: [state] for row, state in stored.items()}
        for change in taken.changes:
            known.setdefault((change.table, change.key), []).append((change.version, change.row is not None))
        crossed = self._moves.crossed((move for move, *_ in taken.moves), known)
        for move, record, event, changes in taken.moves:
            if move in crossed:
                self._park(record, event.table, Reason.CROSSED_KEYS, CROSSED, taken)
            else:
                taken.use(event, changes)

    def _change(self, record: StreamRecord, event: ChangeEvent, reader: RowReader, taken: Taken) -> None:
        table = event.table
        if table in self.parked_tables:
            raise PoisonRecord(Reason.TABLE_PARKED, self.parked_tables[table], table)
        if self._protection.policies:
            event = self._protection.event(event)
        if self._notes_tables and (drift := self._drift.see(event)):
            self._note_drift(table, drift, taken)
        incarnation = self.incarnations.of(event.built_micros)
        if event.operation is _LOAD:
            changes = reader.changes(event, load_version(incarnation, event.built_micros))
        else:
            position, number = self._order.place(event)
            changes = reader.changes(event, change_version(incarnation, position, number))
            if self._notes_tables:
                self._positions.see(event, incarnation, position)
        if self._checks_keys_late and len(changes) > 1 and event.transaction is not None:
            put, gone = changes
            transaction = (table, event.transaction, event.commit_micros)
            taken.moves.append((KeyMove(transaction, put.version, gone.key, put.key), record, event, changes))
            return
        taken.use(event, changes)

    def _other(self, record: StreamRecord, event: ChangeEvent | ControlEvent | InternalEvent, taken: Taken) -> None:
        """What changes no row of the mapping."""
        if isinstance(event, ChangeEvent):
            if event.table == self._source.heartbeat_table:
                taken.heartbeat_micros = event.commit_micros or taken.heartbeat_micros
            else:
                self._note_unknown(event.table, record, taken)
        if isinstance(event, ControlEvent) and event.table in self._readers and self._notes_tables:
            self._note_drift(event.table, self._drift.control(event), taken)
        taken.ignored += 1

    def _note_unknown(self, table: str, record: StreamRecord, taken: Taken) -> None:
        """A table nobody maps needs no document: it is noted once, so that a forgotten mapping is seen."""
        detail = "no mapping uses this table: map it, or leave it out of the DMS task's table mappings"
        if not self._notes_tables:
            raise PoisonRecord(Reason.UNKNOWN_TABLE, detail, table)
        if table not in self._unknown_tables:
            taken.entries.append(unknown_table_entry(self._protected(record), table, detail))
            self._unknown_tables.add(table)
            taken.parked[Reason.UNKNOWN_TABLE] += 1

    def _note_drift(self, table: str, drift: list[Drift], taken: Taken) -> None:
        if drift:
            taken.drift.setdefault(table, []).extend(one for one in drift if one not in taken.drift.get(table, ()))

    def _park(self, record: StreamRecord, table: str, reason: Reason, detail: str, taken: Taken) -> None:
        taken.entries.append(record_entry(self._protected(record), table, reason, detail))
        taken.parked[reason] += 1

    def _protected(self, record: StreamRecord) -> StreamRecord:
        """The record as it may be stored."""
        data = self._source.protection.payload(record.data)
        return record if data is record.data else replace(record, data=data)
