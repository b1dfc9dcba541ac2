"""One shard's records to durable effects: decode, park poison, project the rest. Checkpoints are the caller's."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from worker.errors import FatalError
from worker.log import Event, Log
from worker.parking import NO_TABLE, Entry, record_entry, table_entry, unknown_table_entry
from worker.projection.documents import NewerGeneration
from worker.projection.engine import project
from worker.projection.images import Counts
from worker.projection.plan import Plan
from worker.records.envelope import ChangeEvent, ControlEvent, InternalEvent, decode
from worker.records.errors import PoisonRecord, Reason, TableLacks
from worker.records.rows import RowChange, row_changes
from worker.records.stream import StreamRecord
from worker.store.dynamodb import DynamoStore

PARKED_TABLES_REFRESH_SECONDS: Final = 5.0


class ParkingPlace(Protocol):
    """Where records go that cannot be used (worker.parking.Parking)."""

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""

    def park(self, entries: Sequence[Entry]) -> None:
        """Return when all entries are durable; raise FatalError only."""


@dataclass(slots=True)
class BatchReport:
    """Counts of one batch."""

    records: int = 0
    ignored: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    folded: int = 0
    stale: int = 0
    unchanged: int = 0
    rows_written: int = 0
    documents_written: int = 0
    documents_skipped: int = 0
    documents_parked: int = 0
    retries: int = 0
    newest_commit_micros: int | None = None

    def add(self, counts: Counts) -> None:
        """Take over what the projection did."""
        self.folded += counts.folded
        self.stale += counts.stale
        self.unchanged += counts.unchanged
        self.rows_written += counts.rows_written
        self.documents_written += counts.documents_written
        self.documents_skipped += counts.documents_skipped
        self.documents_parked += counts.documents_parked


class Pipeline:
    """Everything between the stream and the tables, for one shard."""

    def __init__(
        self,
        plan: Plan,
        store: DynamoStore,
        parking: ParkingPlace,
        before_image_field: str,
        log: Log,
        incarnation: int = 1,
        notes_tables: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """With `notes_tables` off every record stands for itself: what it shows about its table parks it alone.

        An operator who feeds old records again must not stop a table whose new records are fine.
        """
        self._plan = plan
        self._tables = plan.mapping.tables
        self._store = store
        self._parking = parking
        self._before_image_field = before_image_field
        self._log = log
        self._incarnation = incarnation
        self._notes_tables = notes_tables
        self._clock = clock
        self._parked_tables: dict[str, str] = {}
        self._parked_tables_read = float("-inf")
        self._unknown_tables: set[str] = set()

    def process(self, records: Sequence[StreamRecord]) -> BatchReport:
        """Return when every record is durable: written, stale or parked. Transient failures are retried for ever.

        Raises FatalError only; then nothing may be checkpointed. A table found to lack something is parked, and the
        batch goes on without it.
        """
        self._refresh_parked_tables()
        while True:
            try:
                return self._process(records)
            except TableLacks as lack:  # seen only beside the stored row; what is already written is written again
                self._parked_tables[lack.table] = lack.detail
                if self._notes_tables:
                    record = next(record for record in records if self._table(record) == lack.table)
                    self._parking.park([table_entry(record, lack.table, lack.detail)])

    def _table(self, record: StreamRecord) -> str | None:
        try:
            return decode(record.data, self._before_image_field).table
        except PoisonRecord:
            return None

    def _process(self, records: Sequence[StreamRecord]) -> BatchReport:
        report = BatchReport(records=len(records))
        changes: list[RowChange] = []
        entries: list[Entry] = []
        retries = self._store.retries + self._parking.retries
        for record in records:
            changes += self._decode(record, report, entries)
        if entries:
            self._parking.park(entries)
        if changes:
            self._project(changes, report)
        report.retries = self._store.retries + self._parking.retries - retries
        return report

    def _project(self, changes: list[RowChange], report: BatchReport) -> None:
        try:
            report.add(self._store.drive(project(self._plan, changes, _instant(report.newest_commit_micros))))
        except NewerGeneration as problem:
            raise FatalError(str(problem)) from None
        if report.documents_parked:
            self._log.warning(Event.DOCUMENT_PARKED, count=report.documents_parked)

    def _decode(self, record: StreamRecord, report: BatchReport, entries: list[Entry]) -> tuple[RowChange, ...]:
        """The row changes of a record; what cannot be used goes to the entries to park."""
        table = NO_TABLE
        try:
            event = decode(record.data, self._before_image_field)
            table = event.table
            if isinstance(event, (ControlEvent, InternalEvent)):
                report.ignored += 1
                return ()
            if event.table not in self._tables:
                self._note_unknown(event.table, record, report, entries)
                return ()
            return self._row_changes(event, report)
        except PoisonRecord as poison:
            entries.append(record_entry(record, poison.table or table, poison.reason, poison.detail))
            report.parked[poison.reason] += 1
        except TableLacks as lack:
            if self._notes_tables:
                entries.append(table_entry(record, lack.table, lack.detail))
                self._parked_tables[lack.table] = lack.detail
            entries.append(record_entry(record, lack.table, Reason.TABLE_PARKED, lack.detail))
            report.parked[Reason.TABLE_PARKED] += 1
        return ()

    def _row_changes(self, event: ChangeEvent, report: BatchReport) -> tuple[RowChange, ...]:
        if event.table in self._parked_tables:
            raise PoisonRecord(Reason.TABLE_PARKED, self._parked_tables[event.table], event.table)
        changes = row_changes(event, self._tables[event.table], self._incarnation)
        report.changes[event.table, event.operation] += 1
        seen = event.commit_micros or event.built_micros
        report.newest_commit_micros = max(seen, report.newest_commit_micros or 0)
        return changes

    def _note_unknown(self, table: str, record: StreamRecord, report: BatchReport, entries: list[Entry]) -> None:
        """A table nobody maps needs no document: it is noted once, so that a forgotten mapping is seen."""
        detail = "no mapping uses this table: map it, or leave it out of the DMS task's table mappings"
        if not self._notes_tables:
            raise PoisonRecord(Reason.UNKNOWN_TABLE, detail, table)
        report.ignored += 1
        if table not in self._unknown_tables:
            entries.append(unknown_table_entry(record, table, detail))
            self._unknown_tables.add(table)
            report.parked[Reason.UNKNOWN_TABLE] += 1

    def _refresh_parked_tables(self) -> None:
        """Another shard's child may have parked a table, an operator may have released one."""
        if self._clock() - self._parked_tables_read >= PARKED_TABLES_REFRESH_SECONDS:
            self._parked_tables = self._parking.tables()
            self._parked_tables_read = self._clock()


def _instant(micros: int | None) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=micros or 0)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
