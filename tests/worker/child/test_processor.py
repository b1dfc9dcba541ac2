"""What a shard's processor does between two actions of the daemon."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.worker.child.counts import Counts
from worker.child.checkpoints import Checkpoints
from worker.child.processor import ShardProcessor
from worker.due_work import DueReport
from worker.log import Log
from worker.projection import images as projection
from worker.records.stream import StreamRecord


@dataclass
class Work:
    """A pipeline with so many slices due."""

    slices: int
    done: list[str] = field(default_factory=list)

    def process(self, records: Sequence[StreamRecord]) -> Counts:
        """A batch."""
        self.done.append(f"batch of {len(records)}")
        return Counts(len(records))

    def work_off(self) -> DueReport | None:
        """A slice."""
        if not self.slices:
            return None
        self.slices -= 1
        self.done.append("slice")
        return DueReport(projection.Counts(), self.slices)


@dataclass
class Action:
    """Whatever the daemon may send."""

    records: list[dict[str, Any]] = field(default_factory=list)
    shard_id: str = "shard-1"
    sequence_number: str = "1"
    millis_behind_latest: int = 0
    checkpointer: Any = None


def _processor(work: Work) -> ShardProcessor:
    log = Log("error", io.StringIO())
    processor = ShardProcessor(lambda _: work, lambda _: None, Checkpoints(log, lambda _: None), 500, log)
    processor.initialize(Action())
    return processor


def test_a_slice_is_done_between_two_actions() -> None:
    work = Work(2)
    processor = _processor(work)
    processor.process_records(Action())

    assert [processor.between_actions() for _ in range(3)] == [True, True, False]
    assert work.done == ["slice", "slice"]


def test_nothing_is_done_for_a_shard_whose_lease_is_lost() -> None:
    work = Work(10)
    processor = _processor(work)
    processor.lease_lost(Action())

    assert not processor.between_actions()
    assert work.done == []


def test_nothing_is_done_before_there_is_a_shard() -> None:
    log = Log("error", io.StringIO())
    processor = ShardProcessor(lambda _: Work(1), lambda _: None, Checkpoints(log, lambda _: None), 500, log)

    assert not processor.between_actions()
