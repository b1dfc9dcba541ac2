"""What a replay changed, in a file that is written before the first change: for undo, for status, for people."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from contract.values import Item
from worker.errors import FatalError
from worker.replay.plan import Position

FORMAT: Final = 1
READ_AND_WRITE_BY_OWNER: Final = 0o600


@dataclass(frozen=True, slots=True)
class Saved:
    """One lease that is read again. Times are epoch milliseconds, None where nothing is known.

    `goal`: where it stood; the replay of the shard is through when it stands there again. None for the end of the
    shard, or where nothing was read before. `undo`: up to where everything was durable.
    """

    shard: str
    start: Position
    undo: Position | None
    goal: Position | None
    start_millis: int | None = None
    goal_millis: int | None = None
    records: int = 0
    exact: bool = False
    applied: bool = False
    made: bool = False


@dataclass(frozen=True, slots=True)
class Backup:
    """A replay. `rows`: the whole lease table as it was, for whoever must look."""

    application: str
    stream: str
    region: str
    asked: str
    made_millis: int
    leases: tuple[Saved, ...]
    rows: tuple[Item, ...] = ()

    def having(self, saved: Saved) -> Backup:
        """The same with what became of one lease."""
        leases = tuple(saved if lease.shard == saved.shard else lease for lease in self.leases)
        return replace(self, leases=leases)


def as_json(backup: Backup) -> dict[str, Any]:
    """All of it, ready for JSON."""
    found = asdict(backup)
    return {"format": FORMAT, **found, "rows": [_plain(row) for row in backup.rows]}


def write(path: Path, backup: Backup, *, new: bool = False) -> None:
    """Durable when it returns; readable by its owner alone. Raises FatalError if it cannot be, or is there (`new`)."""
    text = json.dumps(as_json(backup), indent=1) + "\n"
    beside = path.with_name(f".{path.name}.tmp")
    try:
        if new and path.exists():
            raise FatalError(f"{path} is there already: name another file with --backup")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, READ_AND_WRITE_BY_OWNER)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise FatalError(f"the backup {path} cannot be written: {error.strerror}") from None


def read(path: Path) -> Backup:
    """What was written. Raises FatalError if it is no such file."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FatalError(f"the backup {path} cannot be read: {type(error).__name__}") from None
    try:
        if found.pop("format") != FORMAT:
            raise FatalError(f"the backup {path} is of another version of nearview")
        leases = tuple(_saved(lease) for lease in found.pop("leases"))
        rows = tuple(_typed(row) for row in found.pop("rows"))
        return Backup(**found, leases=leases, rows=rows)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FatalError(f"{path} is not a backup of a replay") from None


def _saved(lease: dict[str, Any]) -> Saved:
    positions = {name: _position(lease[name]) for name in ("undo", "goal")}
    return Saved(**{**lease, **positions, "start": Position(**lease["start"])})


def _position(found: dict[str, Any] | None) -> Position | None:
    return None if found is None else Position(**found)


def _plain(row: Item) -> Item:
    """KCL keeps bytes in one attribute, which JSON cannot."""
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value for name, value in row.items()
    }


def _typed(row: Item) -> Item:
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in row.items()}
