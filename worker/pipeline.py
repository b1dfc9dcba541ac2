"""One shard's records to durable effects: decode, park poison, project the rest. Checkpoints are the caller's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from worker.due_work import DueReport, DueWork
from worker.errors import FatalError
from worker.instants import instant
from worker.intake import Intake
from worker.log import Event, Log
from worker.parked.parking import Entry
from worker.projection.due import Dues
from worker.projection.engine import project
from worker.projection.flat_documents import stored_rows
from worker.projection.generations import NewerGeneration
from worker.projection.habit import Habit
from worker.projection.images import Counts
from worker.projection.operations import Steps
from worker.projection.plan import Plan
from worker.records.crossing import RowId, State
from worker.records.drift import Drift, Ledger
from worker.records.errors import Reason, TableLacks
from worker.records.incarnations import Incarnations
from worker.records.rows import RowChange
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.settled import Settled
from worker.store.dynamodb import DynamoStore
from worker.store.usage import Meter
from worker.watermark.complete import read_complete
from worker.watermark.shard import ShardProgress

REFRESH_SECONDS: Final = 5.0
"""How old a worker's knowledge of parked tables and incarnations may be when it begins a batch."""

SAMPLES: Final = 4
"""Changes of a batch, at most, that are looked at to find the rows that change most."""


class ParkingPlace(Protocol):
    """Where records go that cannot be used (worker.parked.parking.Parking)."""

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""

    def park(self, entries: Sequence[Entry]) -> None:
        """Return when all entries are durable; raise FatalError only."""


class Limit(Protocol):
    """How many records may be parked (worker.parked.limit.ParkingLimit)."""

    def take(self, records: int) -> bool:
        """Whether so many more may be now; then they count. Raise FatalError only."""

    def wait(self, records: int) -> None:
        """Return when so many more may be; raise FatalError only."""


class Notes(Protocol):
    """What is kept about the source (worker.source_notes.SourceNotes)."""

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""

    def incarnations(self) -> Incarnations:
        """From when on each incarnation holds."""

    def ledgers(self) -> dict[str, Ledger]:
        """The known columns of every table seen."""

    def note(self, table: str, drift: Sequence[Drift]) -> tuple[Ledger, Sequence[Drift]]:
        """Return the table's ledger when it is durable, and what of the drift was new."""


@dataclass(slots=True)
class BatchReport:
    """Counts of one batch."""

    records: int = 0
    ignored: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    folded: int = 0
    stale: int = 0
    settled: int = 0
    unchanged: int = 0
    rows_written: int = 0
    documents_written: int = 0
    documents_skipped: int = 0
    documents_parked: int = 0
    documents_waiting: int = 0
    documents_in_parts: int = 0
    largest_document: int = 0
    due: int = 0
    retries: int = 0
    newest_commit_micros: int | None = None
    heartbeat_micros: int = 0
    drift: Counter[str] = field(default_factory=Counter)
    read_units: dict[str, float] = field(default_factory=dict)
    write_units: dict[str, float] = field(default_factory=dict)

    def add(self, counts: Counts) -> None:
        """Take over what the projection did."""
        self.folded += counts.folded
        self.stale += counts.stale
        self.settled += counts.settled
        self.unchanged += counts.unchanged
        self.rows_written += counts.rows_written
        self.documents_written += counts.documents_written
        self.documents_skipped += counts.documents_skipped
        self.documents_parked += counts.documents_parked
        self.documents_waiting += counts.documents_waiting
        self.documents_in_parts += counts.documents_in_parts
        self.largest_document = max(self.largest_document, counts.largest_document)
        self.due += counts.due


class Pipeline:
    """Everything between the stream and the tables, for one shard."""

    def __init__(
        self,
        plan: Plan,
        store: DynamoStore,
        parking: ParkingPlace,
        notes: Notes,
        source: Source,
        log: Log,
        notes_tables: bool = True,
        clock: Callable[[], float] = time.monotonic,
        dues: Dues | None = None,
        limit: Limit | None = None,
        progress: ShardProgress | None = None,
        settled: Settled | None = None,
    ) -> None:
        """With `notes_tables` off every record stands for itself: what it shows about its table parks it alone.

        An operator who feeds old records again must not stop a table whose new records are fine. Without `dues` large
        fan-outs are followed to their end within their batch; without `limit` any number of records is parked;
        without `progress` nothing is said of how far the shard is, and documents get no time;
        without `settled` every replay looks at all documents again.
        """
        self._plan = plan
        self._store = store
        self._parking = parking
        self._notes = notes
        self._log = log
        self._intake = Intake(plan.mapping, source, notes_tables=notes_tables)
        self._notes_tables = notes_tables
        self._clock = clock
        self._refreshed = float("-inf")
        self._as_of = instant(0)
        self._habit = Habit()
        self._dues = dues
        self._limit = limit
        self._progress = progress
        self._settled = settled
        self._reads = Meter(store.usage.read_units)
        self._writes = Meter(store.usage.write_units)
        self._due_work = DueWork(plan, store, dues, clock) if dues else None

    def process(self, records: Sequence[StreamRecord]) -> BatchReport:
        """Return when every record is durable: written, stale or parked. Transient failures are retried for ever.

        Raises FatalError only; then nothing may be checkpointed. A table found to lack something is parked, and the
        batch goes on without it.
        """
        self._refresh()
        while True:
            try:
                return self._process(records)
            except TableLacks as lack:  # seen only beside the stored row; what is already written is written again
                record = next(record for record in records if self._intake.table(record) == lack.table)
                entry = self._intake.lacks(record, lack)
                if self._notes_tables:
                    self._parking.park([entry])

    def work_off(self) -> DueReport | None:
        """One slice of what is due; None if nothing is known to be. Raises FatalError only.

        Whatever becomes of it has nothing to do with checkpoints.
        """
        if self._has_begun:
            self._save()
        if self._due_work is None:
            return None
        try:
            report = self._due_work.work_off()
        except NewerGeneration as problem:
            raise FatalError(str(problem)) from None
        if report is None:
            return None
        if report.counts.documents_parked:
            self._log.warning(Event.DOCUMENT_PARKED, count=report.counts.documents_parked)
        return replace(report, read_units=self._reads.read(), write_units=self._writes.read())

    def _process(self, records: Sequence[StreamRecord]) -> BatchReport:
        retries = self._retries()
        taken = self._intake.take(records)
        if self._progress:
            self._progress.take(taken.events)
        if taken.moves:
            self._intake.settle(taken, self._store.drive(_stored_states(self._plan, taken.new_keys())))
        report = BatchReport(
            len(records),
            ignored=taken.ignored,
            changes=taken.counts(),
            parked=taken.parked,
            newest_commit_micros=taken.newest_commit_micros(),
            heartbeat_micros=taken.heartbeat_micros,
        )
        waits = bool(taken.entries) and not self._park_at_once(taken.entries)
        for table, drift in taken.drift.items():
            self._note_drift(table, drift, report)
        if taken.changes:
            self._project(taken.changes, report, settled=self._settled is not None and self._settled.covers(records))
        if waits and self._limit:  # with all that can be used written
            self._limit.wait(_limited(taken.entries))
            self._parking.park(taken.entries)
        if self._settled:
            self._settled.note(records)
        if self._progress:
            self._progress.note(records, report, self._intake.incarnations)
            self._progress.sample([(change.table, change.key) for change in _some(taken.changes)])
        self._save()
        report.retries = self._retries() - retries
        report.read_units, report.write_units = self._reads.read(), self._writes.read()
        return report

    def _park_at_once(self, entries: Sequence[Entry]) -> bool:
        """Park them, unless they must wait."""
        if self._limit and not self._limit.take(_limited(entries)):
            return False
        self._parking.park(entries)
        return True

    def _project(self, changes: list[RowChange], report: BatchReport, *, settled: bool) -> None:
        steps = project(self._plan, changes, self._as_of, self._dues, self._habit, settled=settled)
        try:
            report.add(self._store.drive(steps))
        except NewerGeneration as problem:
            raise FatalError(str(problem)) from None
        if self._due_work and report.due:
            self._due_work.put(report.due)
        if report.documents_parked:
            self._log.warning(Event.DOCUMENT_PARKED, count=report.documents_parked)

    def _note_drift(self, table: str, drift: Sequence[Drift], report: BatchReport) -> None:
        ledger, added = self._notes.note(table, drift)
        self._intake.know({table: ledger})
        for one in added:
            report.drift[table] += 1
            self._log.warning(Event.DRIFT_SEEN, table=table, position=one.position, message=one.text)

    def _save(self) -> None:
        """Store what is said of the shard, as far as it is time to."""
        for said in (self._settled, self._progress):
            if said:
                self._store.drive(said.save())

    @property
    def _has_begun(self) -> bool:
        """Whether it is known what is stored of the shard; before that nothing is to be said of it."""
        return self._refreshed > float("-inf")

    def _retries(self) -> int:
        return self._store.retries + self._parking.retries + self._notes.retries

    def _refresh(self) -> None:
        """Another shard's child may have parked a table; an operator may release one or raise the incarnation."""
        now = self._clock()
        if now - self._refreshed < REFRESH_SECONDS:
            return
        if not self._has_begun:
            if self._notes_tables:
                self._intake.know(self._notes.ledgers())
            if self._settled:
                self._store.drive(self._settled.begin())
            if self._progress:
                self._store.drive(self._progress.begin())
        if self._progress:
            self._as_of = instant(self._store.drive(_complete_up_to(self._plan)))
        self._intake.parked_tables = self._parking.tables()
        self._intake.incarnations = self._notes.incarnations()
        self._refreshed = now


def _limited(entries: Sequence[Entry]) -> int:
    """Of a table that is stopped as many are parked as come: everybody knows, and other tables must go on."""
    return sum(entry.reason is not Reason.TABLE_PARKED for entry in entries)


def _stored_states(plan: Plan, rows: list[RowId]) -> Steps[dict[RowId, State]]:
    """Version of each row that is stored, and whether it is there: not deleted."""
    stored = yield from stored_rows(plan, rows)
    return {row_id: (version, row is not None) for row_id, (version, row) in stored.items()}


def _some(changes: Sequence[RowChange]) -> Sequence[RowChange]:
    """A few of them, from all parts of the batch."""
    return changes[:: len(changes) // SAMPLES + 1]


def _complete_up_to(plan: Plan) -> Steps[int]:
    """The commit time up to which all documents are known to be complete, 0 if that is not known."""
    tables = list(plan.mapping.tables)
    stored = yield from read_complete(tables)
    return min((stored[table].mark.commit_micros if table in stored else 0 for table in tables), default=0)
