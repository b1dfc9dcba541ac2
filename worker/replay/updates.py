"""What is written to the lease table: one item at a time, each on condition that it is what it was taken for. Pure.

The owner's next renewal or checkpoint must fail, or it would write its own checkpoint over the new one. So the counter
rises, by two, for KCL takes a counter that is one too high for a renewal of its own whose answer was lost; and the
owner goes, or it would believe that it holds the lease still. Both happen in the same write as the new checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from contract.values import Item
from worker.replay.plan import Change, Position
from worker.replay.shards import Shard

IS_LEASE: Final = "attribute_exists(leaseKey) AND (attribute_not_exists(entityType) OR entityType = :lease)"
"""With KCL 3.5 and later the table has rows of other kinds; earlier ones do not name the kind."""

LEASE: Final = "LEASE"


@dataclass(frozen=True, slots=True)
class Update:
    """An UpdateItem of one lease."""

    expression: str
    condition: str
    values: Item = field(default_factory=dict)


def reset(position: Position, parents: tuple[str, ...] = ()) -> Update:
    """Set a checkpoint and take the lease from whoever has it, all at once."""
    sets = ["checkpoint = :checkpoint", "checkpointSubSequenceNumber = :sub", "ownerSwitchesSinceCheckpoint = :zero"]
    values: Item = {
        ":checkpoint": {"S": position.checkpoint},
        ":sub": {"N": str(position.sub)},
        ":zero": {"N": "0"},
        ":two": {"N": "2"},
        ":lease": {"S": LEASE},
    }
    if parents:  # else it would not wait for them
        sets.append("parentShardId = :parents")
        values[":parents"] = {"SS": sorted(parents)}
    expression = (
        f"SET {', '.join(sets)}"
        " REMOVE leaseOwner, checkpointOwner, pendingCheckpoint, pendingCheckpointSubSequenceNumber,"
        " pendingCheckpointState"
        " ADD leaseCounter :two"
    )
    return Update(expression, IS_LEASE, values)


def reset_if(position: Position, seen: Position) -> Update:
    """The same, unless the checkpoint has moved since it was read."""
    update = reset(position)
    values = {**update.values, ":seen": {"S": seen.checkpoint}, ":seenSub": {"N": str(seen.sub)}}
    condition = f"{update.condition} AND checkpoint = :seen AND checkpointSubSequenceNumber = :seenSub"
    return Update(update.expression, condition, values)


def new_lease(change: Change, typed: bool) -> Item:
    """The row of a lease that KCL had deleted, or not made yet."""
    shard: Shard = change.shard
    row: Item = {
        "leaseKey": {"S": shard.name},
        "leaseCounter": {"N": "0"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        "checkpoint": {"S": change.position.checkpoint},
        "checkpointSubSequenceNumber": {"N": str(change.position.sub)},
        "startingHashKey": {"S": shard.first_hash},
        "endingHashKey": {"S": shard.last_hash},
    }
    if change.parents:
        row["parentShardId"] = {"SS": sorted(change.parents)}
    if change.children:
        row["childShardIds"] = {"SS": sorted(change.children)}
    if typed:
        row["entityType"] = {"S": LEASE}
    return row


def position_of(row: dict[str, Any]) -> Position:
    """The checkpoint in a row of the lease table."""
    number = row.get("checkpointSubSequenceNumber", {}).get("N", "0")
    return Position(row.get("checkpoint", {}).get("S", ""), int(number))
