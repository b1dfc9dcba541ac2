"""Global tables between two MiniStacks: `python -m local.replication CONFIG` carries each region's writes to the other.

MiniStack replicates within one process, at once and without conflicts; regions that can be cut off from each other need
processes of their own. This reads the tables' streams of every region and applies what `LastWriter` decides: with a
lag, last writer wins, its own writes left out. A region that cannot be reached is tried until it can.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.last_writer import Apply, Change, Key, LastWriter

POLL_SECONDS: Final = 0.1
REACH_SECONDS: Final = 2
ANSWER_SECONDS: Final = 10
PAGE: Final = 1000
BATCH: Final = 25


@dataclass(frozen=True, slots=True)
class Settings:
    """Each region's endpoint as the replication reaches it, the tables, and how long a write is on its way."""

    endpoints: dict[str, str]
    tables: tuple[str, ...]
    lag_millis: float
    status_file: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far it is: writes carried and lost to a later one; whether all that was read has been applied."""

    carried: int
    conflicts: int
    waiting: int
    unreachable: tuple[str, ...]
    at: float


def client(service: str, endpoint: str, region: str) -> Any:
    """A client that gives up soon: a region that is cut off must not hold the other one up for long."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)  # noqa: S106
    config = Config(
        proxies={}, connect_timeout=REACH_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1}
    )
    return session.client(service, endpoint_url=endpoint, config=config)


class Reader:
    """One table's stream in one region, from its first record."""

    def __init__(self, streams: Any, dynamodb: Any, region: str, table: str) -> None:
        self._streams = streams
        self._dynamodb = dynamodb
        self._region = region
        self._table = table
        self._last: str | None = None
        self._iterator: str | None = None

    def read(self) -> Iterator[Change]:
        """What is new. Raises BotoCoreError, ClientError; the next call goes on behind what was yielded."""
        while True:
            if self._iterator is None:
                self._iterator = self._begin()
            try:
                answer = self._streams.get_records(ShardIterator=self._iterator, Limit=PAGE)
            except (BotoCoreError, ClientError):
                self._iterator = None  # it may have expired
                raise
            for record in answer["Records"]:
                self._last = record["dynamodb"]["SequenceNumber"]
                yield self._change(record["dynamodb"])
            self._iterator = answer.get("NextShardIterator")
            if not answer["Records"]:
                return

    def _begin(self) -> str:
        arn = self._dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        shard = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        where: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if self._last is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._last}
        found = self._streams.get_shard_iterator(StreamArn=arn, ShardId=shard, **where)
        return str(found["ShardIterator"])

    def _change(self, body: dict[str, Any]) -> Change:
        # MiniStack's sequence numbers begin with milliseconds; its ApproximateCreationDateTime has whole seconds,
        # as AWS's, which is too coarse to say who was last
        millis = int(body["SequenceNumber"][:20])
        return Change(self._region, self._table, body["Keys"], body.get("NewImage"), millis)


class Replication:
    """All tables between all regions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._writer = LastWriter(tuple(settings.endpoints))
        self._dynamodb = {r: client("dynamodb", url, r) for r, url in settings.endpoints.items()}
        streams = {r: client("dynamodbstreams", url, r) for r, url in settings.endpoints.items()}
        self._readers = {
            region: [Reader(streams[region], self._dynamodb[region], region, table) for table in settings.tables]
            for region in settings.endpoints
        }
        self._waiting: dict[str, deque[tuple[float, Apply]]] = {region: deque() for region in settings.endpoints}
        self._carried = 0
        self._batch: dict[str, list[Apply]] = {region: [] for region in settings.endpoints}

    def run(self) -> None:
        """Replicate until the process ends."""
        while True:
            unreachable = tuple(region for region in self._settings.endpoints if not self._turn(region))
            self._tell(unreachable)
            time.sleep(POLL_SECONDS)

    def _turn(self, region: str) -> bool:
        """Read a region's writes and apply what waits for it; whether it could be reached."""
        try:
            for reader in self._readers[region]:
                for change in reader.read():
                    due = time.monotonic() + self._settings.lag_millis / 1000
                    for apply in self._writer.seen(change):
                        self._waiting[apply.region].append((due, apply))
            self._apply(region)
        except (BotoCoreError, ClientError) as error:
            sys.stderr.write(f"{region}: {type(error).__name__}\n")
            return False
        return True

    def _apply(self, region: str) -> None:
        """Write what is due, in batches: it stays first in the queue until it is known to be written."""
        waiting = self._waiting[region]
        while self._batch[region] or (waiting and waiting[0][0] <= time.monotonic()):
            if not self._batch[region]:
                self._batch[region] = self._next_batch(region)
            requests: dict[str, list[Any]] = {}
            for apply in self._batch[region]:
                requests.setdefault(apply.change.table, []).append(_request(apply.change))
            while requests:
                requests = self._dynamodb[region].batch_write_item(RequestItems=requests).get("UnprocessedItems", {})
            for apply in self._batch[region]:
                self._writer.end(apply, int(time.time() * 1000))
            self._carried += len(self._batch[region])
            self._batch[region] = []

    def _next_batch(self, region: str) -> list[Apply]:
        """Up to 25 writes of different items; a batch must not name one twice."""
        waiting, batch, named = self._waiting[region], list[Apply](), set[Key]()
        while waiting and waiting[0][0] <= time.monotonic() and len(batch) < BATCH:
            apply = waiting[0][1]
            if apply.change.address in named:
                break
            waiting.popleft()
            if self._writer.is_due(apply):
                self._writer.begin(apply, int(time.time() * 1000))
                named.add(apply.change.address)
                batch.append(apply)
        return batch

    def _tell(self, unreachable: tuple[str, ...]) -> None:
        waiting = sum(len(self._waiting[region]) + len(self._batch[region]) for region in self._waiting)
        status = Status(self._carried, self._writer.conflicts, waiting, unreachable, time.time())
        file = Path(self._settings.status_file)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(status)))
        draft.replace(file)


def _request(change: Change) -> dict[str, Any]:
    if change.item is None:
        return {"DeleteRequest": {"Key": change.key}}
    return {"PutRequest": {"Item": change.item}}


def read_settings(file: Path) -> Settings:
    """What `Settings` was written as."""
    stored = json.loads(file.read_text())
    return Settings(**{**stored, "tables": tuple(stored["tables"])})


if __name__ == "__main__":
    Replication(read_settings(Path(sys.argv[1]))).run()
