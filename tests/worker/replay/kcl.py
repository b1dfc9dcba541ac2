"""Shards and a fleet of KCL as far as a replay must know them: what is read, in which order, and what is forgotten.

A consumer begins at its lease's checkpoint, waits for the leases of its parents, makes the leases of the children when
it ends; leases of shards that have ended are deleted once their children have a checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.values import Item
from worker.replay.plan import SHARD_END, TRIM_HORIZON, Change, First, Position
from worker.replay.shards import Shard, Shards
from worker.replay.updates import new_lease, position_of, reset


@dataclass
class Stream:
    """A stream that splits and merges; numbers are global and rise, a record's arrival is its number."""

    records: dict[str, list[int]] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    number: int = 100

    def add(self, *parents: str) -> str:
        name = f"shardId-{len(self.records):012d}"
        self.number += 1
        self.records[name], self.parents[name], self.began[name] = [], parents, self.number
        return name

    def open(self) -> list[str]:
        return [name for name in self.records if name not in self.closed]

    def put(self, shard: str) -> None:
        self.number += 1
        self.records[shard].append(self.number)

    def close(self, *shards: str) -> None:
        for shard in shards:
            self.number += 1
            self.closed[shard] = self.number

    def listed(self, expired: frozenset[str] = frozenset()) -> Shards:
        return Shards(
            Shard(
                name, parents, "0", "9", str(self.began[name]), str(self.closed[name]) if name in self.closed else None
            )
            for name, parents in self.parents.items()
            if name not in expired
        )

    def first(self, shard: str, number: int) -> First | None:
        found = next((record for record in self.records[shard] if record >= number), None)
        return None if found is None else First(str(found), found)


@dataclass
class Fleet:
    """A lease table and those who work from it; `read` has every delivery in order."""

    stream: Stream
    rows: dict[str, Item] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)

    def lease(self, shard: str) -> None:
        parents = {"parentShardId": {"SS": list(self.stream.parents[shard])}} if self.stream.parents[shard] else {}
        self.rows.setdefault(
            shard,
            {"leaseKey": {"S": shard}, "checkpoint": {"S": TRIM_HORIZON}, "checkpointSubSequenceNumber": {"N": "0"}}
            | parents,
        )

    def step(self, shard: str, most: int) -> bool:
        """Read some records of a shard and checkpoint behind each; whether there was anything to do."""
        row = self.rows.get(shard)
        if row is None or row["checkpoint"]["S"] == SHARD_END or self._waits(row):
            return False
        ahead = [number for number in self.stream.records[shard] if _is_ahead(number, position_of(row))]
        for number in ahead[:most]:
            self.read.append(number)
            self._checkpoint(row, str(number))
        if len(ahead) > most or shard not in self.stream.closed:
            return bool(ahead)
        for child in self.stream.listed().children(shard):
            self.lease(child)
        self._checkpoint(row, SHARD_END)
        return True

    def run(self) -> None:
        """Read everything."""
        while [shard for shard in sorted(self.rows) if self.step(shard, 1_000_000)]:
            pass

    def forget(self) -> None:
        """Delete the leases of ended shards as KCL does."""
        shards = self.stream.listed()
        for name in list(self.rows):
            children = shards.children(name)
            done = all(child not in self.rows or self._has_checkpoint(child) for child in children)
            if self.rows[name]["checkpoint"]["S"] == SHARD_END and children and done:
                del self.rows[name]

    def positions(self) -> dict[str, Position]:
        return {name: position_of(row) for name, row in self.rows.items()}

    def make(self, change: Change) -> None:
        """What the lease table does with an update: the sets only, conditions have their tests."""
        row = self.rows.get(change.shard.name)
        if row is None:
            self.rows[change.shard.name] = new_lease(change, typed=False)
            return
        values = reset(change.position, change.parents).values
        row["checkpoint"], row["checkpointSubSequenceNumber"] = values[":checkpoint"], values[":sub"]
        if ":parents" in values:
            row["parentShardId"] = values[":parents"]

    def _waits(self, row: Item) -> bool:
        parents = row.get("parentShardId", {}).get("SS", ())
        return any(parent in self.rows and self.rows[parent]["checkpoint"]["S"] != SHARD_END for parent in parents)

    def _has_checkpoint(self, shard: str) -> bool:
        return bool(self.rows[shard]["checkpoint"]["S"] != TRIM_HORIZON)

    @staticmethod
    def _checkpoint(row: Item, checkpoint: str) -> None:
        row["checkpoint"], row["checkpointSubSequenceNumber"] = {"S": checkpoint}, {"N": "0"}


def _is_ahead(number: int, position: Position) -> bool:
    if position.checkpoint == TRIM_HORIZON:
        return True
    return (number, 0) > (int(position.checkpoint), position.sub)
