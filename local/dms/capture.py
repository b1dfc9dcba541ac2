"""Sends the source's changes to the stream and confirms to the source only what the stream has confirmed."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from local.dms.catalog import Catalog, connection
from local.dms.changes import ChangeRecords
from local.dms.control import TaskRecords
from local.dms.dialects import log_address
from local.dms.errors import Disconnected, Stopped
from local.dms.kinesis import MAX_RECORDS, Stream
from local.dms.log import log
from local.dms.pgoutput import parse
from local.dms.progress import Progress
from local.dms.records import Record
from local.dms.replication import Backoff, Source, replicate
from local.dms.settings import Settings
from local.dms.state import Point, format_lsn
from local.dms.tables import Table

_POLL_SECONDS = 0.1
_STATUS_SECONDS = 60.0
CHANGE_PROCESSING = "CHANGE PROCESSING"
# Under load a request every 20 ms at most; after a pause a change leaves at once.
_PUT_INTERVAL_SECONDS = 0.02


class Capture:
    """The change phase of one task."""

    def __init__(
        self,
        settings: Settings,
        task_records: TaskRecords,
        stream: Stream,
        progress: Progress,
        wait: Callable[[float], None],
    ) -> None:
        """`wait` sleeps for the seconds given, or raises Stopped when the task is to end."""
        self._settings = settings
        self._task_records = task_records
        self._stream = stream
        self._progress = progress
        self._wait = wait
        self._pending: list[Record] = []
        self._limit = MAX_RECORDS * max(1, settings.parallel_apply_threads)
        self._put_at = 0.0
        self._status_at = time.monotonic()
        self.loads_all = False
        """Whether tables are still being loaded for the first time beside the changes, as the status table says."""

    def run(self, url: str, slot: str, publication: str, known: dict[str, Table]) -> None:
        """Send changes for ever, over as many connections as it takes; ends by Stopped or DmsError."""
        backoff = Backoff()
        while True:
            try:
                self._run_once(url, slot, publication, known)
            except Disconnected as error:
                log(f"{error}; trying again from {format_lsn(self._resume_point().lsn)}")
                self._wait(backoff.next_seconds())

    def _run_once(self, url: str, slot: str, publication: str, known: dict[str, Table]) -> None:
        start = self._start()
        self._pending.clear()  # of a lost connection: it was not confirmed, so it comes again
        with connection(url) as connected, replicate(url, slot, publication, start.lsn) as source:
            describe = Catalog(connected).table
            changes = ChangeRecords(self._settings, self._task_records, describe, known, start)
            while True:
                try:
                    self._wait(0)
                except Stopped:
                    self._flush(changes)
                    self._confirm(source, changes)
                    raise
                self._step(source, changes)

    def _resume_point(self) -> Point:
        return self._progress.state.resume_point(self._settings.replay_transactions)

    def _start(self) -> Point:
        """Where to read from now on. What is sent again is numbered as the first time, or anew: what the real
        service does is not known."""
        state = self._progress.state
        start = self._resume_point()
        if state.points and self._settings.new_sequence_on_replay:
            start = replace(start, counter=state.points[-1].counter, latest=state.points[-1].latest)
        state.points = [start]
        return start

    def _step(self, source: Source, changes: ChangeRecords) -> None:
        """Read what has arrived, then put it, then say so: latency first, without a request for each record."""
        while len(self._pending) < self._limit and (message := source.read()) is not None:
            lsn, payload = message
            record = changes.feed(lsn, parse(payload))
            if record is not None:
                self._pending.append(record)
        is_full = len(self._pending) >= self._limit
        rest = self._put_at + _PUT_INTERVAL_SECONDS - time.monotonic()
        if self._pending and not is_full and rest > 0:
            source.wait(rest)
            return
        self._flush(changes)
        if self._progress.is_due():
            self._confirm(source, changes)
        if not is_full:
            source.wait(_POLL_SECONDS)

    def _flush(self, changes: ChangeRecords) -> None:
        state = self._progress.state
        if self._pending:
            self._stream.put(self._pending, self._settings.parallel_apply_threads)
            state.changes += len(self._pending)
            self._pending.clear()
            self._put_at = time.monotonic()
        if changes.committed:
            state.confirmed = max(state.confirmed, changes.committed[-1].lsn)
            kept = [*state.points, *changes.committed]
            state.points = kept[-1 - self._settings.replay_transactions :]
            changes.committed.clear()

    def _confirm(self, source: Source, changes: ChangeRecords) -> None:
        """Write the state down first: the source may then forget, the task must not."""
        state = self._progress.state
        if not self._pending and not changes.in_transaction:
            # Nothing of ours up to where the server has read: other tables' changes need no second look.
            state.confirmed = max(state.confirmed, source.reached)
        if time.monotonic() - self._status_at >= _STATUS_SECONDS:
            self._status_at = time.monotonic()
            self.put_status("FULL LOAD" if self.loads_all else CHANGE_PROCESSING)
        self._progress.save()
        source.confirm(self._resume_point().lsn)

    def put_status(self, status: str) -> None:
        """Put a row of awsdms_status, if that table is on."""
        if self._settings.status_table:
            position = f"{log_address(self._progress.state.confirmed)}.NOW"
            number = self._progress.next_own_transaction()
            self._stream.put([self._task_records.status(status, position, number, datetime.now(UTC))])

    def put_history(self, kind: str) -> None:
        """Put a row of awsdms_history, if that table is on."""
        if self._settings.history_table:
            number = self._progress.next_own_transaction()
            self._stream.put([self._task_records.history(kind, number, datetime.now(UTC))])
