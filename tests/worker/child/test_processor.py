"""What a shard's processor does beside the stream, with a clock that only moves when a slice is done."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.worker.child.counts import Counts
from worker.child.checkpoints import Checkpoints
from worker.child.processor import WORK_OFF_SECONDS, ShardProcessor
from worker.due_work import DueReport
from worker.log import Log
from worker.projection import images as projection
from worker.records.stream import StreamRecord


@dataclass
class Work:
    """So many slices are due, and take so long each."""

    slices: int
    seconds: float
    now: float = 0.0
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
        self.now += self.seconds
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
    processor = ShardProcessor(
        lambda _: work, lambda _: None, Checkpoints(log, lambda _: None), 500, log, clock=lambda: work.now
    )
    processor.initialize(Action())
    return processor


def test_slices_go_on_until_the_next_delivery_would_wait_too_long() -> None:
    work = Work(100, WORK_OFF_SECONDS / 3.5)
    _processor(work).process_records(Action())

    assert len(work.done) == 3


def test_a_slice_that_takes_longer_is_done_all_the_same() -> None:
    """Once for each delivery: or what is due would never be done on a busy shard."""
    work = Work(100, 10 * WORK_OFF_SECONDS)
    processor = _processor(work)
    processor.process_records(Action())
    processor.process_records(Action())

    assert work.done == ["slice", "slice"]


def test_everything_is_done_in_one_go_if_it_is_quick() -> None:
    work = Work(10, 0.001)
    _processor(work).process_records(Action())

    assert work.slices == 0


def test_nothing_is_done_for_a_shard_whose_lease_is_lost() -> None:
    work = Work(10, 0.001)
    processor = _processor(work)
    processor.lease_lost(Action())
    processor.process_records(Action())

    assert work.done == []
