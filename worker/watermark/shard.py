"""A shard's progress, batch by batch: read off the last records of what is durable, stored about once a second."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from worker.projection.operations import Steps
from worker.records.envelope import ChangeEvent, ControlEvent, Operation, parse
from worker.records.errors import PoisonRecord, TableLacks
from worker.records.incarnations import Incarnations
from worker.records.mark import NOTHING, Mark, place
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.watermark.hot import HotRows
from worker.watermark.progress import Progress, TableNotes, read_shards, save_progress, save_tables

SAVE_SECONDS: Final = 1.0
LOOK_AT: Final = 20
"""Of so many records at a batch's end one mostly is a change; while a table is loaded there may be none."""

IN_TURN_MICROS: Final = 30_000_000

STATUS_KEY: Final = ".awsdms_status"
"""Partition key of the rows of DMS's own status table."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
FULL_LOAD: Final = "FULL LOAD"
CHANGES: Final = "CHANGE PROCESSING"
_LOAD: Final = Operation.LOAD


class Batch(Protocol):
    """What is known of a durable batch (worker.pipeline.BatchReport)."""

    newest_commit_micros: int | None
    heartbeat_micros: int

    @property
    def changes(self) -> Mapping[tuple[str, str], int]:
        """Number of changes by (table, operation)."""


class ShardProgress:
    """What one shard's worker knows of its own progress. For one thread; it does nothing for a single record."""

    def __init__(self, shard: str, source: Source, tables: Collection[str], clock: Callable[[], float]) -> None:
        """`tables`: those of the mapping; `clock`: seconds since the epoch."""
        self._shard = shard
        self._source = source
        self._tables = frozenset(tables)
        self._clock = clock
        self._progress = Progress()
        self._notes = TableNotes()
        self._stored: Progress | None = None
        self._stored_notes: TableNotes | None = None
        self._unsettled = self._tables
        self._next_save = 0.0
        self._in_turn_since: dict[str, int] = {}
        self._batch: Sequence[ChangeEvent] = ()
        self._incarnations = Incarnations()
        self._hot = HotRows()

    @property
    def mark(self) -> Mark:
        """Everything up to there is durable, or due."""
        return self._progress.mark

    def take(self, events: Sequence[ChangeEvent]) -> None:
        """A batch begins; `events`: all that its records say of rows, in their order."""
        self._batch = events

    def before(self) -> Mark:
        """Up to where the shard was complete without the batch that has begun; asked only if something of it is due.

        A change may come late, as after the load of its table; what a row of a load leads to is of no time at all.
        """
        mark = self.mark
        for event in self._batch:
            if event.table in self._tables:
                if event.commit_micros is None or event.operation is _LOAD:
                    return NOTHING
                mark = mark.earlier(Mark(event.commit_micros, self._place(event, self._incarnations)))
        return mark

    def begin(self) -> Steps[None]:
        """Go on where the shard's last worker stopped."""
        found = (yield from read_shards([self._shard])).get(self._shard)
        if found is not None:
            self._stored = found.progress if found.progress.written_millis else None
            self._progress = found.progress
            self._stored_notes = None if found.tables == TableNotes() else found.tables
            self._notes = found.tables
        self._settle()

    def note(self, records: Sequence[StreamRecord], batch: Batch, incarnations: Incarnations) -> None:
        """The batch that was taken is durable."""
        before, self._incarnations = self._progress, incarnations
        self._progress = before.later(self._look_at_end(records, batch, incarnations))
        self._note_loads(records, batch, before)
        self._batch = ()  # the next one is made in the memory that this gives back

    def sample(self, changes: Sequence[tuple[str, str]]) -> None:
        """Some of a batch's changes, by table and key."""
        self._hot.add(changes)

    def save(self) -> Steps[None]:
        """Store what has changed and was not stored within the last second; that a load goes on, at once.

        The checkpoint may pass a load's rows as soon as this returns, and no later worker would see them: it would take
        the table's changes, which DMS keeps back meanwhile, for all there are.
        """
        now = self._clock()
        is_time = now >= self._next_save
        if (is_time or self._has_seen_a_load) and self._notes not in (self._stored_notes, TableNotes()):
            self._notes = self._stored_notes = yield from save_tables(self._shard, self._notes, self._stored_notes)
            self._settle()
        if not is_time:
            return
        self._next_save = now + SAVE_SECONDS
        ours, stored = self._progress, self._stored
        if stored is not None and (ours.mark, ours.built_micros) == (stored.mark, stored.built_micros):
            return
        told = replace(ours, written_millis=int(now * 1000), sampled=self._hot.sampled, hot=self._hot.top())
        self._progress = self._stored = yield from save_progress(self._shard, told, stored)

    @property
    def _has_seen_a_load(self) -> bool:
        """Whether it knows of loads what is not stored."""
        stored = self._stored_notes or TableNotes()
        return (self._notes.loads, self._notes.full_load) != (stored.loads, stored.full_load)

    def _look_at_end(self, records: Sequence[StreamRecord], batch: Batch, incarnations: Incarnations) -> Progress:
        """What the last change says. The records of a task come in the order of the source's commits, so all that was
        committed before it, of this shard, is in the batch or came earlier."""
        mark, built = NOTHING, 0
        for record in reversed(records[-LOOK_AT:]):
            try:
                event = self._source.decode(record.data)
            except PoisonRecord:
                continue
            if isinstance(event, (ChangeEvent, ControlEvent)):
                built = max(built, event.built_micros)
            if isinstance(event, ChangeEvent) and event.operation is not _LOAD and event.commit_micros:
                mark = Mark(event.commit_micros, self._place(event, incarnations))
                break
        return Progress(mark, built, batch.heartbeat_micros, records[-1].arrival_millis if records else 0)

    def _place(self, event: ChangeEvent, incarnations: Incarnations) -> str:
        try:
            position, _ = self._source.order.place(event)
        except TableLacks:  # its commit time counts all the same
            return ""
        return place(incarnations.of(event.built_micros), position)

    def _note_loads(self, records: Sequence[StreamRecord], batch: Batch, before: Progress) -> None:
        built = max(self._progress.built_micros, batch.newest_commit_micros or 0)
        notes = self._notes
        loaded = {table for table, operation in batch.changes if operation == _LOAD}
        if not notes.first:
            notes = replace(notes, first=built)
        if loaded:
            rows = self._newest_rows(batch, loaded)
            rows = {table: max(at, notes.loads.get(table, 0)) for table, at in rows.items()}
            notes = replace(notes, loads={**notes.loads, **rows})
        self._notes = notes
        if loaded:
            self._in_turn_since = {t: since for t, since in self._in_turn_since.items() if t not in loaded}
            self._settle()
        if self._unsettled:
            self._look_for_ends(records, batch, before)

    def _newest_rows(self, batch: Batch, loaded: set[str]) -> dict[str, int]:
        """When the newest rows of loads were built. A batch of nothing else has said so already."""
        if all(operation == _LOAD for _, operation in batch.changes):
            return dict.fromkeys(loaded, batch.newest_commit_micros or 0)
        rows = dict.fromkeys(loaded, 0)
        for event in self._batch:
            if event.operation is _LOAD and event.table in rows:
                rows[event.table] = max(rows[event.table], event.built_micros)
        return rows

    def _look_for_ends(self, records: Sequence[StreamRecord], batch: Batch, before: Progress) -> None:
        """Only while a table's load may still be going on: what shows that it is over.

        A table's changes that come while it is loaded are sent when its load is over, later than others of their time.
        So its changes must come in their turn for a while: none is older than what came before it. A heartbeat must
        have come before them, or there may have been nothing to compare them with.
        """
        for record in records:
            if record.partition_key.endswith(STATUS_KEY):
                self._notes = _with_status(self._notes, *_status(record))
        changed = self._unsettled.intersection(table for table, operation in batch.changes if operation != _LOAD)
        ends = dict(self._notes.ends)
        if changed and (before.heartbeat_micros or not self._source.heartbeat_table):
            for table, built in self._in_turn(changed, before.mark.commit_micros):
                since = self._in_turn_since.setdefault(table, built)
                if built - since >= IN_TURN_MICROS:
                    ends[table] = max(built, ends.get(table, 0))
            self._notes = replace(self._notes, ends=ends)
        self._settle()

    def _in_turn(self, tables: Collection[str], newest: int) -> Iterator[tuple[str, int]]:
        """Tables whose changes come in their turn, and when these were built; forgets since when of those out of turn.

        Mostly all of a batch does: then its first and last change of a table say all, and no other is looked at.
        """
        changes = [event for event in self._batch if event.operation is not _LOAD]
        commits = [event.commit_micros or 0 for event in changes]
        if commits and commits[0] >= newest and commits == sorted(commits):
            first = {event.table: event.built_micros for event in reversed(changes)}
            last = {event.table: event.built_micros for event in changes}
            for table in tables:
                yield table, first[table]
                yield table, last[table]
            return
        for event, commit in zip(changes, commits, strict=True):
            if event.table in tables and commit < newest:
                self._in_turn_since.pop(event.table, None)
            elif event.table in tables:
                yield event.table, event.built_micros
            newest = max(newest, commit)

    def _settle(self) -> None:
        self._unsettled = frozenset(table for table in self._tables if not self._notes.is_settled(table))


def _status(record: StreamRecord) -> tuple[str, int]:
    """What DMS wrote into its status table, and when."""
    try:
        document = parse(record.data)
        built = datetime.fromisoformat(document["metadata"]["timestamp"])
        return str(document["data"]["task_status"]), (built - EPOCH) // MICROSECOND
    except (PoisonRecord, KeyError, TypeError, ValueError):
        return "", 0


def _with_status(notes: TableNotes, status: str, built: int) -> TableNotes:
    if status == FULL_LOAD:
        return replace(notes, full_load=max(built, notes.full_load))
    if status == CHANGES and built > notes.full_load >= notes.all_ended:
        return replace(notes, all_ended=built)
    if status == CHANGES:
        return replace(notes, running=max(built, notes.running))
    return notes
