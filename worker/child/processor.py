"""What happens with one shard: deliveries become batches, and a checkpoint follows what is durable, never leads it."""

import binascii
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pybase64 import b64decode

from worker import metrics
from worker.child.checkpoints import Checkpoints, Outcome
from worker.child.protocol import DaemonRecord
from worker.errors import FatalError, ProtocolError
from worker.log import Event, Log
from worker.records.stream import StreamRecord

# A checkpoint is a write to the lease table and a round trip: within a long delivery one a second is enough.
CHECKPOINT_EVERY_SECONDS = 1.0
ATTEMPTS = 5
SHARD_END_ATTEMPTS = 20

Position = tuple[str, int]


class BatchProcessor(Protocol):
    """What a shard is fed into (worker.pipeline.Pipeline)."""

    def process(self, records: Sequence[StreamRecord]) -> metrics.BatchCounts:
        """Return when every record is durable; raise FatalError only."""

    def work_off(self) -> metrics.DueCounts | None:
        """Do a slice of what is due; None if nothing is. Raise FatalError only."""


class ShardProcessor:
    """A kclpy record processor of version 3."""

    version = 3

    def __init__(
        self,
        build_pipeline: Callable[[str], BatchProcessor],
        on_shard: Callable[[str], None],
        checkpoints: Checkpoints,
        batch_records: int,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._build_pipeline = build_pipeline
        self._on_shard = on_shard
        self._checkpoints = checkpoints
        self._batch_records = batch_records
        self._log = log
        self._shard = ""
        self._pipeline: BatchProcessor | None = None
        self._durable: Position | None = None
        self._checkpointed: Position | None = None
        self._checkpointed_at = 0.0
        self._lease_lost = False

    def initialize(self, action: Any) -> None:
        """The daemon names the shard; anything wrong with mappings or tables ends the process here."""
        self._shard = action.shard_id
        self._log = self._log.bind(shard=self._shard)
        self._on_shard(self._shard)
        self._pipeline = self._build_pipeline(self._shard)
        self._checkpointed_at = self._clock()
        metrics.shard_held(self._shard, time.time())
        self._log.info(Event.SHARD_INITIALIZED, position=str(action.sequence_number))

    def process_records(self, action: Any) -> None:
        """Make a delivery durable slice by slice and checkpoint behind it; return early once the lease is gone."""
        if self._lease_lost:
            return
        count = len(action.records)
        for start in range(0, count, self._batch_records):
            part = action.records[start : start + self._batch_records]
            self._make_durable([stream_record(self._shard, record) for record in part])
            long_ago = self._clock() - self._checkpointed_at >= CHECKPOINT_EVERY_SECONDS
            is_last = start + len(part) == count
            if long_ago and not is_last and self._checkpoint(action.checkpointer) is Outcome.LEASE_LOST:
                return
        if self._checkpoint(action.checkpointer) is Outcome.DONE:
            metrics.observe_covered(self._shard, time.time())
        metrics.observe_delivery(self._shard, action.millis_behind_latest)

    def between_actions(self) -> bool:
        """A slice of what is due, while the daemon is told nothing and waits for nothing; whether there may be more."""
        if self._pipeline is None or self._lease_lost:
            return False
        report = self._pipeline.work_off()
        if report is None:
            metrics.observe_due(self._shard, 0)
            return False
        metrics.observe_slice(self._shard, report)
        return True

    def shutdown_requested(self, action: Any) -> None:
        """A graceful stop or a handoff: what is durable is checkpointed; leaseLost follows."""
        self._log.info(Event.SHUTDOWN_REQUESTED)
        if not self._lease_lost:
            self._checkpoint(action.checkpointer)

    def lease_lost(self, _action: Any) -> None:
        """Another worker owns the shard: no checkpoint from here on."""
        self._lease_lost = True
        self._log.info(Event.LEASE_LOST)

    def shard_ended(self, action: Any) -> None:
        """Everything delivered is durable, so the end is checkpointed.

        Raises FatalError if that fails: a shard whose end was not checkpointed stays stuck until its daemon restarts.
        """
        if self._lease_lost:
            raise FatalError(f"{self._shard} ended after its lease was lost")
        outcome = self._checkpoints.shard_end(action.checkpointer, SHARD_END_ATTEMPTS)
        if outcome is Outcome.DELAYED:
            raise FatalError(f"the end of {self._shard} could not be checkpointed")
        self._lease_lost = outcome is Outcome.LEASE_LOST
        self._log.info(Event.SHARD_ENDED)

    def _make_durable(self, batch: Sequence[StreamRecord]) -> None:
        if self._pipeline is None:
            raise ProtocolError("the daemon sent records before naming a shard")
        started = self._clock()
        counts = self._pipeline.process(batch)
        seconds = self._clock() - started
        self._durable = (batch[-1].sequence_number, batch[-1].sub_sequence_number)
        metrics.observe_batch(self._shard, counts, seconds, time.time())
        self._log.debug(Event.BATCH_DONE, records=len(batch), seconds=round(seconds, 4))

    def _checkpoint(self, checkpointer: Any) -> Outcome:
        outcome = Outcome.DONE
        if self._durable is not None and self._durable != self._checkpointed:
            outcome = self._checkpoints.at(checkpointer, *self._durable, ATTEMPTS)
        self._lease_lost = outcome is Outcome.LEASE_LOST
        if outcome is Outcome.DONE:
            self._checkpointed = self._durable
            self._checkpointed_at = self._clock()
        return outcome


def stream_record(shard: str, record: DaemonRecord) -> StreamRecord:
    """The record in a delivery. Raises ProtocolError, without quoting it, for data that is not base64."""
    try:
        data = b64decode(record.data, None, True)
    except ValueError:
        data = _decoded(shard, record.data)
    return StreamRecord(
        shard,
        record.sequence_number,
        record.sub_sequence_number or 0,
        record.partition_key,
        data,
        record.approximate_arrival_timestamp or 0,
    )


def _decoded(shard: str, text: str) -> bytes:
    """What is not base64 to the letter, as Python's own decoder sees it."""
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        raise ProtocolError(f"the daemon sent a record of {shard} that is not base64") from None
