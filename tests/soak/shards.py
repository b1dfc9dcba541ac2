"""The stream: changes on shards, reordered, repeated, aggregated, split and merged as Kinesis and its producers do."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.soak.source import Change

Position = tuple[int, int]
"""Sequence number and sub-sequence number."""
START: Position = (0, 0)


@dataclass(frozen=True, slots=True)
class Record:
    """A change at its place."""

    position: Position
    change: Change


@dataclass
class Shard:
    """A shard's records, what is checkpointed of them, and which shards have to end before it begins."""

    name: str
    records: list[Record] = field(default_factory=list)
    parents: list[Shard] = field(default_factory=list)
    closes: bool = False
    checkpoint: Position = START
    ended: bool = False

    @property
    def may_begin(self) -> bool:
        """Whether its parents have ended."""
        return all(parent.ended for parent in self.parents)

    def rest(self, after: Position) -> list[Record]:
        """What comes after a place."""
        return [record for record in self.records if record.position > after]

    @property
    def last(self) -> Position:
        """Its last record's place."""
        return self.records[-1].position if self.records else START


@dataclass(frozen=True, slots=True)
class Disorder:
    """What producers and the stream do to records; each of it as a likelihood."""

    swapped: float = 0.0
    repeated: float = 0.0
    aggregated: float = 0.0
    resharded: bool = False


def make_shards(rng: random.Random, changes: list[Change], count: int, disorder: Disorder) -> list[Shard]:
    """The changes by their partition keys; with a reshard, what comes later goes to children of the first shards."""
    cut = rng.randrange(1, len(changes)) if disorder.resharded else len(changes)
    first = _spread(changes[:cut], count)
    shards = [Shard(f"shardId-{at:012d}", closes=disorder.resharded) for at in range(count)]
    if disorder.resharded:
        more = rng.choice([1, count + 1, 2 * count])
        later = _spread(changes[cut:], more)
        children = [Shard(f"shardId-{count + at:012d}") for at in range(more)]
        for at, child in enumerate(children):
            # a merge has several parents, a split one
            child.parents = shards if more == 1 else [shards[at % count]]
        shards, first = [*shards, *children], [*first, *later]
    numbers = iter(range(1, 1 << 40))
    for shard, found in zip(shards, first, strict=True):
        shard.records = _numbered(rng, _disordered(rng, found, disorder), disorder, numbers)
    return shards


def _spread(changes: list[Change], count: int) -> list[list[Change]]:
    found: list[list[Change]] = [[] for _ in range(count)]
    for change in changes:
        found[zlib.crc32(change.partition_key.encode()) % count].append(change)
    return found


def _disordered(rng: random.Random, changes: list[Change], disorder: Disorder) -> list[Change]:
    found = list(changes)
    for at in range(len(found) - 1):
        if rng.random() < disorder.swapped:
            other = min(len(found) - 1, at + rng.randint(1, 6))
            found[at], found[other] = found[other], found[at]
    again: list[Change] = []
    for change in found:
        again.append(change)
        if rng.random() < disorder.repeated:
            again += [change] * rng.randint(1, 4)
            if rng.random() < 0.5:  # PutRecords' second try may come much later
                again.insert(rng.randint(0, len(again)), rng.choice(found[: len(again)]))
    return again


def _numbered(rng: random.Random, changes: list[Change], disorder: Disorder, numbers: Any) -> list[Record]:
    found: list[Record] = []
    sequence, sub = next(numbers), 0
    for change in changes:
        found.append(Record((sequence, sub), change))
        if rng.random() < disorder.aggregated:
            sub += 1
        else:
            sequence, sub = next(numbers), 0
    return found
