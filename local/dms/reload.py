"""The request to load tables again while the task runs: a file in the state folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from local.dms.errors import DmsError
from local.dms.state import StateFolder

_MOST_TABLES = 10  # of one request, as DMS's ReloadTables


class ReloadRequest:
    """Written by the `reload` command, taken by the running task."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "reload.json"
        self._state = StateFolder(folder)

    def write(self, tables: Sequence[str]) -> None:
        """Ask for the tables; raises DmsError if one is not captured or another request is not taken yet."""
        state = self._state.read()
        if state is None:
            raise DmsError(f"{self._file.parent}: no task has run here; set --state to the task's folder")
        unknown = [name for name in tables if name not in state.tables]
        if unknown:
            raise DmsError(
                f"not captured by the task: {', '.join(unknown)}; captured are {', '.join(sorted(state.tables))}"
            )
        if len(tables) > _MOST_TABLES:
            raise DmsError(f"at most {_MOST_TABLES} tables may be named in one request, as with DMS")
        if self._file.exists():
            raise DmsError(f"{self._file}: a request is not taken yet; is the task running?")
        draft = self._file.with_suffix(".tmp")
        draft.write_text(json.dumps(list(tables)), encoding="utf-8")
        draft.replace(self._file)

    def read(self) -> tuple[str, ...]:
        """The tables asked for, none without a request."""
        try:
            return tuple(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return ()

    def remove(self) -> None:
        """The request is in the task's state now."""
        self._file.unlink(missing_ok=True)
