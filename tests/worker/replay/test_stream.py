"""Reading a stream: on MiniStack, and what it does not do (closed shards, expired iterators, throttling) by answers."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.ministack import MiniStack
from worker.errors import FatalError
from worker.replay.plan import First
from worker.replay.sampling import sample
from worker.replay.stream import Start, Stream, at_number, at_time, behind

_numbers = itertools.count(1)
SHARD = "shardId-000000000000"


def real(ministack: MiniStack, shards: int = 1) -> tuple[Stream, Callable[..., list[str]]]:
    """A stream of its own, and a function that puts texts and gives their sequence numbers."""
    kinesis, name = ministack.client("kinesis"), f"replayed{next(_numbers)}"
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})

    def put(*texts: str) -> list[str]:
        records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
        return [done["SequenceNumber"] for done in kinesis.put_records(StreamName=name, Records=records)["Records"]]

    return Stream(kinesis, name, sleep=lambda seconds: None), put


def texts(stream: Stream, start: Start, limit: int = 1000) -> list[str]:
    """What is read up to the tip."""
    found = []
    for page in stream.pages(SHARD, start, limit):
        found += [record.data.decode() for record in page.records]
        if page.at_tip:
            break
    return found


def test_shards_have_ranges_and_no_end_while_they_are_open(ministack: MiniStack) -> None:
    stream, _ = real(ministack, shards=2)
    shards = stream.shards().in_order()

    assert [shard.name for shard in shards] == [SHARD, "shardId-000000000001"]
    assert not any(shard.closed for shard in shards)
    assert int(shards[0].last_hash) + 1 == int(shards[1].first_hash)
    assert stream.retention_millis() == 24 * 3_600_000


def test_a_shard_is_read_from_a_number_behind_it_and_from_a_time(ministack: MiniStack) -> None:
    stream, put = real(ministack)
    numbers = put("a", "b", "c")
    time.sleep(0.05)
    middle = int(time.time() * 1000)
    time.sleep(0.05)
    numbers += put("d", "e")

    assert texts(stream, Start(), limit=2) == ["a", "b", "c", "d", "e"]
    assert texts(stream, at_number(numbers[2])) == ["c", "d", "e"]
    assert texts(stream, behind(numbers[2])) == ["d", "e"]
    assert texts(stream, at_time(middle)) == ["d", "e"]
    first = stream.first(SHARD, at_time(middle))
    assert first is not None
    assert first.sequence == numbers[3]
    assert first.arrival_millis >= middle
    assert stream.first(SHARD, behind(numbers[4])) is None
    assert stream.arrival(SHARD, numbers[3]) == first.arrival_millis
    assert stream.first(SHARD, at_time(int(time.time() * 1000) + 60_000)) is None


def test_what_lies_behind_a_point_is_counted_where_little_is(ministack: MiniStack) -> None:
    stream, put = real(ministack)
    numbers = put(*(f"{number:04}" for number in range(400)))

    found = sample(
        stream, SHARD, First(numbers[100], int(time.time() * 1000) - 1000), int(time.time() * 1000), _no_wait
    )

    assert (found.records, found.payload_bytes, found.exact) == (300, 1200, True)


def _no_wait(seconds: float) -> None:
    pass


def test_a_stream_that_is_not_there_is_one_line(ministack: MiniStack) -> None:
    with pytest.raises(FatalError, match="nowhere cannot be read: ResourceNotFoundException: check NEARVIEW_STREAM"):
        Stream(ministack.client("kinesis"), "nowhere").shards()


# what the stand-in does not do


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "secret"}}, "GetRecords")


def record(number: int, at: int) -> dict[str, Any]:
    arrival = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    return {"SequenceNumber": str(number), "ApproximateArrivalTimestamp": arrival, "PartitionKey": "k", "Data": b"x"}


class Scripted:
    """A Kinesis that gives these answers to GetRecords one after the other, and notes the iterators asked for."""

    def __init__(self, *answers: dict[str, Any] | ClientError) -> None:
        self.answers = list(answers)
        self.starts: list[dict[str, Any]] = []

    def get_shard_iterator(self, **arguments: Any) -> dict[str, str]:
        self.starts.append(arguments)
        return {"ShardIterator": "first"}

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, ClientError):
            raise answer
        return answer


def page(*records: dict[str, Any], behind_millis: int = 0, following: str | None = "next") -> dict[str, Any]:
    answer = {"Records": list(records), "MillisBehindLatest": behind_millis}
    return answer | ({"NextShardIterator": following} if following else {})


def scripted(*answers: dict[str, Any] | ClientError) -> tuple[Scripted, Stream]:
    kinesis = Scripted(*answers)
    return kinesis, Stream(kinesis, "changes", sleep=_no_wait)


def test_empty_pages_are_passed_until_a_record_or_the_tip_comes() -> None:
    _, stream = scripted(page(behind_millis=5000), page(behind_millis=3000), page(record(7, 1000)))
    assert stream.first(SHARD, at_time(1)) == First("7", 1000)

    _, stream = scripted(page(behind_millis=5000), page())
    assert stream.first(SHARD, at_time(1)) is None


def test_a_closed_shard_ends() -> None:
    _, stream = scripted(page(record(7, 1000), behind_millis=9), page(behind_millis=9, following=None))

    pages = list(stream.pages(SHARD, Start()))

    assert [(len(found.records), found.ended) for found in pages] == [(1, False), (0, True)]


def test_an_iterator_that_has_expired_is_made_again_behind_what_was_read() -> None:
    kinesis, stream = scripted(page(record(7, 1000), behind_millis=9), error("ExpiredIteratorException"), page())

    list(itertools.islice(stream.pages(SHARD, at_time(1000)), 2))

    assert [start["ShardIteratorType"] for start in kinesis.starts] == ["AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]
    assert kinesis.starts[1]["StartingSequenceNumber"] == "7"


def test_throttling_is_tried_again_and_a_missing_right_is_not() -> None:
    _, stream = scripted(error("ProvisionedThroughputExceededException"), page(record(7, 1000)))
    assert stream.first(SHARD, Start()) == First("7", 1000)

    _, stream = scripted(error("AccessDeniedException"))
    with pytest.raises(FatalError, match=r"^the stream changes cannot be read: AccessDeniedException: the role lacks"):
        stream.first(SHARD, Start())


def test_a_number_that_has_expired_is_said() -> None:
    kinesis, stream = scripted()
    kinesis.get_shard_iterator = lambda **arguments: (_ for _ in ()).throw(error("InvalidArgumentException"))  # type: ignore[method-assign]

    with pytest.raises(FatalError, match=f"{SHARD} has no sequence number 5: expired, or of another shard"):
        stream.first(SHARD, at_number("5"))
    assert stream.arrival(SHARD, "5") is None
