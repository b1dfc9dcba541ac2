"""How much lies behind a point: what was read is exact, what lies between is a rate, and nobody claims more."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.replay.estimate import Estimate, Window, catch_up_seconds, estimate, shard_seconds, total
from worker.replay.plan import BEGINNING, Change, First, Plan
from worker.replay.sampling import WINDOWS, sample
from worker.replay.shards import Shard
from worker.replay.stream import Stream

SHARD = "shardId-000000000000"


def test_one_window_to_the_tip_is_exact() -> None:
    found = estimate([Window(0, 5000, 100, 40_000, complete=True)], 60_000)

    assert (found.records, found.payload_bytes, found.exact) == (100, 40_000, True)


def test_gaps_have_the_rate_of_what_surrounds_them_up_to_the_end() -> None:
    windows = [Window(0, 1000, 100, 10_000, False), Window(11_000, 12_000, 300, 30_000, False)]

    found = estimate(windows, 13_000)

    # 10 s at 200 a second, 1 s at 300 a second
    assert (found.records, found.payload_bytes, found.read, found.exact) == (2700, 270_000, 400, False)


def test_a_burst_is_not_taken_for_more_than_a_shard_can_take_in() -> None:
    found = estimate([Window(0, 1, 1000, 1000, False)], 10_001)

    assert found.records == 11_000


def test_nothing_there() -> None:
    assert estimate([], 1000) == Estimate()


class Made:
    """A Kinesis with one shard of these arrivals, which gives pages of what it is asked for."""

    def __init__(self, arrivals: list[int]) -> None:
        self.arrivals = arrivals
        self.reads = 0

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        kind, number = arguments["ShardIteratorType"], int(arguments.get("StartingSequenceNumber", 0))
        if kind == "AT_TIMESTAMP":
            millis = arguments["Timestamp"].timestamp() * 1000
            at = next((n for n, arrival in enumerate(self.arrivals) if arrival >= millis), len(self.arrivals))
        else:
            at = number + (kind == "AFTER_SEQUENCE_NUMBER")
        return {"ShardIterator": str(at)}

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        self.reads += 1
        begin = int(arguments["ShardIterator"])
        found = self.arrivals[begin : begin + arguments["Limit"]]
        records = [
            {
                "SequenceNumber": str(begin + number),
                "ApproximateArrivalTimestamp": datetime.datetime.fromtimestamp(arrival / 1000, datetime.UTC),
                "PartitionKey": "k",
                "Data": b"0123456789",
            }
            for number, arrival in enumerate(found)
        ]
        end = begin + len(found)
        behind = 0 if end == len(self.arrivals) else 1000
        return {"Records": records, "NextShardIterator": str(end), "MillisBehindLatest": behind}


@given(st.lists(st.integers(1, 400), min_size=1, max_size=600), st.integers(1, 20))
def test_of_an_even_stream_the_estimate_is_near_and_of_a_small_one_exact(steps: list[int], times: int) -> None:
    arrivals, now = [], 1_000_000
    for step in steps * times:
        now += step
        arrivals.append(now)
    kinesis = Made(arrivals)

    found = sample(Stream(kinesis, "changes"), SHARD, First("0", arrivals[0]), now, lambda seconds: None)

    assert kinesis.reads <= WINDOWS
    assert found.read <= found.records
    assert found.payload_bytes == pytest.approx(found.records * 10, abs=10)
    if len(arrivals) <= 1000:
        assert (found.records, found.exact) == (len(arrivals), True)
    assert found.records == pytest.approx(len(arrivals), rel=0.25)
    assert not found.exact or found.records == len(arrivals)


def plan(*changes: tuple[str, bool, tuple[str, ...]]) -> Plan:
    return Plan(
        tuple(
            Change(Shard(name, parents, "0", "1", "1", "9" if closed else None), BEGINNING, None, parents)
            for name, closed, parents in changes
        )
    )


def test_children_come_after_their_parents_and_new_records_come_meanwhile() -> None:
    found = {"p": Estimate(2000), "c": Estimate(500, per_second=500), "other": Estimate(100)}
    made = plan(("p", True, ()), ("c", False, ("p",)), ("other", False, ()))

    assert catch_up_seconds(made, found, 1000) == pytest.approx(2 + 1)
    assert catch_up_seconds(made, found, 400) is None  # more comes in than is read


def test_a_shard_gives_two_megabytes_a_second() -> None:
    assert shard_seconds(Estimate(1000, 4_000_000), 10_000, closed=True) == pytest.approx(2)
    assert shard_seconds(Estimate(), 10_000, closed=True) == 0


def test_a_total_is_exact_if_all_are() -> None:
    assert total([Estimate(1, 2, 3, 1), Estimate(4, 5, 6, 4)]) == Estimate(5, 7, 9, 5)
    assert not total([Estimate(), Estimate(exact=False)]).exact
