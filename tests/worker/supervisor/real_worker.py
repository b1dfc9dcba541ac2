"""A worker with the real daemon on MiniStack: tables and a stream of its own, and no process left afterwards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from local.ministack import MiniStack
from local.processes import free_port

ROOT = Path(__file__).parents[3]
SHARDS = 2
PATIENCE_SECONDS = 180.0
"""For how long nothing may move. It ends a test that can no longer come to its end and decides nothing else: KCL itself
waits for 50 seconds and more, and the machine may be busy with other things."""
NOTING = "tests.worker.supervisor.noting_supervisor"
FAST = {
    "NEARVIEW_FAILOVER_MILLIS": "2000",
    "NEARVIEW_LEASE_ASSIGNMENT_MILLIS": "1000",
    "NEARVIEW_POLL_MILLIS": "250",
    "NEARVIEW_SHUTDOWN_GRACE_SECONDS": "10",
}
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], moves: Callable[[], object] = lambda: None) -> T:
    """The first true answer of `look`. As long as `moves` answers something new, there is progress, however slow.

    What `moves` tells must be a step toward what is waited for, or a worker that goes in circles would be waited for.
    """
    seen, since = moves(), time.monotonic()
    while time.monotonic() < since + PATIENCE_SECONDS:
        if found := look():
            return found
        time.sleep(0.1)
        if (now := moves()) != seen:
            seen, since = now, time.monotonic()
    raise AssertionError(f"waited in vain for {what}; nothing moved since {seen}")


def create_lease_tables(dynamodb: Any, application: str) -> None:
    """The three tables of KCL 3.1, so that the daemon need not wait for its index."""
    text = {"AttributeType": "S"}
    dynamodb.create_table(
        TableName=application,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "leaseKey", **text}, {"AttributeName": "leaseOwner", **text}],
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "LeaseOwnerToLeaseKeyIndex",
                "KeySchema": [
                    {"AttributeName": "leaseOwner", "KeyType": "HASH"},
                    {"AttributeName": "leaseKey", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    for suffix, key in (("CoordinatorState", "key"), ("WorkerMetricStats", "wid")):
        create_table(dynamodb, f"{application}-{suffix}", key)


def create_table(dynamodb: Any, name: str, *keys: str) -> None:
    """An on-demand table with text keys."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
    )


class Stage:
    """What a worker needs on AWS, under names of its own."""

    def __init__(self, ministack: MiniStack, name: str) -> None:
        self.ministack = ministack
        self.name = name
        self.dynamodb = ministack.client("dynamodb")
        self.kinesis = ministack.client("kinesis")
        create_lease_tables(self.dynamodb, f"{name}-worker")
        for table in ("rows", "documents", "parked"):
            create_table(self.dynamodb, f"{name}-{table}", "pk", "sk")
        self.kinesis.create_stream(StreamName=f"{name}-changes", ShardCount=SHARDS)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=f"{name}-changes", WaiterConfig={"Delay": 1})

    def settings(self) -> dict[str, str]:
        """The worker's settings."""
        return {
            "NEARVIEW_APPLICATION": f"{self.name}-worker",
            "NEARVIEW_STREAM": f"{self.name}-changes",
            "NEARVIEW_ROWS_TABLE": f"{self.name}-rows",
            "NEARVIEW_DOCUMENTS_TABLE": f"{self.name}-documents",
            "NEARVIEW_PARKED_TABLE": f"{self.name}-parked",
            "NEARVIEW_HTTP_HOST": "127.0.0.1",
            **FAST,
        }

    def split(self, shard: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Halve a shard, as the stream lists it; its children, the lower one first."""
        stream = f"{self.name}-changes"
        begin, end = (int(shard["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
        middle = str((begin + end) // 2)
        self.kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        children = self.kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        lower, upper = (child for child in children if child.get("ParentShardId") == shard["ShardId"])
        return lower, upper

    def hand_over(self, holder: str, to: str) -> None:
        """Leave all leases as if one worker were handing them over to another."""
        for row in self.leases():
            owners = {"leaseOwner": {"S": to}, "checkpointOwner": {"S": holder}}
            self.dynamodb.put_item(TableName=f"{self.name}-worker", Item=row | owners)

    def put(self, *texts: str) -> dict[str, str]:
        """A record for each text, spread over the shards; the last sequence number of each shard."""
        records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
        answer = self.kinesis.put_records(StreamName=f"{self.name}-changes", Records=records)
        assert answer["FailedRecordCount"] == 0
        return {record["ShardId"]: record["SequenceNumber"] for record in answer["Records"]}

    def wait_checkpointed(self, last: dict[str, str]) -> None:
        """Return when each shard's checkpoint is that sequence number: from there on nobody processes it again."""

        def checkpoints() -> dict[str, str]:
            return {row["leaseKey"]["S"]: row["checkpoint"]["S"] for row in self.leases()}

        wait_for(f"checkpoints at {last}", lambda: checkpoints() == last)

    def leases(self) -> list[dict[str, Any]]:
        """The rows of the lease table."""
        rows: list[dict[str, Any]] = self.dynamodb.scan(TableName=f"{self.name}-worker", ConsistentRead=True)["Items"]
        return rows

    def leader(self) -> dict[str, Any] | None:
        """The leader's lock."""
        answer = self.dynamodb.get_item(
            TableName=f"{self.name}-worker-CoordinatorState", Key={"key": {"S": "Leader"}}, ConsistentRead=True
        )
        item: dict[str, Any] | None = answer.get("Item")
        return item


class Worker:
    """One run of a supervisor, with noting children if not told otherwise."""

    def __init__(self, stage: Stage, folder: Path, name: str = "w1", module: str = NOTING, **environ: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={
                    **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
                    "PYTHONPATH": str(ROOT),
                    **stage.ministack.environment(),
                    **stage.settings(),
                    "TMPDIR": str(folder / "tmp"),
                    "NOTED": str(folder / "noted"),
                    "PARKED": str(folder / "parked"),
                    "NEARVIEW_WORKER_NAME": name,
                    "NEARVIEW_HTTP_PORT": str(self.port),
                    **environ,
                },
            )

    def noted(self) -> list[str]:
        """Data of the records in the order of their processing, repeats included."""
        path = self.folder / "noted"
        return [line.split()[2] for line in path.read_text().splitlines()] if path.exists() else []

    def child_pids(self) -> dict[str, int]:
        """The process that noted last for each shard."""
        lines = (self.folder / "noted").read_text(encoding="utf-8").splitlines()
        return {shard: int(pid) for pid, shard, _ in map(str.split, lines)}

    def wait_noted(self, *texts: str) -> None:
        """Return when all texts were processed."""
        wait_for(f"{texts}; see {self.folder / 'log'}", lambda: set(texts) <= set(self.noted()))

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP request to the supervisor."""
        try:
            with _direct.open(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's events of that name."""
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith('{"time"')]
        return [entry for entry in entries if entry["event"] == name]

    def descendants(self) -> list[psutil.Process]:
        """The daemon and its children."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """Leave no process behind, whatever the test did."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self.descendants():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.kill()
        self.process.wait()
