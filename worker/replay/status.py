"""How far a replay has come: where the checkpoints stand between their start and where they stood before. Pure but for
what it is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contract.values import Item
from worker.replay.backup import Backup, Saved
from worker.replay.plan import ENDED, Position
from worker.replay.updates import position_of

Arrival = Callable[[str, Position], int | None]
"""When the record of a checkpoint came in."""


class State(StrEnum):
    """Of one shard."""

    NOT_RESET = "not reset"
    WAITING = "waiting"
    READING = "reading"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """`part`: from 0 to 1, of the time that is read again. `at_millis`: the checkpoint's record came in then."""

    shard: str
    state: State
    owner: str
    part: float
    records: int
    at_millis: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """`eta_seconds`: what is left takes about so long at the pace so far; None while there is no pace."""

    shards: tuple[ShardProgress, ...]
    elapsed_seconds: float
    part: float
    eta_seconds: float | None

    @property
    def done(self) -> bool:
        """Whether every shard stands again where it stood."""
        return all(shard.state is State.DONE for shard in self.shards)


def progress(saved: Backup, rows: Mapping[str, Item], now_millis: int, arrival: Arrival) -> Progress:
    """How far it has come."""
    shards = tuple(_shard(lease, saved.made_millis, rows.get(lease.shard), arrival) for lease in saved.leases)
    weights = [max(1, shard.records) for shard in shards]
    part = sum(shard.part * weight for shard, weight in zip(shards, weights, strict=True)) / max(1, sum(weights))
    elapsed = (now_millis - saved.made_millis) / 1000
    eta = 0.0 if part >= 1 else elapsed * (1 - part) / part if part > 0 else None
    return Progress(shards, elapsed, part, eta)


def _shard(lease: Saved, made_millis: int, row: Item | None, arrival: Arrival) -> ShardProgress:
    owner = row.get("leaseOwner", {}).get("S", "") if row else ""
    if not lease.applied:
        return ShardProgress(lease.shard, State.NOT_RESET, owner, 0.0, lease.records)
    if row is None:  # KCL deletes the lease of a closed shard some minutes after its end
        return ShardProgress(lease.shard, State.DONE, "", 1.0, lease.records)
    position = position_of(row)
    if position == lease.start or not (position == ENDED or position.checkpoint.isdigit()):
        return ShardProgress(lease.shard, State.WAITING, owner, 0.0, lease.records)
    if position == ENDED or (lease.goal is not None and not position.is_before(lease.goal)):
        return ShardProgress(lease.shard, State.DONE, owner, 1.0, lease.records)
    at = arrival(lease.shard, position)
    goal = lease.goal_millis or made_millis
    if lease.goal is None and at is not None and at >= made_millis:  # nothing was read of it before: then up to then
        return ShardProgress(lease.shard, State.DONE, owner, 1.0, lease.records, at)
    part = 0.0
    if at is not None and lease.start_millis is not None and goal > lease.start_millis:
        part = min(0.99, max(0.0, (at - lease.start_millis) / (goal - lease.start_millis)))
    return ShardProgress(lease.shard, State.READING, owner, part, lease.records, at)
