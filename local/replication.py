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

from local.last_writer import Apply, Change, LastWriter

POLL_SECONDS: Final = 0.1
REACH_SECONDS: Final = 2
PAGE: Final = 1000


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
        proxies={}, connect_timeout=REACH_SECONDS, read_timeout=REACH_SECONDS, retries={"total_max_attempts": 1}
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
        self._begun: Apply | None = None

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
        waiting = self._waiting[region]
        while waiting and waiting[0][0] <= time.monotonic():
            apply = waiting[0][1]
            if self._writer.stands(apply):
                self._write(region, apply)
                self._carried += 1
            waiting.popleft()
            self._begun = None

    def _write(self, region: str, apply: Apply) -> None:
        """Put or delete. A write whose reply was lost may have been done; doing it again changes nothing then."""
        change, client, again = apply.change, self._dynamodb[region], self._begun is apply
        if not again:
            self._writer.applied(apply)  # before it is done: its echo must not be taken for a write of that region
            self._begun = apply
        if change.item is None:
            answer = client.delete_item(TableName=change.table, Key=change.key, ReturnValues="ALL_OLD")
        else:
            answer = client.put_item(TableName=change.table, Item=change.item, ReturnValues="ALL_OLD")
        if answer.get("Attributes") == change.item and not again:
            self._writer.unchanged(apply)

    def _tell(self, unreachable: tuple[str, ...]) -> None:
        waiting = sum(map(len, self._waiting.values()))
        status = Status(self._carried, self._writer.conflicts, waiting, unreachable, time.time())
        file = Path(self._settings.status_file)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(status)))
        draft.replace(file)


def read_settings(file: Path) -> Settings:
    """What `Settings` was written as."""
    stored = json.loads(file.read_text())
    return Settings(**{**stored, "tables": tuple(stored["tables"])})


if __name__ == "__main__":
    Replication(read_settings(Path(sys.argv[1]))).run()
