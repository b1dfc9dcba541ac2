"""When a worker looks for what is due, whose it takes, and when it says that there is no more."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.worker.projection.strict_store import StrictStore
from tests.worker.projection.test_features import _plan
from worker.due_work import LOOK_SECONDS, ORPHANED_SECONDS, DueReport, DueWork
from worker.projection.due import Dues, list_due
from worker.projection.engine import project
from worker.projection.generations import NewerGeneration
from worker.projection.operations import Operation
from worker.projection.referrers import Limits
from worker.rebuild.state import raise_fence
from worker.records.rows import RowChange
from worker.records.version import change_version
from worker.store.dynamodb import DynamoStore

MAPPING = """
aggregate: order
source: s.orders
key: id
fields: [id]
one:
  buyer: {source: s.people, key: id, join: buyer_id, fields: [name]}
"""
PLAN = _plan(MAPPING)
ORDERS = 6


class Memory(DynamoStore):
    """The strict store where a worker has DynamoDB's; counts the groups it is asked for."""

    def __init__(self) -> None:
        self.retries = 0
        self.strict = StrictStore()
        self.groups = 0

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies."""
        self.groups += 1
        return self.strict.run(group)


@dataclass
class Shards:
    """Workers of several shards with one store and one clock; two people have six orders each."""

    store: Memory = field(default_factory=Memory)
    now: float = 1000.0
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        rows = [{"id": key, "buyer_id": key % 2} for key in range(2 * ORDERS)]
        self.take(None, *(("s.orders", row) for row in rows))

    def worker(self, shard: str) -> DueWork:
        """A newly started one."""
        dues = Dues(shard, lambda: f"revision {next(self.numbers)}", Limits(2, 2, 3))
        return DueWork(PLAN, self.store, dues, lambda: self.now)

    def take(self, worker: DueWork | None, *rows: tuple[str, dict[str, Any]]) -> None:
        """A batch."""
        changes = [
            RowChange(table, str(row["id"]), change_version(1, next(self.numbers), 1), row) for table, row in rows
        ]
        counts = self.store.drive(project(PLAN, changes, "", worker.dues if worker else None))
        if worker:
            worker.put(counts.due)

    def rename(self, worker: DueWork, person: int = 0) -> None:
        """A change that is due."""
        self.take(worker, ("s.people", {"id": person, "name": "new"}))

    def due(self) -> int:
        """How many items are stored."""
        return len(self.store.drive(list_due()))


def _until_none(worker: DueWork) -> list[DueReport]:
    found = []
    while report := worker.work_off():
        found.append(report)
        assert len(found) < 100
    return found


def test_what_a_batch_put_is_worked_off_at_once() -> None:
    shards = Shards()
    worker = shards.worker("shard-1")
    assert worker.work_off() is None
    shards.rename(worker)

    reports = _until_none(worker)

    assert [report.counts.documents_written for report in reports] == [3, 3, 0]
    assert [report.outstanding for report in reports] == [1, 1, 0]
    assert shards.due() == 0


def test_the_next_owner_of_the_shard_finds_what_was_left() -> None:
    shards = Shards()
    before = shards.worker("shard-1")
    shards.rename(before)
    before.work_off()

    assert sum(report.counts.documents_written for report in _until_none(shards.worker("shard-1"))) == 3


def test_a_worker_with_nothing_to_do_looks_now_and_then() -> None:
    """A worker before it, asleep until now, may put something all the same."""
    shards = Shards()
    worker, zombie = shards.worker("shard-1"), shards.worker("shard-1")
    assert worker.work_off() is None
    shards.rename(zombie)
    groups = shards.store.groups

    assert worker.work_off() is None
    assert shards.store.groups == groups
    shards.now += LOOK_SECONDS
    assert len(_until_none(worker)) == 3


def test_what_was_put_twice_is_counted_once_again_when_all_is_done() -> None:
    shards = Shards()
    worker = shards.worker("shard-1")
    shards.rename(worker)
    shards.rename(worker)

    assert _until_none(worker)[-1].outstanding == 0


def test_another_shards_items_are_taken_only_when_nobody_else_moves_them() -> None:
    """As when their shard has ended."""
    shards = Shards()
    ended, other = shards.worker("shard-1"), shards.worker("shard-2")
    shards.rename(ended)

    assert other.work_off() is None
    shards.now += ORPHANED_SECONDS - LOOK_SECONDS
    ended.work_off()
    assert other.work_off() is None
    shards.now += ORPHANED_SECONDS - 1
    assert other.work_off() is None
    shards.now += LOOK_SECONDS
    reports = _until_none_of_orphans(shards, other)

    assert sum(report.counts.documents_written for report in reports) == 3
    assert shards.due() == 0


def _until_none_of_orphans(shards: Shards, worker: DueWork) -> list[DueReport]:
    found = []
    for _ in range(100):
        found += [report] if (report := worker.work_off()) else []
        shards.now += LOOK_SECONDS / 4
    return found


def test_orphans_and_own_items_take_turns() -> None:
    shards = Shards()
    ended, other = shards.worker("shard-1"), shards.worker("shard-2")
    shards.rename(ended)
    assert other.work_off() is None
    shards.now += ORPHANED_SECONDS + LOOK_SECONDS
    shards.rename(other, person=1)

    reports = _until_none_of_orphans(shards, other)

    assert sum(report.counts.documents_written for report in reports) == 2 * ORDERS
    assert shards.due() == 0


def test_a_worker_of_an_older_mapping_stops() -> None:
    shards = Shards()
    worker = shards.worker("shard-1")
    shards.rename(worker)
    newer = _plan(MAPPING.replace("source: s.orders", "generation: 2\nsource: s.orders"))
    shards.store.drive(raise_fence(newer, frozenset({"order"})))

    with pytest.raises(NewerGeneration):
        worker.work_off()
