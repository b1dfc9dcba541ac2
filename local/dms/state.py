"""The task's state folder: state.json, written atomically, and the lock that keeps it to one process."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from local.dms.errors import DmsError

FULL_LOAD, CHANGES = "full-load", "changes"


@dataclass(frozen=True, slots=True)
class Point:
    """The end of a transaction that the stream has, and what the changes after it go on from."""

    lsn: int
    previous: tuple[int, int] | None = None
    counter: int = 0
    latest: str = ""


@dataclass(slots=True)
class State:
    """Where the task stands; it never runs ahead of what the stream has confirmed."""

    phase: str = FULL_LOAD
    tables: list[str] = field(default_factory=list)
    loaded_tables: list[str] = field(default_factory=list)
    rows_loaded: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    confirmed_lsn: str = "0/0"
    points: list[Point] = field(default_factory=list)
    own_transactions: int = 0
    put_records: int = 0
    put_retries: int = 0
    last_sequence_numbers: dict[str, str] = field(default_factory=dict)

    def resume_point(self, replay_transactions: int) -> Point:
        """Where a resumed task begins to read: behind all that is confirmed, or so many transactions before."""
        if replay_transactions and self.points:
            return self.points[0]
        last = self.points[-1] if self.points else Point(0)
        return replace(last, lsn=self.confirmed)

    @property
    def confirmed(self) -> int:
        """The confirmed log position as a number."""
        return parse_lsn(self.confirmed_lsn)

    @confirmed.setter
    def confirmed(self, lsn: int) -> None:
        self.confirmed_lsn = format_lsn(lsn)


class StateFolder:
    """Reads and writes the state of one task."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "state.json"
        self._written = ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; raises DmsError if another one has it. A kill releases it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "state.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DmsError(f"{self._folder}: another process runs this task; stop it first") from error
            yield

    def read(self) -> State | None:
        """The stored state, None if the task never ran."""
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            names = {item.name for item in fields(State)}
            state = State(**{name: value for name, value in stored.items() if name in names})
            state.points = [_point(stored_point) for stored_point in stored.get("points", ())]
            return state
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError, TypeError) as error:
            raise DmsError(
                f"{self._file}: damaged; run the drop command and load again ({type(error).__name__})"
            ) from error

    def write(self, state: State) -> None:
        """Store the state if it changed; a reader sees the old or the new one, never a half."""
        text = json.dumps(asdict(state), indent=1)
        if text == self._written:
            return
        draft = self._file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._file)
        self._written = text

    def remove(self) -> None:
        """Forget the task."""
        self._file.unlink(missing_ok=True)
        self._written = ""


def _point(stored: Mapping[str, Any]) -> Point:
    previous = stored["previous"]
    return Point(**{**stored, "previous": tuple(previous) if previous else None})


def parse_lsn(text: str) -> int:
    """A log position from its `X/Y` text."""
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(lsn: int) -> str:
    """The `X/Y` text of a log position."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
