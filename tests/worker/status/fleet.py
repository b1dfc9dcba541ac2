"""A stream of two shards in MiniStack, its leases, and the pipelines of two children; only the daemon is missing."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change
from tests.worker.supervisor.real_worker import create_lease_tables
from worker.cli import main
from worker.compose import build_pipeline
from worker.log import Log
from worker.pipeline import Pipeline
from worker.records.stream import StreamRecord
from worker.settings import Settings, parse
from worker.watermark.telling import make_publisher

CANARY = "canary-7F3A"
BEAT = "shop.beat"
MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note, total: {type: decimal}]
many:
  lines: {source: shop.lines, key: [order_id, line_no], join: order_id, order_by: line_no, fields: [line_no]}
"""
SHARDS = ("shardId-000000000000", "shardId-000000000001")
HALF = 1 << 127


class Fleet:
    """What stands in the tables is written by the worker's own code."""

    def __init__(self, ministack: MiniStack, tables: Tables, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables = tables
        self.name = f"seeing-{tables.rows[-8:]}"
        self.dynamodb, self.kinesis = ministack.client("dynamodb"), ministack.client("kinesis")
        (folder / "order.yaml").write_text(MAPPING)
        environment = {
            **ministack.environment(),
            **tables.environment(),
            "NEARVIEW_MAPPINGS": str(folder),
            "NEARVIEW_APPLICATION": self.name,
            "NEARVIEW_STREAM": self.name,
            "NEARVIEW_HEARTBEAT_TABLE": BEAT,
        }
        for name, value in {**environment, "COLUMNS": "200"}.items():
            monkeypatch.setenv(name, value)
        self.settings: Settings = parse(environment)
        create_lease_tables(self.dynamodb, self.name)
        self.kinesis.create_stream(StreamName=self.name, ShardCount=2)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})
        self.log = Log("error", io.StringIO())
        self.pipelines: dict[str, Pipeline] = {}
        self.now = int(time.time() * 1_000_000)
        self._position = 100

    def close(self) -> None:
        """Leave nothing behind."""
        self.kinesis.delete_stream(StreamName=self.name)
        for suffix in ("", "-CoordinatorState", "-WorkerMetricStats"):
            self.dynamodb.delete_table(TableName=self.name + suffix)

    def put(self, shard: int, *payloads: dict[str, Any], partition_key: str = "key", read: bool = True) -> None:
        """Records of a shard, which its worker makes durable and checkpoints, or leaves."""
        records = []
        for payload in payloads:
            data = json.dumps(payload).encode()
            answer = self.kinesis.put_record(
                StreamName=self.name, Data=data, PartitionKey="key", ExplicitHashKey=str(shard * HALF)
            )
            number = answer["SequenceNumber"]
            records.append(StreamRecord(SHARDS[shard], number, 0, partition_key, data, self.now // 1000))
        if read:
            if SHARDS[shard] not in self.pipelines:
                self.pipelines[SHARDS[shard]] = build_pipeline(self.settings, SHARDS[shard], self.log)
            self.pipelines[SHARDS[shard]].process(records)
            self.lease(shard, records[-1].sequence_number)

    def lease(self, shard: int, checkpoint: str = "TRIM_HORIZON", owner: str = "host.1") -> None:
        """As KCL has it."""
        row = {
            "leaseKey": {"S": SHARDS[shard]},
            "leaseCounter": {"N": "1"},
            "checkpoint": {"S": checkpoint},
            "checkpointSubSequenceNumber": {"N": "0"},
            "startingHashKey": {"S": str(shard * HALF)},
            "endingHashKey": {"S": str((shard + 1) * HALF - 1)},
        }
        self.dynamodb.put_item(TableName=self.name, Item=row | ({"leaseOwner": {"S": owner}} if owner else {}))

    def lead(self, owner: str = "host.1") -> None:
        """That worker holds the lock, and has reported."""
        lock = {"key": {"S": "Leader"}, "ownerName": {"S": owner}, "recordVersionNumber": {"S": "1"}}
        self.dynamodb.put_item(TableName=f"{self.name}-CoordinatorState", Item=lock)
        report = {"wid": {"S": owner}, "lut": {"N": str(int(time.time()))}}
        self.dynamodb.put_item(TableName=f"{self.name}-WorkerMetricStats", Item=report)

    def order(self, key: int, operation: str = "insert", **metadata: Any) -> dict[str, Any]:
        """A change of an order, committed now."""
        data = {"order_id": key, "note": CANARY, "total": 12.5}
        return change(operation, "shop.orders", data, {} if operation == "update" else None, **self._now(), **metadata)

    def line(self, key: int, number: int) -> dict[str, Any]:
        """A line of an order."""
        return change("insert", "shop.lines", {"order_id": key, "line_no": number}, None, **self._now())

    def beat(self) -> dict[str, Any]:
        """A heartbeat."""
        return change("update", BEAT, {"id": 1, "beat": "x"}, {}, **self._now())

    def status_row(self, status: str) -> dict[str, Any]:
        """A row of DMS's status table; its partition key is `.awsdms_status`."""
        now = self._now()
        return change("update", ".awsdms_status", {"task_status": status}, None, timestamp=now["timestamp"])

    def _now(self) -> dict[str, Any]:
        self.now += 1000
        self._position += 1
        moment = datetime.fromtimestamp(self.now / 1_000_000, UTC).isoformat(timespec="microseconds")
        text = moment.replace("+00:00", "Z")
        return {"position": self._position, "commit_timestamp": text, "timestamp": text}

    def load_all(self) -> None:
        """A load that DMS says is over, then a heartbeat in every shard."""
        for shard in range(2):
            self.lease(shard)
        self.put(0, self.status_row("FULL LOAD"), partition_key=".awsdms_status")
        self.put(0, self.order(1, "load"), self.line(1, 1))
        self.put(0, self.status_row("CHANGE PROCESSING"), partition_key=".awsdms_status")
        self.lead()
        self.beat_all()

    def beat_all(self) -> None:
        """A heartbeat in every shard, told at once."""
        for shard in range(2):
            self.put(shard, self.beat())
            progress = self.pipelines[SHARDS[shard]]._progress
            assert progress is not None
            progress._next_save = 0.0
            self.pipelines[SHARDS[shard]]._store.drive(progress.save())

    def publish(self) -> dict[str, int]:
        """What the supervisor's thread does; by table the commit time up to which it is complete."""
        publisher = make_publisher(self.settings, self.log)
        publisher._period_millis = 0  # it is always its turn
        assert publisher.go()
        return {table: found.mark.commit_micros for table, found in publisher.complete.items()}


def run(*arguments: str) -> Result:
    """The program, with the settings of the environment."""
    return CliRunner().invoke(main, list(arguments))
