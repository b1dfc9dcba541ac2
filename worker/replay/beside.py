"""A replay beside the workers: a consumer of its own, no lease, no checkpoint, at most so much capacity.

Records go through the worker's own pipeline, so what is stored already is only looked at, and nothing goes back. It
parks nothing: a record that cannot be used was parked by the workers, or will be; here it is counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from worker.parked.parking import Entry
from worker.pipeline import BatchReport
from worker.records.stream import StreamRecord
from worker.replay.beside_filter import Filter, Verdict
from worker.replay.beside_state import ShardState, State
from worker.replay.budget import Budget
from worker.replay.shards import Shards
from worker.replay.stream import Page, Record, Stream, at_number, behind

READ_EVERY_SECONDS: Final = 0.5
"""Of a shard, which answers five reads a second to all who poll it."""

SAVE_EVERY_SECONDS: Final = 1.0
TELL_EVERY_SECONDS: Final = 5.0
BATCH_RECORDS: Final = 500


class Feeds(Protocol):
    """What records go into (worker.pipeline.Pipeline)."""

    def process(self, records: Sequence[StreamRecord]) -> BatchReport:
        """Return when every record is durable; raise FatalError only."""


class Parks(Protocol):
    """What knows of parked tables (worker.parked.parking.Parking)."""

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""


class Unparked:
    """A parking place that keeps nothing: records of parked tables and those that cannot be used are counted."""

    def __init__(self, parking: Parks) -> None:
        self._parking = parking
        self.retries = 0

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""
        return self._parking.tables()

    def park(self, entries: Sequence[Entry]) -> None:
        """They were parked when the workers read them, or will be."""


@dataclass(slots=True)
class Beside:
    """One run. `save` is called when what the state says is durable, `told` now and then."""

    stream: Stream
    shards: Shards
    pipeline: Feeds
    wanted: Filter
    writes: Budget
    reads: Budget
    state: State
    ends: dict[str, str]
    save: Callable[[State], None]
    told: Callable[[State], None]
    clock: Callable[[], float] = field(default=time.monotonic)
    now_millis: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    sleep: Callable[[float], None] = field(default=time.sleep)
    _saved: float = field(default=0.0, init=False)
    _told: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Read every shard to its end, children behind their parents. Raises FatalError; the state is saved."""
        cursors: dict[str, Iterator[Page]] = {}
        last_read: dict[str, float] = {}
        try:
            while not self.state.done:
                for shard in self._ready():
                    pause = last_read.get(shard, 0.0) + READ_EVERY_SECONDS - self.clock()
                    if shard in last_read and pause > 0:
                        self.sleep(pause)
                    cursor = cursors.setdefault(shard, self._cursor(shard))
                    page = next(cursor)
                    last_read[shard] = self.clock()
                    self._take(shard, page)
                    self._save_sometimes()
        finally:
            self.save(self.state)

    def _cursor(self, shard: str) -> Iterator[Page]:
        found = self.state.shards[shard]
        return self.stream.pages(shard, behind(found.number) if found.number else at_number(found.first))

    def _ready(self) -> list[str]:
        open_shards = {name for name, shard in self.state.shards.items() if not shard.done}
        below = self.shards.descendants(open_shards)
        return [shard.name for shard in self.shards.in_order() if shard.name in open_shards - below]

    def _take(self, shard: str, page: Page) -> None:
        found = self.state.shards[shard]
        kept = [record for record in page.records if not self._is_behind_end(shard, record)]
        passed_end = len(kept) < len(page.records)
        records = [_stream_record(shard, record) for record in kept]
        while records:
            size = min(self.writes.chunk(BATCH_RECORDS), self.reads.chunk(BATCH_RECORDS))
            batch, records = records[:size], records[size:]
            self._feed(batch, found)
            self._save_sometimes()
        at_end = page.at_tip and self.now_millis() >= self.state.until_millis
        if page.ended or passed_end or at_end or found.number == self.ends.get(shard, NO_END):
            found.done = True

    def _is_behind_end(self, shard: str, record: Record) -> bool:
        end = self.ends.get(shard)
        return record.arrival_millis > self.state.until_millis or (end is not None and int(record.number) > int(end))

    def _feed(self, batch: list[StreamRecord], found: ShardState) -> None:
        counts = self.state.counts
        verdicts = [self.wanted.judge(record.data) for record in batch]
        counts["records"] += len(batch)
        counts["bytes"] += sum(len(record.data) for record in batch)
        counts.update(f"records_{verdict}" for verdict in verdicts)
        taken = [record for record, verdict in zip(batch, verdicts, strict=True) if verdict is Verdict.TAKEN]
        if taken:
            report = self.pipeline.process(taken)
            counts.update(_counts(report))
            self.writes.spent(sum(report.write_units.values()), len(batch))
            self.reads.spent(sum(report.read_units.values()), len(batch))
        found.number, found.at_millis = batch[-1].sequence_number, batch[-1].arrival_millis

    def _save_sometimes(self) -> None:
        now = self.clock()
        if now - self._saved >= SAVE_EVERY_SECONDS:
            self._saved = now
            self.save(self.state)
        if now - self._told >= TELL_EVERY_SECONDS:
            self._told = now
            self.told(self.state)


NO_END: Final = "none"


def _stream_record(shard: str, record: Record) -> StreamRecord:
    return StreamRecord(shard, record.number, 0, record.partition_key, record.data, record.arrival_millis)


def _counts(report: BatchReport) -> Counter[str]:
    found: Counter[str] = Counter(
        {
            "changes": sum(report.changes.values()),
            "folded": report.folded,
            "stale": report.stale,
            "unchanged": report.unchanged,
            "rows_written": report.rows_written,
            "documents_written": report.documents_written,
            "documents_unchanged": report.documents_skipped,
            "documents_parked": report.documents_parked,
            "documents_waiting": report.documents_waiting,
            "retries": report.retries,
        }
    )
    found.update({f"not_used_{reason}": count for reason, count in report.parked.items()})
    for kind, units in (("read_units", report.read_units), ("write_units", report.write_units)):
        found.update({f"{kind}_{table}": amount for table, amount in units.items()})
    return found
