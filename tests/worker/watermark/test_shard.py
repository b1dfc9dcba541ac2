"""What a shard's worker reads off its batches: marks, loads and their ends, hot rows, and how often it stores them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.worker.dms_records import change, record
from tests.worker.projection.strict_store import StrictStore
from worker.pipeline import BatchReport
from worker.records.envelope import ChangeEvent
from worker.records.incarnations import Incarnations
from worker.records.mark import NOTHING, Mark, place
from worker.records.source import Source
from worker.watermark.hot import KEPT, HotRows
from worker.watermark.progress import read_shards
from worker.watermark.shard import LOOK_AT, ShardProgress

TABLE = "s.orders"
SOURCE = Source(heartbeat_table="s.beat")


class Shard:
    def __init__(self) -> None:
        self.store = StrictStore()
        self.now = 1000.0
        self.progress = self.worker()

    def worker(self) -> ShardProgress:
        made = ShardProgress("shard-1", SOURCE, [TABLE], lambda: self.now)
        self.store.drive(made.begin())
        return made

    def take(self, *payloads: Any) -> None:
        events = [SOURCE.decode(record(payload).data) for payload in payloads if isinstance(payload, dict)]
        self.progress.take([event for event in events if isinstance(event, ChangeEvent)])

    def batch(self, *payloads: Any) -> None:
        records = [record(payload) for payload in payloads]
        operations = Counter(
            (TABLE, payload["metadata"]["operation"]) for payload in payloads if isinstance(payload, dict)
        )
        self.take(*payloads)
        self.progress.note(records, BatchReport(changes=operations, newest_commit_micros=1), Incarnations())
        self.store.drive(self.progress.save())


def _at(second: int, operation: str = "insert", **metadata: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(second, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return change(operation, TABLE, {"id": 1}, None, second, commit_timestamp=moment, timestamp=moment, **metadata)


def test_the_last_change_is_the_mark() -> None:
    shard = Shard()

    shard.batch(_at(10), _at(11), _at(12))

    assert shard.progress.mark == Mark(12_000_000, place(1, (2 << 32) + 12))


def test_what_comes_late_or_again_lowers_nothing() -> None:
    shard = Shard()
    shard.batch(_at(12))

    shard.batch(_at(10))

    assert shard.progress.mark.commit_micros == 12_000_000


def test_loads_and_what_cannot_be_read_are_no_mark() -> None:
    shard = Shard()

    shard.batch(_at(10, "load"), b"no JSON")

    assert shard.progress.mark == NOTHING


def test_a_change_before_them_is_found() -> None:
    shard = Shard()

    shard.batch(_at(9), *[_at(10, "load") for _ in range(LOOK_AT - 1)])

    assert shard.progress.mark.commit_micros == 9_000_000


def test_the_next_worker_goes_on_where_the_last_one_stopped() -> None:
    shard = Shard()
    shard.batch(_at(12))

    assert shard.worker().mark.commit_micros == 12_000_000


def test_it_is_stored_about_once_a_second_and_only_if_it_has_changed() -> None:
    shard = Shard()
    shard.batch(_at(10))
    writes = shard.store.applied_writes

    shard.batch(_at(11))
    assert shard.store.applied_writes == writes
    shard.now += 1
    shard.batch(_at(12))
    assert shard.store.applied_writes == writes + 1
    shard.now += 1
    shard.store.drive(shard.progress.save())
    assert shard.store.applied_writes == writes + 1
    assert shard.store.drive(read_shards(["shard-1"]))["shard-1"].progress.mark.commit_micros == 12_000_000


def test_that_a_load_goes_on_is_stored_before_its_rows_are_checkpointed() -> None:
    """The second is not over, and whoever comes next does not see the rows."""
    shard = Shard()
    shard.batch(_at(10))

    shard.batch(_at(11, "load"))

    assert shard.store.drive(read_shards(["shard-1"]))["shard-1"].tables.loads.keys() == {TABLE}


def test_due_of_a_batch_is_since_the_mark_before_it_or_its_oldest_change() -> None:
    shard = Shard()
    shard.batch(_at(20))
    for seconds, since in (((21, 22), 20), ((15, 22), 15)):
        shard.take(*[_at(second) for second in seconds])
        assert shard.progress.before().commit_micros == since * 1_000_000


def test_due_of_a_load_is_of_no_time() -> None:
    shard = Shard()
    shard.batch(_at(20))

    shard.take(_at(21), _at(22, "load"))

    assert shard.progress.before() == NOTHING


def test_a_hot_row_is_found_among_very_many() -> None:
    hot = HotRows()
    for number in range(2000):
        hot.add([(TABLE, "hot") if number % 5 == 0 else (TABLE, str(number))])

    assert [row.key for row in hot.top()][:1] == ["hot"]
    assert len(hot._counts) <= KEPT
    assert 0.1 < hot.top()[0].changes / hot.sampled < 0.4


def test_few_samples_and_even_ones_say_nothing() -> None:
    few, even = HotRows(), HotRows()
    few.add([(TABLE, "1")] * 10)
    for number in range(900):
        even.add([(TABLE, str(number % 300))])

    assert few.top() == ()
    assert all(row.changes < 0.1 * even.sampled for row in even.top())
