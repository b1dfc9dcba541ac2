"""One DMS task: full load, then changes, resumed from what the stream has confirmed."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.dms.capture import CHANGE_PROCESSING, Capture
from local.dms.catalog import Catalog, connection
from local.dms.control import TaskRecords, task_resource_id
from local.dms.errors import Disconnected, DmsError, Stopped
from local.dms.kinesis import Stream
from local.dms.load import load_table
from local.dms.loads import Loads
from local.dms.log import log
from local.dms.progress import Progress
from local.dms.records import Record, TableRecords, refuse_large_keys
from local.dms.reload import ReloadRequest
from local.dms.settings import Settings
from local.dms.state import CHANGES, FULL_LOAD, Point, format_lsn
from local.dms.tables import Table

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """What is not in the task file: the task's name, its two ends and where it keeps its state."""

    name: str
    source_url: str
    state_folder: Path
    settings: Settings

    @property
    def object_name(self) -> str:
        """The name of the publication and, unless SlotName is set, of the slot."""
        return "dms_" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())[:50]

    @property
    def slot(self) -> str:
        """The name of the replication slot."""
        return self.settings.slot_name or self.object_name


class Task:
    """Runs until told to stop. One instance runs once."""

    def __init__(self, options: Options, kinesis: Any, stream_name: str) -> None:
        settings = options.settings
        self._options = options
        self._settings = settings
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._stream = Stream(
            kinesis,
            stream_name,
            self._wait,
            settings.put_records_failure_rate,
            settings.lost_reply_rate,
            settings.interleave_keys,
        )
        self._progress = Progress(options.state_folder, self._stream.counts)
        self._request = ReloadRequest(options.state_folder)
        self._asked_at = 0.0
        self._task_records = TaskRecords(task_resource_id(options.name), settings)

    def stop(self) -> None:
        """Ask the task to end; what the stream has not confirmed comes again after a restart."""
        self._stopping.set()

    def run(self) -> None:
        """Load what is not loaded, then send changes until stopped; raises DmsError if it cannot go on."""
        with self._progress.folder.locked():
            self._stream.check()
            tables = {table.full_name: table for table in self._prepare()}
            try:
                with Loads(self._load_table, self._failed, self._settings.parallel_load_tables) as loads:
                    self._run(loads, tables)
            except Stopped:
                log(f"task {self._options.name}: stopped at {self._progress.state.confirmed_lsn}")
            finally:
                self._progress.save()

    def _run(self, loads: Loads, tables: dict[str, Table]) -> None:
        options, state = self._options, self._progress.state

        def pause(seconds: float) -> None:
            self._wait(seconds)
            loads.check()
            if capture.loads_all and not loads.busy:
                capture.loads_all = False
                capture.put_status(CHANGE_PROCESSING)
            self._take_request(loads, tables)

        capture = Capture(self._settings, self._task_records, self._stream, self._progress, pause)
        left = [table for name, table in tables.items() if name not in state.loaded_tables]
        if state.phase == FULL_LOAD:
            self._announce(capture)
        loads.start(left)
        if state.phase == FULL_LOAD and not self._settings.load_beside_changes:
            loads.finish(self._save_if_due)
            log(f"task {options.name}: loaded {sum(state.rows_loaded.values())} rows")
        state.phase = CHANGES
        self._progress.save()
        capture.loads_all = loads.busy
        if not loads.busy:
            capture.put_status(CHANGE_PROCESSING)
        capture.put_history(CHANGE_PROCESSING)
        capture.run(options.source_url, options.slot, options.object_name, dict(tables))

    def _take_request(self, loads: Loads, tables: dict[str, Table]) -> None:
        """Start what the reload command asks for. The state is written first: a kill in between loads twice."""
        now = time.monotonic()
        if now - self._asked_at < _POLL_SECONDS:
            return
        self._asked_at = now
        # one load of a table at a time: the end of the first would hide that the second has not ended
        asked = () if loads.busy else self._request.read()
        if not asked:
            return
        try:
            tables |= self._described(tables)
        except Disconnected as error:
            log(f"task {self._options.name}: {error}; the reload waits")
            return
        names = [name for name in asked if name in tables]
        self._progress.reload(names)
        self._progress.save()
        self._request.remove()
        log(f"task {self._options.name}: loads again {', '.join(names)}")
        loads.start(tables[name] for name in names)

    def _described(self, tables: dict[str, Table]) -> dict[str, Table]:
        """The tables as they are now: they may have other columns than when the task began."""
        with connection(self._options.source_url) as connected:
            found = Catalog(connected).tables(self._settings.table_mappings)
        return {table.full_name: table for table in found if table.full_name in tables}

    def _save_if_due(self) -> None:
        if self._progress.is_due():
            self._progress.save()

    def drop(self) -> None:
        """Remove the slot, the publication and the state; the next run loads again."""
        with self._progress.folder.locked(), connection(self._options.source_url) as connected:
            Catalog(connected).drop(self._options.object_name, self._options.slot)
            self._request.remove()
            self._progress.folder.remove()

    def stand_by(self) -> None:
        """Keep the log from now on; the next run sends its changes and loads nothing. Replaces what was there."""
        with self._progress.folder.locked(), connection(self._options.source_url) as connected:
            catalog = Catalog(connected)
            catalog.check()
            tables = catalog.tables(self._settings.table_mappings)
            refuse_large_keys(tables, self._settings)
            self._begin(catalog, tables)
            state = self._progress.state
            state.phase = CHANGES
            state.loaded_tables = list(state.tables)
            self._progress.save()

    def _prepare(self) -> tuple[Table, ...]:
        stored = self._progress.folder.read()
        with connection(self._options.source_url) as connected:
            catalog = Catalog(connected)
            catalog.check()
            selected = catalog.tables(self._settings.table_mappings)
            captured = [t for t in selected if stored is None or t.full_name in stored.tables]
            refuse_large_keys(captured, self._settings)
            if stored is None:
                return self._begin(catalog, selected)
            if not catalog.slot_exists(self._options.slot):
                raise DmsError(
                    f"source: slot {self._options.slot} is gone, so changes are missing: run the drop command "
                    "and load again"
                )
        self._progress.resume(stored)
        for table in selected:
            if table.full_name not in stored.tables:
                log(f"table {table.full_name}: new since the load, not captured; drop and run again to load it")
        log(f"task {self._options.name}: resumes in phase {stored.phase} at {stored.confirmed_lsn}")
        return tuple(captured)

    def _begin(self, catalog: Catalog, tables: tuple[Table, ...]) -> tuple[Table, ...]:
        # The slot first: whatever commits while a table is read comes again as a change.
        lsn = catalog.prepare(self._options.object_name, self._options.slot, tables)
        state = self._progress.state
        state.tables = [table.full_name for table in tables]
        state.confirmed = lsn
        state.points = [Point(lsn)]
        self._progress.save()
        log(f"task {self._options.name}: {len(tables)} tables from {format_lsn(lsn)}")
        return tables

    def _announce(self, capture: Capture) -> None:
        self._stream.put(list(self._task_records.task_tables(_now())))
        capture.put_status("FULL LOAD")
        capture.put_history("FULL LOAD")

    def _load_table(self, table: Table) -> None:
        name = table.full_name
        self._progress.start_table(name)
        if self._settings.target_table_prep_mode == "DROP_AND_CREATE":
            self._stream.put([self._task_records.table_dropped(table, _now())])
        self._stream.put([self._task_records.table_created(table, _now())])
        self._stream.put(list(self._task_records.load_exceptions_table(_now())))

        def put(records: Sequence[Record]) -> None:
            self._wait(0)
            self._stream.put(records, self._settings.parallel_load_threads)
            self._progress.add_rows(name, len(records))

        records = TableRecords(table, self._settings)
        load_table(self._options.source_url, records, self._settings, put, self._wait)
        self._progress.end_table(name)

    def _wait(self, seconds: float) -> None:
        """Sleep, but end at once with Stopped when the task is to stop or a part of it has failed."""
        if self._failed.is_set() or self._stopping.wait(seconds):
            raise Stopped


def _now() -> datetime:
    return datetime.now(UTC)
