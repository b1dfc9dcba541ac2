"""How far a replay beside the workers has come, in a file: what is killed goes on where it was."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from worker.errors import FatalError

FORMAT: Final = 1


@dataclass(slots=True)
class ShardState:
    """One shard: the last record that is durable ("" for none yet), and the times of the first and that one."""

    number: str = ""
    first: str = ""
    start_millis: int = 0
    at_millis: int = 0
    done: bool = False


@dataclass(slots=True)
class State:
    """All of it. `asked`: the options as they were given; `until_millis`: what came in later is not read."""

    asked: dict[str, Any]
    until_millis: int
    shards: dict[str, ShardState] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> bool:
        """Whether every shard is through."""
        return all(shard.done for shard in self.shards.values())

    def part(self) -> float:
        """From 0 to 1, of the time that is read again."""
        parts = [_part(shard, self.until_millis) for shard in self.shards.values()]
        return sum(parts) / len(parts) if parts else 1.0


def _part(shard: ShardState, until_millis: int) -> float:
    if shard.done or until_millis <= shard.start_millis:
        return 1.0
    return min(0.99, max(0.0, (shard.at_millis - shard.start_millis) / (until_millis - shard.start_millis)))


def write(path: Path, state: State) -> None:
    """Replaces the file as a whole. Raises FatalError."""
    beside = path.with_name(f".{path.name}.tmp")
    found = {
        "format": FORMAT,
        "asked": state.asked,
        "until_millis": state.until_millis,
        "shards": {name: asdict(shard) for name, shard in state.shards.items()},
        "counts": dict(state.counts),
    }
    try:
        beside.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        beside.replace(path)
    except OSError as error:
        raise FatalError(f"the state {path} cannot be written: {error.strerror}") from None


def read(path: Path, asked: dict[str, Any]) -> State | None:
    """The state of the same replay; None if there is no file. Raises FatalError if it is of another one, or done."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FatalError(f"the state {path} cannot be read: {type(error).__name__}") from None
    try:
        if found.pop("format") != FORMAT or found["asked"] != asked:
            raise FatalError(f"{path} is of another replay: name another file with --state, or give --restart")
        shards = {name: ShardState(**shard) for name, shard in found["shards"].items()}
        state = State(asked, found["until_millis"], shards, Counter(found["counts"]))
    except (KeyError, TypeError, AttributeError):
        raise FatalError(f"{path} is not the state of a replay") from None
    if state.done:
        raise FatalError(f"{path} says that this replay is done: give --restart to do it again")
    return state
