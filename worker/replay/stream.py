"""The stream, read with GetRecords: which shards there are, what is the first record behind a point, page after page.

A shard answers five reads a second to all who poll it, so whoever reads beside the workers is sparing with them.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from worker.errors import FatalError
from worker.replay.plan import First, Position
from worker.replay.shards import Shards, read_shard
from worker.store.failures import back_off_seconds
from worker.supervisor.aws import AwsError, reason

ATTEMPTS: Final = 8
FIRST_DELAY_SECONDS: Final = 0.3
PAGE_RECORDS: Final = 1000
EXPIRED: Final = "ExpiredIteratorException"
NOT_MENDED: Final = frozenset(
    {
        *("AccessDeniedException", "ResourceNotFoundException", "InvalidArgumentException", "ValidationException"),
        *("KMSAccessDeniedException", "KMSNotFoundException", "KMSDisabledException"),
    }
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Start:
    """Where an iterator begins: one of Kinesis' kinds, with its number or epoch milliseconds."""

    kind: str = "TRIM_HORIZON"
    number: str = ""
    millis: int = 0

    def arguments(self) -> dict[str, Any]:
        """Of GetShardIterator."""
        if self.number:
            return {"ShardIteratorType": self.kind, "StartingSequenceNumber": self.number}
        if self.kind == "AT_TIMESTAMP":
            moment = datetime.datetime.fromtimestamp(self.millis / 1000, datetime.UTC)
            return {"ShardIteratorType": self.kind, "Timestamp": moment}
        return {"ShardIteratorType": self.kind}


def at_time(millis: int) -> Start:
    """At the first record that came in then or later."""
    return Start("AT_TIMESTAMP", millis=millis)


def at_number(number: str) -> Start:
    """At that record."""
    return Start("AT_SEQUENCE_NUMBER", number)


def behind(number: str) -> Start:
    """At the record that follows."""
    return Start("AFTER_SEQUENCE_NUMBER", number)


def at_position(position: Position) -> Start:
    """Where KCL begins with that checkpoint."""
    if not position.checkpoint.isdigit():
        return Start()
    return at_number(position.checkpoint) if position.sub < 0 else behind(position.checkpoint)


@dataclass(frozen=True, slots=True)
class Record:
    """One record; arrival is epoch milliseconds."""

    number: str
    arrival_millis: int
    partition_key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. `ended`: the shard is closed and this was its end; `at_tip`: nothing more for now."""

    records: tuple[Record, ...]
    at_tip: bool
    ended: bool


class NoSuchNumber(FatalError):
    """A shard has no record of that number, nor any behind it, that could be read."""


class Stream:
    """One stream. Everything raises FatalError with one line, after some attempts where trying again may help."""

    def __init__(
        self,
        kinesis: Any,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._kinesis = kinesis
        self.name = name
        self._sleep = sleep
        self._jitter = jitter

    def shards(self) -> Shards:
        """All that are listed, closed ones included as long as they have records."""
        arguments: dict[str, Any] = {"StreamName": self.name}
        found: list[dict[str, Any]] = []
        while True:
            answer = self._ask(lambda arguments=arguments: self._kinesis.list_shards(**arguments))  # type: ignore[misc]
            found += answer["Shards"]
            if not answer.get("NextToken"):
                return Shards(map(read_shard, found))
            arguments = {"NextToken": answer["NextToken"]}

    def retention_millis(self) -> int:
        """How long records are kept."""
        answer = self._ask(lambda: self._kinesis.describe_stream_summary(StreamName=self.name))
        return int(answer["StreamDescriptionSummary"]["RetentionPeriodHours"]) * 3_600_000

    def first(self, shard: str, start: Start) -> First | None:
        """The first record from there on; None if there is none up to the tip, or the end, of the shard."""
        for page in self.pages(shard, start, limit=1):
            if page.records:
                return First(page.records[0].number, page.records[0].arrival_millis)
            if page.at_tip:
                return None
        return None

    def arrival(self, shard: str, number: str) -> int | None:
        """When a record came in, or the first that is left behind it; None if that cannot be told any more."""
        try:
            first = self.first(shard, at_number(number))
        except NoSuchNumber:
            return None
        return first.arrival_millis if first else None

    def pages(self, shard: str, start: Start, limit: int = PAGE_RECORDS) -> Iterator[Page]:
        """Page after page for as long as they are taken, or to the end of a closed shard; many may be empty."""
        iterator: str | None = None
        while True:
            if iterator is None:
                iterator = self._iterator(shard, start)
            answer = self._get(iterator, limit)
            if answer is None:  # it was not used for five minutes
                iterator = None
                continue
            records = tuple(map(_record, answer["Records"]))
            if records:
                start = behind(records[-1].number)
            iterator = answer.get("NextShardIterator")
            yield Page(records, answer.get("MillisBehindLatest", 0) == 0, iterator is None)
            if iterator is None:
                return

    def _iterator(self, shard: str, start: Start) -> str:
        try:
            answer = self._ask(
                lambda: self._kinesis.get_shard_iterator(StreamName=self.name, ShardId=shard, **start.arguments())
            )
        except _Refused as refused:
            if start.number and refused.code in ("InvalidArgumentException", "ValidationException"):
                raise NoSuchNumber(
                    f"{shard} has no sequence number {start.number}: expired, or of another shard"
                ) from None
            raise
        return str(answer["ShardIterator"])

    def _get(self, iterator: str, limit: int) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._ask(lambda: self._kinesis.get_records(ShardIterator=iterator, Limit=limit))
        except _Refused as refused:
            if refused.code == EXPIRED:
                return None
            raise
        return found

    def _ask(self, call: Callable[[], Result]) -> Result:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except AwsError as error:
                code = reason(error)
                if attempt == ATTEMPTS or code in NOT_MENDED or code == EXPIRED:
                    raise _Refused(code, self.name) from None
            self._sleep(back_off_seconds(FIRST_DELAY_SECONDS, attempt, self._jitter()))
        raise AssertionError("the last attempt returns or raises")


class _Refused(FatalError):
    def __init__(self, code: str, stream: str) -> None:
        advice = {
            "AccessDeniedException": ": the role lacks a right",
            "ResourceNotFoundException": ": check NEARVIEW_STREAM and the region",
        }
        super().__init__(f"the stream {stream} cannot be read: {code}{advice.get(code, '')}")
        self.code = code


def _record(answer: dict[str, Any]) -> Record:
    arrival = round(answer["ApproximateArrivalTimestamp"].timestamp() * 1000)
    return Record(answer["SequenceNumber"], arrival, answer["PartitionKey"], answer["Data"])
