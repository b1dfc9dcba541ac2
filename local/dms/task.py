"""One DMS task: full load, then changes, resumed from what the stream has confirmed."""

import re
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.dms.capture import Capture
from local.dms.catalog import Catalog, connection
from local.dms.control import TaskRecords, task_resource_id
from local.dms.errors import DmsError, Stopped
from local.dms.kinesis import Stream
from local.dms.load import load_table
from local.dms.log import log
from local.dms.progress import Progress
from local.dms.records import Record, TableRecords, refuse_large_keys
from local.dms.settings import Settings
from local.dms.state import CHANGES, FULL_LOAD, format_lsn
from local.dms.tables import Table

_POLL_SECONDS = 0.1


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
        self._stream = Stream(kinesis, stream_name, self._wait, settings.put_records_failure_rate)
        self._progress = Progress(options.state_folder, self._stream.counts)
        self._task_records = TaskRecords(task_resource_id(options.name), settings)
        self._capture = Capture(settings, self._task_records, self._stream, self._progress, self._wait)

    def stop(self) -> None:
        """Ask the task to end; what the stream has not confirmed comes again after a restart."""
        self._stopping.set()

    def run(self) -> None:
        """Load what is not loaded, then send changes until stopped; raises DmsError if it cannot go on."""
        options = self._options
        with self._progress.folder.locked():
            self._stream.check()
            tables = self._prepare()
            try:
                if self._progress.state.phase == FULL_LOAD:
                    self._load(tables)
                known = {table.full_name: table for table in tables}
                self._capture.put_status("CHANGE PROCESSING")
                self._capture.put_history("CHANGE PROCESSING")
                self._capture.run(options.source_url, options.slot, options.object_name, known)
            except Stopped:
                log(f"task {options.name}: stopped at {self._progress.state.confirmed_lsn}")
            finally:
                self._progress.save()

    def drop(self) -> None:
        """Remove the slot, the publication and the state; the next run loads again."""
        with self._progress.folder.locked(), connection(self._options.source_url) as connected:
            Catalog(connected).drop(self._options.object_name, self._options.slot)
            self._progress.folder.remove()

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
        self._progress.save()
        log(f"task {self._options.name}: {len(tables)} tables from {format_lsn(lsn)}")
        return tables

    def _load(self, tables: Sequence[Table]) -> None:
        state = self._progress.state
        self._stream.put(list(self._task_records.task_tables(_now())))
        self._capture.put_status("FULL LOAD")
        self._capture.put_history("FULL LOAD")
        left = [table for table in tables if table.full_name not in state.loaded_tables]
        with ThreadPoolExecutor(max(1, min(len(left), self._settings.parallel_load_tables))) as pool:
            self._await({pool.submit(self._load_table, table) for table in left})
        state.phase = CHANGES
        self._progress.save()
        log(f"task {self._options.name}: loaded {sum(state.rows_loaded.values())} rows")

    def _await(self, running: set[Future[None]]) -> None:
        while running:
            done, running = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                if future.exception() is not None:
                    self._failed.set()  # ends the other tables' loads as well
                    future.result()
            if self._progress.is_due():
                self._progress.save()

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

        load_table(self._options.source_url, TableRecords(table, self._settings), put)
        self._progress.end_table(name)

    def _wait(self, seconds: float) -> None:
        """Sleep, but end at once with Stopped when the task is to stop or a part of it has failed."""
        if self._failed.is_set() or self._stopping.wait(seconds):
            raise Stopped


def _now() -> datetime:
    return datetime.now(UTC)
