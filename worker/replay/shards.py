"""The shards of a stream and their descent. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as Kinesis lists it. Closed ones have a last sequence number and stay until their records expire."""

    name: str
    parents: tuple[str, ...]
    first_hash: str
    last_hash: str
    first_sequence: str
    last_sequence: str | None

    @property
    def closed(self) -> bool:
        """Whether it takes no more records."""
        return self.last_sequence is not None


def read_shard(listed: Mapping[str, Any]) -> Shard:
    """A shard out of an answer of ListShards."""
    hashes, numbers = listed["HashKeyRange"], listed["SequenceNumberRange"]
    return Shard(
        listed["ShardId"],
        tuple(listed[name] for name in ("ParentShardId", "AdjacentParentShardId") if listed.get(name)),
        hashes["StartingHashKey"],
        hashes["EndingHashKey"],
        numbers["StartingSequenceNumber"],
        numbers.get("EndingSequenceNumber"),
    )


class Shards:
    """All listed shards. A parent whose records have all expired is not among them."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._by_name = {shard.name: shard for shard in shards}
        self._children: dict[str, list[str]] = defaultdict(list)
        for shard in self._by_name.values():
            for parent in shard.parents:
                self._children[parent].append(shard.name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Shard:
        return self._by_name[name]

    def parents(self, name: str) -> tuple[str, ...]:
        """Those that are still listed."""
        return tuple(parent for parent in self._by_name[name].parents if parent in self._by_name)

    def children(self, name: str) -> tuple[str, ...]:
        """What became of it by a split or a merge."""
        return tuple(sorted(self._children.get(name, ())))

    def descendants(self, names: Iterable[str]) -> frozenset[str]:
        """Children, their children and so on, without the shards themselves unless they descend from one another."""
        found: set[str] = set()
        ahead = [child for name in names for child in self.children(name)]
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead += self.children(name)
        return frozenset(found)

    def in_order(self) -> list[Shard]:
        """Every shard behind its parents, else by name."""
        placed: dict[str, Shard] = {}

        def place(name: str) -> None:
            if name not in placed:
                for parent in sorted(self.parents(name)):
                    place(parent)
                placed[name] = self._by_name[name]

        for name in sorted(self._by_name):
            place(name)
        return list(placed.values())
