"""A replay by the workers themselves: look, plan, back up, reset the leases, look whether all is as it was meant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from contract.values import Item
from worker.errors import FatalError
from worker.replay import backup
from worker.replay.backup import Backup, Saved
from worker.replay.estimate import Estimate
from worker.replay.lease_rows import LeaseRows
from worker.replay.plan import ENDED, Change, First, Plan, durable, make_plan
from worker.replay.request import Kind, Request, instant, span
from worker.replay.sampling import sample
from worker.replay.shards import Shards
from worker.replay.stream import Start, Stream, at_number, at_position, at_time
from worker.replay.updates import LEASE, position_of

ROUNDS: Final = 5
SETTLE_SECONDS: Final = 2.0
"""KCL deletes a parent that has ended by what it read some moments before, so one looks again after them."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan with what it would come to. `firsts` and `estimates` are of the shards that change."""

    plan: Plan
    shards: Shards
    rows: dict[str, Item]
    firsts: dict[str, First | None]
    estimates: dict[str, Estimate]
    now_millis: int

    @property
    def oldest_millis(self) -> int | None:
        """When the oldest record that is read again came in."""
        return min((first.arrival_millis for first in self.firsts.values() if first), default=None)

    @property
    def typed(self) -> bool:
        """Whether the table's rows say their kind, as KCL's single table does."""
        return any(row.get("entityType", {}).get("S") == LEASE for row in self.rows.values())


@dataclass(slots=True)
class Replay:
    """The two outside systems and the clock. `told` gets a line for people when something takes long."""

    stream: Stream
    leases: LeaseRows
    now_millis: Callable[[], int]
    told: Callable[[str], None]
    sleep: Callable[[float], None] = field(default=time.sleep)

    def look(self, request: Request, *, count: bool = True) -> Outlook:
        """What the request comes to; nothing is changed. Raises FatalError."""
        now = self.now_millis()
        if request.kind is Kind.TIMESTAMP:
            check_retention(self.stream, request, now)
        shards, rows = self.stream.shards(), self.leases.rows()
        positions = {shard: position_of(row) for shard, row in rows.items()}
        plan = make_plan(shards, positions, request, self._firsts(shards, request))
        firsts: dict[str, First | None] = {}
        estimates: dict[str, Estimate] = {}
        for change in plan.changes:
            name = change.shard.name
            self.told(f"looking at {name}")
            firsts[name] = first = self.stream.first(name, at_position(change.position))
            if first and count:
                estimates[name] = sample(self.stream, name, first, now, self.sleep)
        return Outlook(plan, shards, rows, firsts, estimates, now)

    def _firsts(self, shards: Shards, request: Request) -> dict[str, First | None]:
        if request.kind is Kind.START:
            return {}
        asked = request.named or {shard.name for shard in shards.in_order()}
        return {name: self.stream.first(name, point(name, request)) for name in asked if name in shards}

    def save(self, path: Path, request: Request, outlook: Outlook, region: str) -> Backup:
        """Write the backup. Raises FatalError; nothing is changed before it is written."""
        saved = Backup(
            self.leases.table,
            self.stream.name,
            region,
            request.text(),
            self.now_millis(),
            tuple(self._saved(change, outlook) for change in outlook.plan.changes),
            tuple(outlook.rows.values()),
        )
        backup.write(path, saved, new=True)
        return saved

    def _saved(self, change: Change, outlook: Outlook) -> Saved:
        name = change.shard.name
        first, found = outlook.firsts.get(name), outlook.estimates.get(name, Estimate())
        goal = durable(change.before)
        goal = None if goal == ENDED else goal
        return Saved(
            name,
            change.position,
            change.undo,
            goal,
            first.arrival_millis if first else None,
            self.stream.arrival(name, goal.checkpoint) if goal else None,
            found.records,
            found.exact,
        )

    def apply(self, path: Path, saved: Backup, outlook: Outlook) -> Backup:
        """Reset every lease of the plan, parents first, and return when the table says so. Raises FatalError.

        A lease that KCL deletes meanwhile is made again, and its children are reset once more: they may have begun.
        """
        todo = list(outlook.plan.changes)
        for _ in range(ROUNDS):
            for change in todo:
                old = self.leases.apply(change, outlook.typed)
                saved = saved.having(_applied(saved, change, old))
                backup.write(path, saved)
            if all(change.before is not None and not change.parents for change in outlook.plan.changes):
                return saved  # nothing that KCL might have been deleting
            self.sleep(SETTLE_SECONDS)
            todo = again(outlook.plan, outlook.shards, self.leases.rows())
            if not todo:
                return saved
        raise FatalError(
            f"leases of closed shards are deleted as fast as they are made; run it again (what was: {path})"
        )


def check_retention(stream: Stream, request: Request, now_millis: int) -> None:
    """Raises FatalError if records from the time asked for on may have expired."""
    kept = stream.retention_millis()
    if request.millis < now_millis - kept:
        raise FatalError(
            f"the stream {stream.name} keeps records for {span(kept / 1000)}, so those from {instant(request.millis)}"
            " on are not all there: --from-start reads what is"
        )


def point(name: str, request: Request) -> Start:
    """Where to look for the first record of a shard."""
    return at_number(request.sequences[name]) if request.kind is Kind.SEQUENCE else at_time(request.millis)


def again(plan: Plan, shards: Shards, rows: Mapping[str, Item]) -> list[Change]:
    """The changes to make once more: of leases that are gone, and of all that descend from these."""
    gone = {change.shard.name for change in plan.changes if change.shard.name not in rows}
    below = shards.descendants(gone)
    return [change for change in plan.changes if change.shard.name in gone | below]


def _applied(saved: Backup, change: Change, old: Item | None) -> Saved:
    """What is known now: the checkpoint may have moved since the table was read. A reset of our own says nothing."""
    (lease,) = (lease for lease in saved.leases if lease.shard == change.shard.name)
    made = old is None or lease.made
    before = durable(position_of(old)) if old else None
    if before is None or before == change.position or lease.applied:
        return replace(lease, applied=True, made=made)
    goal = None if before == ENDED else before
    return replace(lease, applied=True, made=made, undo=before, goal=goal)


def undo(leases: LeaseRows, saved: Backup) -> dict[str, bool]:
    """Put the checkpoints back, children first; says of each shard whether that was done.

    Nothing is skipped by it: all up to there was durable before the replay. What has come so far again, or had not been
    read before, stays; so does what a command that died has not reset.
    """
    done: dict[str, bool] = {}
    for lease in reversed(saved.leases):
        done[lease.shard] = bool(lease.undo and leases.put_back(lease.shard, lease.undo))
    return done
