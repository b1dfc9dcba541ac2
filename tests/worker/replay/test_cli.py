"""`nearview replay` as a user runs it: what it shows, changes, refuses and gives back; and beside the workers."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
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
from worker.records.stream import StreamRecord
from worker.replay.plan import Position
from worker.replay.request import instant
from worker.replay.updates import position_of
from worker.settings import parse

CANARY = "canary-7F3A"
MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note]
many:
  lines: {source: shop.lines, key: id, join: order_id, fields: [id]}
"""
SHARD = "shardId-000000000000"
OTHER = "shardId-000000000001"
TOP = str(2**128 - 1)


class Fleet:
    """A stream of two shards, its leases, and what workers had made of its records."""

    def __init__(self, ministack: MiniStack, tables: Tables, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables, self.folder = tables, folder
        self.name = f"replaycli-{tables.rows[-8:]}"
        self.dynamodb, self.kinesis = ministack.client("dynamodb"), ministack.client("kinesis")
        (folder / "order.yaml").write_text(MAPPING)
        self.environment = {
            **ministack.environment(),
            **tables.environment(),
            "AWS_REGION": "eu-west-1",
            "NEARVIEW_MAPPINGS": str(folder),
            "NEARVIEW_APPLICATION": self.name,
            "NEARVIEW_STREAM": self.name,
        }
        for name, value in {**self.environment, "COLUMNS": "160"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        create_lease_tables(self.dynamodb, self.name)
        self.kinesis.create_stream(StreamName=self.name, ShardCount=2)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.name, WaiterConfig={"Delay": 1})
        self.numbers: list[str] = []

    def put(self, *payloads: dict[str, Any]) -> None:
        """Records of the first shard, which the workers use and checkpoint."""
        records = []
        for payload in payloads:
            data = json.dumps(payload).encode()
            done = self.kinesis.put_record(StreamName=self.name, Data=data, PartitionKey="k", ExplicitHashKey="0")
            self.numbers.append(done["SequenceNumber"])
            records.append(StreamRecord(SHARD, done["SequenceNumber"], 0, "k", data, 0))
        build_pipeline(parse(self.environment), SHARD, Log("error", io.StringIO())).process(records)
        self.lease(SHARD, self.numbers[-1])

    def lease(self, shard: str, checkpoint: str) -> None:
        row = {
            "leaseKey": {"S": shard},
            "leaseOwner": {"S": "worker.1"},
            "leaseCounter": {"N": "5"},
            "checkpoint": {"S": checkpoint},
            "checkpointSubSequenceNumber": {"N": "0"},
        }
        self.dynamodb.put_item(TableName=self.name, Item=row)

    def rows(self) -> dict[str, dict[str, Any]]:
        items = self.dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        return {item["leaseKey"]["S"]: item for item in items}

    def position(self, shard: str = SHARD) -> Position:
        return position_of(self.rows()[shard])

    def replay(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["replay", *arguments])

    def json(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        result = self.replay(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refusal(self, *arguments: str) -> str:
        result = self.replay(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1
        return result.stderr


def orders(first: int, last: int) -> list[dict[str, Any]]:
    return [
        change("insert", "shop.orders", {"order_id": key, "note": f"{CANARY} {key}"}, None, key)
        for key in range(first, last + 1)
    ]


@pytest.fixture
def fleet(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    found = Fleet(ministack, tables, tmp_path, monkeypatch)
    found.put(*orders(1, 5))
    found.lease(OTHER, "TRIM_HORIZON")
    yield found
    found.kinesis.delete_stream(StreamName=found.name)


def test_a_dry_run_says_where_it_would_start_and_changes_nothing(fleet: Fleet) -> None:
    before = fleet.rows()

    found = fleet.json("--from-start", "--dry-run")
    shown = fleet.replay("--from-start", "--dry-run")

    assert fleet.rows() == before
    (shard,) = found["shards"]
    assert (shard["shard"], shard["lease"], shard["start"]["checkpoint"]) == (SHARD, "reset", "TRIM_HORIZON")
    assert shard["first_record"] == fleet.numbers[0]
    assert (shard["records"]["records"], shard["records"]["exact"]) == (5, True)
    assert found["left"] == {OTHER: "its worker has not come so far yet"}
    assert found["lag_seconds"] >= 0
    assert shown.exit_code == 0
    assert "5 records, 0.0 MB: all of them counted" in shown.stdout
    assert shown.stdout.endswith("nothing is changed\n")
    assert list(fleet.folder.glob("*.json")) == []
    assert CANARY not in shown.stdout + json.dumps(found)


def test_without_a_yes_nothing_is_changed(fleet: Fleet) -> None:
    before = fleet.rows()

    assert fleet.replay("--from-start").exit_code == 1
    assert fleet.json("--from-start", exit_code=1)["shards"]
    assert (fleet.rows(), list(fleet.folder.glob("*.json"))) == (before, [])


def test_a_replay_is_begun_looked_at_and_undone(fleet: Fleet) -> None:
    old = fleet.position()
    number = fleet.numbers[2]
    started = fleet.json("--from-sequence", f"{SHARD}={number}", "--yes", "--backup", "b.json")
    assert started["saved"]["leases"][0]["undo"] == {"checkpoint": old.checkpoint, "sub": 0}
    assert "leaseOwner" not in fleet.rows()[SHARD]
    assert fleet.position() == Position(number, -1)
    assert fleet.position(OTHER) == Position("TRIM_HORIZON")

    assert fleet.json("status", "b.json", exit_code=1)["shards"][0]["state"] == "waiting"
    fleet.lease(SHARD, fleet.numbers[3])
    (shard,) = fleet.json("status", "b.json", exit_code=1)["shards"]
    assert (shard["state"], shard["owner"]) == ("reading", "worker.1")

    assert fleet.json("undo", "b.json", "--dry-run")["would_set"] == {SHARD: old.checkpoint}
    assert fleet.json("undo", "b.json", exit_code=1)["set"] == {}
    assert fleet.position().checkpoint == fleet.numbers[3]
    assert fleet.json("undo", "b.json", "--yes")["set"] == {SHARD: True}
    assert fleet.position() == old
    assert fleet.json("status", "b.json")["done"]
    assert "is there already" in fleet.refusal("--from-start", "--yes", "--backup", "b.json")


def test_a_time_begins_at_its_first_record(fleet: Fleet) -> None:
    time.sleep(0.05)
    moment = time.time()
    fleet.put(*orders(6, 8))

    fleet.json("--from-timestamp", instant(int(moment * 1000)), "--yes", "--backup", "b.json")

    assert fleet.position() == Position(fleet.numbers[5], -1)


def test_a_lease_of_an_expired_shard_is_said_and_stays(fleet: Fleet) -> None:
    fleet.lease("shardId-000000000009", "SHARD_END")

    found = fleet.json("--from-start", "--yes")

    assert found["expired"] == ["shardId-000000000009"]
    assert fleet.position("shardId-000000000009") == Position("SHARD_END")
    assert Path(found["backup"]).name.startswith(f"nearview-replay-{fleet.name}-20")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from-timestamp", "2d"], "keeps records for 1 d 0 h, so those from"),
        (["--from-start", "--shard", "x"], "no shard x in the stream"),
        (["--from-start", "--from-timestamp", "1h"], "give one of --from-start, --from-timestamp and --from-sequence"),
        (["--from-start", "--table", "shop.orders"], "--table goes only with --beside"),
        (["--from-start", "--beside", "--wait"], "--wait goes not with --beside"),
        (["--from-start", "--beside", "--key", "1"], "--key needs the one --table that it is a key of"),
        (["--from-start", "--beside", "--to-sequence", "x=1"], "no shard x in the stream"),
        (["--from-start", "--beside", "--table", "shop.none"], "no mapping uses the table shop.none"),
        (["status", "none.json"], "the backup none.json cannot be read: FileNotFoundError"),
    ],
)
def test_what_cannot_be_done_is_one_line(fleet: Fleet, arguments: list[str], says: str) -> None:
    before = fleet.rows()

    assert says in fleet.refusal(*arguments)
    assert fleet.rows() == before


def test_from_before_the_horizon_of_tombstones_it_is_refused(fleet: Fleet) -> None:
    client, table = fleet.tables.client, fleet.tables.rows
    horizon = {"pk": {"S": "#horizon"}, "sk": {"S": "#"}, "from": {"S": "2999-01-01T00:00:00Z"}}
    client.put_item(TableName=table, Item=horizon)
    before = fleet.rows()

    for arguments in (["--yes"], ["--dry-run"], ["--beside"]):
        assert "tombstones from before 2999-01-01T00:00:00Z may be gone" in fleet.refusal("--from-start", *arguments)
    assert fleet.rows() == before

    client.put_item(TableName=table, Item=horizon | {"from": {"S": "2020-01-01T00:00:00Z"}})
    assert fleet.replay("--from-start", "--dry-run").exit_code == 0
    client.put_item(TableName=table, Item=horizon | {"from": {"S": "soon"}})
    assert "the item #horizon has no time" in fleet.refusal("--from-start", "--dry-run")


def test_a_backup_of_another_application_is_refused(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.json("--from-start", "--yes", "--backup", "b.json")
    monkeypatch.setenv("NEARVIEW_STREAM", "other")

    assert f"b.json is of {fleet.name} on {fleet.name} in eu-west-1, the settings are not" in fleet.refusal(
        "undo", "b.json"
    )


def test_beside_the_workers_unchanged_data_costs_reads_and_no_writes(fleet: Fleet) -> None:
    before = fleet.rows()

    found = fleet.json("--beside", "--from-start")

    assert fleet.rows() == before
    assert (found["records"], found["changes"], found["documents_unchanged"]) == (5, 5, 5)
    assert not {name for name in found if "written" in name or name.startswith("write_units")}
    assert found["read_units_rows"] > 0
    assert "this replay is done: give --restart" in fleet.refusal("--beside", "--from-start")
    assert fleet.json("--beside", "--from-start", "--restart")["records"] == 5


def test_beside_the_workers_a_lost_document_comes_back_and_no_other_is_touched(fleet: Fleet) -> None:
    for key in ("2", "3"):
        fleet.tables.client.delete_item(
            TableName=fleet.tables.documents, Key={"pk": {"S": f"order#{key}"}, "sk": {"S": "#"}}
        )

    found = fleet.json("--beside", "--from-start", "--table", "shop.orders", "--key", "2")

    assert (found["records"], found["records_taken"], found["documents_written"]) == (5, 1, 1)
    document = fleet.tables.document("order", "2")
    assert document is not None
    assert document["note"] == {"S": f"{CANARY} 2"}
    assert fleet.tables.document("order", "3") is None
    assert CANARY not in (fleet.folder / "nearview-replay-beside.json").read_text()


def test_beside_the_workers_an_old_record_changes_nothing_back_and_what_cannot_be_used_is_not_parked_again(
    fleet: Fleet,
) -> None:
    fleet.put(change("update", "shop.orders", {"order_id": 1, "note": "new"}, {"order_id": 1}, 100))
    fleet.kinesis.put_record(StreamName=fleet.name, Data=CANARY.encode(), PartitionKey="k", ExplicitHashKey="0")

    result = fleet.replay("--beside", "--from-start", "--to-sequence", f"{SHARD}={fleet.numbers[4]}")

    assert result.exit_code == 0, result.output
    document = fleet.tables.document("order", "1")
    assert document is not None
    assert document["note"] == {"S": "new"}
    assert "5 records read, 5 of them used" in result.stdout
    found = fleet.json("--beside", "--from-start", "--state", "other.json")
    assert (found["records"], found["records_unreadable"]) == (7, 1)
    assert {item["pk"]["S"] for item in fleet.tables.items(fleet.tables.parked)} == {"drift"}


def test_beside_the_workers_a_dry_run_counts(fleet: Fleet) -> None:
    found = fleet.json("--beside", "--from-start", "--dry-run")

    assert found["shards"] == {SHARD: {"first": fleet.numbers[0], "records": 5}}
    assert "5 records up to now, filters not considered" in fleet.replay("--beside", "--from-start", "--dry-run").stdout
