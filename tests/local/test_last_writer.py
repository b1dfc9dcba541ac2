"""Two regions and a replication between them, in any order: both end alike, and with the last write."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from local.last_writer import Apply, Change, LastWriter

REGIONS = ("eu-west-1", "us-east-1")
SEEDS = 400


class World:
    """Regions whose streams show all that changes an item, and a replication that is now here, now there."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.writer = LastWriter(REGIONS)
        self.items: dict[str, dict[str, Any]] = {region: {} for region in REGIONS}
        self.streams: dict[str, deque[Change]] = {region: deque() for region in REGIONS}
        self.waiting: dict[str, deque[Apply]] = {region: deque() for region in REGIONS}
        self.millis = 0
        self.last: dict[str, Any] = {}

    def write(self, region: str, key: str, item: Any) -> None:
        """A region's items change; its stream shows it unless nothing has changed."""
        self.millis += 1
        if self.items[region].get(key) != item:
            self.streams[region].append(Change(region, "t", {"pk": {"S": key}}, item, self.millis))
            self.items[region][key] = item

    def user(self) -> None:
        region, key = self.random.choice(REGIONS), self.random.choice("ab")
        item = self.random.choice((None, {"n": {"N": str(self.random.randrange(3))}}))
        if self.items[region].get(key) != item:
            self.last[key] = item
        self.write(region, key, item)

    def carry(self, region: str) -> None:
        if self.streams[region] and self.random.random() < 0.6:
            for apply in self.writer.seen(self.streams[region].popleft()):
                self.waiting[apply.region].append(apply)
        elif self.waiting[region]:
            apply = self.waiting[region].popleft()
            if self.writer.is_due(apply):
                self.writer.begin(apply, self.millis + 1)
                for _ in range(self.random.choice((1, 1, 2))):  # a reply was lost: written again
                    self.write(region, apply.change.key["pk"]["S"], apply.change.item)
                self.writer.end(apply, self.millis)

    def settle(self) -> None:
        while any(self.streams.values()) or any(self.waiting.values()):
            for region in REGIONS:
                self.carry(region)


@pytest.mark.parametrize("part", range(4))
def test_both_regions_end_with_the_last_write(part: int) -> None:
    """However reads, writes and repeated writes interleave."""
    for seed in range(part * SEEDS // 4, (part + 1) * SEEDS // 4):
        world = World(seed)
        for _ in range(60):
            world.user() if world.random.random() < 0.4 else world.carry(world.random.choice(REGIONS))
        world.settle()
        first, second = (world.items[region] for region in REGIONS)
        expected = world.last
        assert {k: first.get(k) for k in expected} == {k: second.get(k) for k in expected} == expected, seed


def test_its_own_writes_are_not_carried_back() -> None:
    """Else two regions would send each other one write for ever."""
    writer = LastWriter(REGIONS)
    change = Change(REGIONS[0], "t", {"pk": {"S": "a"}}, {"n": {"N": "1"}}, 5)
    (apply,) = writer.seen(change)
    writer.begin(apply, 6)
    assert writer.seen(Change(REGIONS[1], "t", change.key, change.item, 9)) == []


def test_a_write_that_did_not_know_the_later_one_is_a_conflict_and_loses() -> None:
    """An isolated region's write arrives late; what was written later elsewhere stays."""
    writer = LastWriter(REGIONS)
    later = Change(REGIONS[1], "t", {"pk": {"S": "a"}}, {"n": {"N": "2"}}, 9)
    writer.seen(later)
    assert writer.seen(Change(REGIONS[0], "t", later.key, {"n": {"N": "1"}}, 5)) == [Apply(REGIONS[0], later)]
    assert writer.conflicts == 1
