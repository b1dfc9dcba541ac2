"""Puts records on the Kinesis stream: batches, retries, and counts of what the stream has confirmed."""

import random
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError

from local.dms.errors import DmsError
from local.dms.log import log
from local.dms.records import Record

MAX_RECORDS = 500
MAX_REQUEST_BYTES = 5 * 1024 * 1024
MAX_RECORD_BYTES = 1024 * 1024
_FIRST_DELAY_SECONDS = 0.05
_LONGEST_DELAY_SECONDS = 5.0
_RETRYABLE = frozenset(
    (
        *("ProvisionedThroughputExceededException", "LimitExceededException", "ResourceInUseException"),
        *("KMSThrottlingException", "InternalFailure", "InternalFailureException", "ServiceUnavailable"),
        *("ThrottlingException", "Throttling", "RequestTimeout", "RequestExpired"),
    )
)


@dataclass(slots=True)
class PutCounts:
    """What the stream confirmed, and how often a record had to be sent again."""

    records: int = 0
    retries: int = 0
    sequence_numbers: dict[str, str] = field(default_factory=dict)


def client(endpoint_url: str | None, region: str) -> Any:
    """A Kinesis client that does not retry by itself: the stream below does, record by record."""
    return boto3.client(
        "kinesis",
        endpoint_url=endpoint_url,
        region_name=region,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10, max_pool_connections=64),
    )


class Stream:
    """One stream. `put` may be called from several threads."""

    def __init__(
        self,
        kinesis: Any,
        name: str,
        wait: Callable[[float], None],
        failure_rate: float = 0.0,
        lost_reply_rate: float = 0.0,
        interleaved: bool = False,
        seed: int = 0,
    ) -> None:
        """`wait` sleeps for the seconds given or raises Stopped; `failure_rate` withholds that part of the
        records of every request at random, as a throttling shard would refuse them; `lost_reply_rate` forgets
        that part of the replies, so that what the stream has taken is sent again; `interleaved` mixes the
        records of different partition keys, as the service's threads do."""
        self.counts = PutCounts()
        self._kinesis = kinesis
        self._name = name
        self._wait = wait
        self._failure_rate = failure_rate
        self._lost_reply_rate = lost_reply_rate
        self._interleaved = interleaved
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise DmsError unless the stream exists and takes records."""
        try:
            answer = self._kinesis.describe_stream_summary(StreamName=self._name)
        except ClientError as error:
            raise DmsError(_refusal(self._name, error)) from error
        except BotoCoreError as error:
            raise DmsError(f"stream {self._name}: the endpoint does not answer ({_brief(error)})") from error
        status = answer["StreamDescriptionSummary"]["StreamStatus"]
        if status not in ("ACTIVE", "UPDATING"):
            raise DmsError(f"stream {self._name}: is {status}, not ACTIVE; wait for it or create it")

    def put(self, records: Sequence[Record], threads: int = 0) -> None:
        """Return when the stream has confirmed every record. A refused record is sent again behind its
        followers, so records may change places, as the service allows; with threads only the records of
        one partition key keep their order. Raises Stopped, or DmsError for a record that it never takes."""
        if self._interleaved:
            with self._lock:
                records = interleaved(records, self._random)
        if threads < 2 or len(records) < 2:
            self._put_in_order(records)
            return
        lanes: list[list[Record]] = [[] for _ in range(threads)]
        for record in records:
            lanes[zlib.crc32(record.partition_key.encode()) % threads].append(record)
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self._put_in_order, lanes):
                pass

    def _put_in_order(self, records: Sequence[Record]) -> None:
        waiting = deque(records)
        delay = _FIRST_DELAY_SECONDS
        while waiting:
            batch = self._take(waiting)
            refused = self._send(batch)
            if not refused:
                delay = _FIRST_DELAY_SECONDS
                continue
            waiting.extend(refused)
            with self._lock:
                self.counts.retries += len(refused)
            self._wait(delay * self._random.uniform(0.5, 1.0))
            delay = min(delay * 2, _LONGEST_DELAY_SECONDS)

    def _take(self, waiting: deque[Record]) -> list[Record]:
        batch: list[Record] = []
        size = 0
        while waiting and len(batch) < MAX_RECORDS:
            record = waiting[0]
            length = len(record.data) + len(record.partition_key.encode())
            if length > MAX_RECORD_BYTES:
                raise DmsError(
                    f"table {record.table}: a record of {length} bytes is more than the {MAX_RECORD_BYTES} that "
                    "Kinesis takes; lower TaskSettings.TargetMetadata.LobMaxSize (KB) so that it is cut, or "
                    "exclude the table, then start again"
                )
            if batch and size + length > MAX_REQUEST_BYTES:
                break
            size += length
            batch.append(waiting.popleft())
        return batch

    def _send(self, batch: list[Record]) -> list[Record]:
        """Send once; the records that the stream did not take."""
        sent, withheld = self._withhold(batch)
        if not sent:
            return withheld
        entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in sent]
        try:
            answer = self._kinesis.put_records(StreamName=self._name, Records=entries)
        except ClientError as error:
            if not _is_retryable(error):
                raise DmsError(_refusal(self._name, error)) from error
            return batch
        except (HTTPClientError, EndpointError) as error:
            log(f"stream {self._name}: no answer ({_brief(error)}), trying again")
            return batch
        except BotoCoreError as error:
            raise DmsError(f"stream {self._name}: {error}") from error
        refused = self._refused(sent, answer["Records"])
        if self._lost_reply_rate and self._chance(self._lost_reply_rate):
            return batch
        return [*refused, *withheld]

    def _chance(self, rate: float) -> bool:
        with self._lock:
            return self._random.random() < rate

    def _withhold(self, batch: list[Record]) -> tuple[list[Record], list[Record]]:
        if not self._failure_rate:
            return batch, []
        with self._lock:
            fates = [self._random.random() < self._failure_rate for _ in batch]
        sent = [record for record, fails in zip(batch, fates, strict=True) if not fails]
        return sent, [record for record, fails in zip(batch, fates, strict=True) if fails]

    def _refused(self, sent: list[Record], results: Sequence[dict[str, Any]]) -> list[Record]:
        refused = []
        with self._lock:
            for record, result in zip(sent, results, strict=True):
                if result.get("ErrorCode"):
                    refused.append(record)
                else:
                    self.counts.sequence_numbers[result["ShardId"]] = result["SequenceNumber"]
            self.counts.records += len(sent) - len(refused)
        return refused


def interleaved(records: Sequence[Record], chance: random.Random) -> list[Record]:
    """The records in another order: at random, but those of one partition key as they were."""
    lanes: dict[str, deque[Record]] = {}
    for record in records:
        lanes.setdefault(record.partition_key, deque()).append(record)
    keys = [record.partition_key for record in records]
    chance.shuffle(keys)
    return [lanes[key].popleft() for key in keys]


def _is_retryable(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error.response["Error"]["Code"] in _RETRYABLE


def _refusal(name: str, error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code == "ResourceNotFoundException":
        return f"stream {name}: does not exist; create it or set --stream"
    return f"stream {name}: {code}: {error.response['Error'].get('Message', '')}".strip()


def _brief(error: Exception) -> str:
    return type(error).__name__
