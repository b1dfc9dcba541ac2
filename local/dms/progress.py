"""The task's progress in memory, and when it is written down."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from local.dms.kinesis import PutCounts
from local.dms.state import State, StateFolder

_SAVE_SECONDS = 0.5


class Progress:
    """The state of a running task; loads in several threads add their rows to it."""

    def __init__(self, folder: Path, counts: PutCounts) -> None:
        self.state = State()
        self.folder = StateFolder(folder)
        self._counts = counts
        self._saved = 0.0
        self._lock = threading.Lock()

    def resume(self, stored: State) -> None:
        """Go on from a stored state."""
        self.state = stored
        self._counts.records, self._counts.retries = stored.put_records, stored.put_retries
        self._counts.sequence_numbers.update(stored.last_sequence_numbers)

    def reload(self, names: Iterable[str]) -> None:
        """These tables are to be loaded again, also by a later run if this one ends before."""
        with self._lock:
            self.state.loaded_tables = [name for name in self.state.loaded_tables if name not in set(names)]

    def start_table(self, name: str) -> None:
        """A table's load begins, or begins again."""
        with self._lock:
            self.state.rows_loaded[name] = 0

    def add_rows(self, name: str, count: int) -> None:
        """The stream has confirmed so many rows of a table's load."""
        with self._lock:
            self.state.rows_loaded[name] += count

    def end_table(self, name: str) -> None:
        """A table's load is complete."""
        with self._lock:
            self.state.loaded_tables.append(name)

    def next_own_transaction(self) -> int:
        """The next number of the transactions that write DMS's own tables."""
        self.state.own_transactions += 1
        return self.state.own_transactions

    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._saved >= _SAVE_SECONDS

    def save(self) -> None:
        """Write the state down now."""
        with self._lock:
            self.state.put_records, self.state.put_retries = self._counts.records, self._counts.retries
            self.state.last_sequence_numbers = dict(self._counts.sequence_numbers)
            self.folder.write(self.state)
        self._saved = time.monotonic()
