"""PutRecords: batches, partial failures, throttling, and what is never taken."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from local.dms.errors import DmsError, Stopped
from local.dms.kinesis import MAX_RECORD_BYTES, Stream
from local.dms.records import Record

Answer = Callable[[list[dict[str, Any]]], list[bool]]


class Kinesis:
    """Takes records as its script says: for each request, which records it takes, or an error."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.taken: list[str] = []
        self.requests: list[list[str]] = []
        self._script = list(script)

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests.append([entry["Data"].decode() for entry in Records])
        step = self._script.pop(0) if self._script else _all
        if isinstance(step, Exception):
            raise step
        results = []
        for entry, ok in zip(Records, step(Records), strict=True):
            if ok:
                self.taken.append(entry["Data"].decode())
                results.append({"ShardId": "shardId-0", "SequenceNumber": str(len(self.taken))})
            else:
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"})
        return {"FailedRecordCount": sum("ErrorCode" in r for r in results), "Records": results}

    def describe_stream_summary(self, StreamName: str) -> dict[str, Any]:  # noqa: N803
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return {"StreamDescriptionSummary": {"StreamStatus": "DELETING"}}


def _all(entries: list[dict[str, Any]]) -> list[bool]:
    return [True] * len(entries)


def _first_refused(entries: list[dict[str, Any]]) -> list[bool]:
    return [False] + [True] * (len(entries) - 1)


def _error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "PutRecords",
    )


def _records(count: int, size: int = 0) -> list[Record]:
    return [Record(f"k{n % 7}", str(n).encode() + b"x" * size, "shop.t") for n in range(count)]


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_requests_hold_at_most_500_records_in_order() -> None:
    kinesis = Kinesis()
    Stream(kinesis, "s", Waits()).put(_records(1001))
    assert [len(request) for request in kinesis.requests] == [500, 500, 1]
    assert kinesis.taken == [str(n) for n in range(1001)]


def test_requests_stay_below_five_mebibytes() -> None:
    kinesis = Kinesis()
    Stream(kinesis, "s", Waits()).put(_records(12, size=900_000))
    assert [len(request) for request in kinesis.requests] == [5, 5, 2]


def test_only_the_refused_record_is_sent_again_behind_its_followers() -> None:
    kinesis, waits = Kinesis(_first_refused), Waits()
    stream = Stream(kinesis, "s", waits)
    stream.put(_records(3))
    assert kinesis.taken == ["1", "2", "0"]
    assert kinesis.requests == [["0", "1", "2"], ["0"]]
    assert (stream.counts.records, stream.counts.retries) == (3, 1)
    assert stream.counts.sequence_numbers == {"shardId-0": "3"}
    assert len(waits.seconds) == 1


@pytest.mark.parametrize(
    "error",
    [
        _error("ProvisionedThroughputExceededException"),
        _error("InternalFailure", 500),
        _error("Strange", 503),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
    ids=["throttled", "internal", "unavailable", "refused"],
)
def test_a_failed_request_is_tried_again_with_growing_pauses(error: Exception) -> None:
    kinesis, waits = Kinesis(*[error] * 9), Waits()
    Stream(kinesis, "s", waits).put(_records(2))
    assert kinesis.taken == ["0", "1"]
    assert len(waits.seconds) == 9
    assert waits.seconds[0] <= 0.05 < 2.5 <= waits.seconds[-1] <= 5.0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (_error("ResourceNotFoundException"), "stream s: does not exist; create it or set --stream"),
        (_error("AccessDeniedException"), "stream s: AccessDeniedException: m"),
        (NoCredentialsError(), "stream s: Unable to locate credentials"),
    ],
)
def test_what_cannot_pass_ends_the_task_with_one_line(error: Exception, line: str) -> None:
    with pytest.raises(DmsError) as caught:
        Stream(Kinesis(error), "s", Waits()).put(_records(1))
    assert str(caught.value) == line


def test_a_record_that_is_too_big_names_table_and_setting() -> None:
    with pytest.raises(DmsError, match=r"table shop\.t: a record of \d+ bytes .*LobMaxSize"):
        Stream(Kinesis(), "s", Waits()).put(_records(1, size=MAX_RECORD_BYTES))


def test_a_stop_ends_the_retries() -> None:
    def stop(_seconds: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Stream(Kinesis(_error("InternalFailure", 500)), "s", stop).put(_records(1))


def test_threads_take_every_record_and_keep_the_order_of_a_key() -> None:
    kinesis = Kinesis()
    Stream(kinesis, "s", Waits()).put(_records(700), threads=4)
    assert sorted(map(int, kinesis.taken)) == list(range(700))
    for key in range(7):
        of_key = [int(data) for data in kinesis.taken if int(data) % 7 == key]
        assert of_key == sorted(of_key)


def test_a_failure_rate_withholds_records_and_sends_them_later() -> None:
    kinesis = Kinesis()
    stream = Stream(kinesis, "s", Waits(), failure_rate=0.5, seed=1)
    stream.put(_records(50))
    assert sorted(map(int, kinesis.taken)) == list(range(50))
    assert kinesis.taken != [str(n) for n in range(50)]
    assert stream.counts.retries > 0


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (_error("ResourceNotFoundException"), "stream s: does not exist"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "stream s: the endpoint does not answer"),
        (_all, "stream s: is DELETING, not ACTIVE"),
    ],
)
def test_the_check_before_the_start_names_the_stream(step: Any, line: str) -> None:
    with pytest.raises(DmsError, match=line):
        Stream(Kinesis(step), "s", Waits()).check()
