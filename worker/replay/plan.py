"""From shards, leases and a request to the conditional updates that make a live fleet read again. Pure.

What a reset must not do is skip a record. So a checkpoint only ever goes back; whatever descends from a shard that is
read again is read again from its beginning; and a shard comes before its children, which wait for it as long as its
lease is there and has not ended. KCL deletes leases of closed shards some minutes after they have ended: these are
made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.errors import FatalError
from worker.replay.request import Kind, Request
from worker.replay.shards import Shard, Shards

TRIM_HORIZON: Final = "TRIM_HORIZON"
LATEST: Final = "LATEST"
AT_TIMESTAMP: Final = "AT_TIMESTAMP"
SHARD_END: Final = "SHARD_END"

INCLUSIVE: Final = -1
"""As a checkpoint's sub-sequence number: reading begins with the record itself; with 0 it begins behind it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A checkpoint: a sequence number or one of KCL's words."""

    checkpoint: str
    sub: int = 0

    def is_before(self, other: Position) -> bool:
        """Whether to go there from `other` reads records again, and skips none."""
        if self == other or self.checkpoint in (LATEST, AT_TIMESTAMP, SHARD_END):
            return False
        if other.checkpoint in (TRIM_HORIZON, LATEST, AT_TIMESTAMP):  # where the last two begin is not in the table
            return self.checkpoint == TRIM_HORIZON
        if other.checkpoint == SHARD_END or self.checkpoint == TRIM_HORIZON:
            return True
        return (int(self.checkpoint), self.sub) < (int(other.checkpoint), other.sub)


BEGINNING: Final = Position(TRIM_HORIZON)
ENDED: Final = Position(SHARD_END)


def durable(checkpoint: Position | None) -> Position | None:
    """A checkpoint that says what was done; KCL's words for a beginning do not."""
    if checkpoint is None or checkpoint.checkpoint in (TRIM_HORIZON, LATEST, AT_TIMESTAMP):
        return None
    return checkpoint


@dataclass(frozen=True, slots=True)
class First:
    """The first record that is read again in a shard, and when it came in."""

    sequence: str
    arrival_millis: int


@dataclass(frozen=True, slots=True)
class Change:
    """One lease: reset, or made (`before` is None). `parents` are those that are read again, too.

    `undo`: up to where everything had been made durable before, if that is known.
    """

    shard: Shard
    position: Position
    before: Position | None
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    undo: Position | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are to be made, and why other shards stay as they are."""

    changes: tuple[Change, ...]
    left: dict[str, str] = field(default_factory=dict)
    expired: tuple[str, ...] = ()


def make_plan(
    shards: Shards, leases: Mapping[str, Position], request: Request, firsts: Mapping[str, First | None]
) -> Plan:
    """Which leases change, parents before children.

    `firsts`: of every shard that the request reaches, the first record at or behind the point asked for.
    Raises FatalError if the request contradicts itself or the stream.
    """
    if not leases:
        raise FatalError("the lease table has no lease: no worker has run yet, so there is nothing to read again")
    if unknown := sorted(name for name in request.named if name not in shards):
        raise FatalError(f"no shard {', '.join(unknown)} in the stream: wrong name, or all its records have expired")
    starts: dict[str, Position] = {}
    left: dict[str, str] = {}
    for shard in shards.in_order():
        reason = _why_left(shard, shards, leases, request, firsts)
        if reason:
            left[shard.name] = reason
        else:
            starts[shard.name] = _asked(shard.name, request, firsts)
    below = shards.descendants(starts)
    if clash := sorted(below & request.sequences.keys()):
        raise FatalError(
            f"{clash[0]} descends from another shard of the request and is read from its beginning: name one of them"
        )
    positions = {**starts, **dict.fromkeys(below, BEGINNING)}
    changes = tuple(_change(shard, positions, shards, leases) for shard in shards.in_order() if shard.name in positions)
    return Plan(
        changes,
        {name: reason for name, reason in left.items() if name not in positions},
        tuple(sorted(name for name in leases if name not in shards)),
    )


def _change(shard: Shard, positions: Mapping[str, Position], shards: Shards, leases: Mapping[str, Position]) -> Change:
    before = leases.get(shard.name)
    done = before is None and shard.closed and not is_unread(shard.name, shards, leases)
    return Change(
        shard,
        positions[shard.name],
        before,
        tuple(parent for parent in shards.parents(shard.name) if parent in positions),
        shards.children(shard.name),
        ENDED if done else durable(before),
    )


def _asked(name: str, request: Request, firsts: Mapping[str, First | None]) -> Position:
    """Where a shard would begin; at its end if it has no record from there on."""
    if request.kind is Kind.START:
        return BEGINNING
    first = firsts[name]
    return Position(first.sequence, INCLUSIVE) if first else ENDED


def _why_left(
    shard: Shard,
    shards: Shards,
    leases: Mapping[str, Position],
    request: Request,
    firsts: Mapping[str, First | None],
) -> str:
    """Why a shard is not a beginning; empty if it is one. A descendant of one is read again whatever is said here."""
    name = shard.name
    if request.named and name not in request.named:
        return "not named"
    if is_unread(name, shards, leases):
        return "not read yet: it waits for its parent"
    lease = leases.get(name)
    if lease is None and not shard.closed:
        return "has no lease yet: KCL makes one"
    asked = _asked(name, request, firsts)
    if asked == ENDED:
        return "no record from there on"
    if lease is not None and not asked.is_before(lease):
        return "its worker has not come so far yet"
    return ""


def is_unread(name: str, shards: Shards, leases: Mapping[str, Position]) -> bool:
    """Whether a shard without a lease is one that is still to come, not one that is long done."""
    if name in leases:
        return False
    return any(
        leases[parent].checkpoint != SHARD_END
        if parent in leases
        else parent in shards and is_unread(parent, shards, leases)
        for parent in shards[name].parents
    )
