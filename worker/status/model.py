"""What a look at the installation finds, and what of it needs somebody. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from worker import instants

SILENT_SECONDS: Final = 60.0
"""A shard's worker tells of its progress every second while records come."""

BEHIND_SECONDS: Final = 300.0
BEAT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard that is not read to its end. Seconds are ages; None where something is not known.

    `behind_records` is an estimate unless `behind_exact`; `behind_seconds`: how long ago the oldest record came in that
    is behind the checkpoint, 0 if there is none. `commit_seconds`: since the newest commit that was made durable.
    `checkpoint_seconds`: since the checkpoint last covered all that was delivered, as its worker says if it is asked.
    """

    shard: str
    owner: str
    handing_over_from: str
    checkpoint: str
    checkpoint_seconds: float | None = None
    behind_records: int | None = None
    behind_exact: bool = False
    behind_seconds: float | None = None
    commit_seconds: float | None = None
    told_seconds: float | None = None
    heartbeat_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TableStatus:
    """One table of the source: up to which commit documents are complete, what is parked and noticed of it."""

    table: str
    complete_up_to: str | None = None
    complete_seconds: float | None = None
    parked: str = ""
    parked_records: int = 0
    drift: int = 0


@dataclass(frozen=True, slots=True)
class HotRowStatus:
    """A row that changes often: its part of the sampled changes of its shard, and the aggregates that show it."""

    table: str
    key: str
    part: float
    shard: str
    aggregates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker that holds a lease or was asked. `seconds`: since it last reported to the others.

    What only it can say is None unless its address was given.
    """

    worker: str
    shards: int
    seconds: float | None = None
    problems: tuple[str, ...] | None = None
    throttles: float | None = None
    restarts: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything. `aggregates`: the part of all sampled changes that each of them shows."""

    at: str
    application: str
    stream: str
    leader: str
    shards: tuple[ShardStatus, ...] = ()
    ended_shards: int = 0
    tables: tuple[TableStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    hot: tuple[HotRowStatus, ...] = ()
    due: int = 0
    due_at_least: bool = False
    parked_documents: int = 0
    heartbeat_table: str = ""
    problems: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def problems(status: Status) -> Iterator[str]:
    """A line for each thing that somebody must see to."""
    if not status.leader:
        yield "no worker is the leader: nobody gives out shards; is a worker running?"
    if not status.shards:
        yield f"{status.application} has no leases of the stream {status.stream}: no worker has begun yet"
    for shard in status.shards:
        yield from _of_shard(shard, status)
    for table in status.tables:
        if table.parked:
            yield f"{table.table} is parked: {table.parked}"
        elif table.complete_seconds is not None and table.complete_seconds > BEHIND_SECONDS:
            yield f"{table.table} is complete up to {table.complete_up_to} only, {age(table.complete_seconds)} ago"
    for table in status.tables:
        if table.parked_records:
            yield f"{table.table}: {table.parked_records} of its records are parked (nearview parked list)"
    if status.parked_documents:
        yield f"parked documents: {status.parked_documents}; each keeps an older state (nearview parked list)"
    for worker in status.workers:
        for problem in worker.problems or ():
            yield f"{worker.worker}: {problem}"


def _of_shard(shard: ShardStatus, status: Status) -> Iterator[str]:
    if not shard.owner:
        yield f"{shard.shard} has no owner"
    waits = shard.behind_records is None or shard.behind_records > 0
    if shard.told_seconds is None:
        yield f"{shard.shard}: its worker has not said anything yet, so nothing is known to be complete"
    elif waits and shard.told_seconds > SILENT_SECONDS and (shard.behind_seconds or 0) > SILENT_SECONDS:
        yield f"{shard.shard} has records to read and has not advanced for {age(shard.told_seconds)}"
    lags = (shard.behind_seconds or 0) > BEAT_SECONDS
    if (
        status.heartbeat_table
        and not lags
        and (shard.heartbeat_seconds is None or shard.heartbeat_seconds > BEAT_SECONDS)
    ):
        seen = "none has come" if shard.heartbeat_seconds is None else f"the last is {age(shard.heartbeat_seconds)} old"
        yield f"{shard.shard}: no heartbeat of {status.heartbeat_table} ({seen}): more rows in it, or look at DMS"


def age(seconds: float) -> str:
    """A duration for people."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"


def instant(micros: int) -> str:
    """A time as records have it."""
    return instants.instant(micros, "milliseconds")
