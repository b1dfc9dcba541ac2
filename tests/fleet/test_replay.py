"""A replay on a live fleet with the real daemon, back beyond a split; and what happens with half of a reset."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.load import KEYS, Load
from tests.worker.supervisor.real_worker import Stage, Worker, wait_for
from worker.replay.plan import Position
from worker.replay.updates import reset

Start = Callable[..., Worker]


def replay(stage: Stage, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """`nearview replay --json` with the settings of the stage."""
    environment = {
        **stage.ministack.environment(),
        **stage.settings(),
        "PATH": "",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "worker.cli", "replay", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == exit_code, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def last_times(texts: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of each key in the order of the last time that each was processed."""
    last = {text: at for at, text in enumerate(texts)}
    found: dict[str, list[int]] = {}
    for text in sorted(last, key=last.__getitem__):
        key, _, number = text.partition("-")
        found.setdefault(key, []).append(int(number))
    return found


@pytest.mark.long
def test_a_live_fleet_goes_back_beyond_a_split_and_reads_parents_before_children(
    stage: Stage, start_worker: Start, load: Load, tmp_path: Path
) -> None:
    stream = f"{stage.name}-changes"
    worker = start_worker("w1")
    load.passed([worker])
    parent, _ = stage.kinesis.list_shards(StreamName=stream)["Shards"]
    mark = len(load.sent)
    load.passed([worker])
    children = {child["ShardId"] for child in stage.split(parent)}
    load.passed([worker])
    # KCL deletes the lease of a shard that has ended after some minutes: here it has happened
    stage.dynamodb.delete_item(TableName=f"{stage.name}-worker", Key={"leaseKey": {"S": parent["ShardId"]}})

    first = _number_of(stage, parent["ShardId"], load.sent[mark : mark + KEYS])
    path = str(tmp_path / "backup.json")
    planned = replay(stage, "--from-sequence", f"{parent['ShardId']}={first}", "--dry-run")["shards"]
    assert [(shard["shard"], shard["lease"]) for shard in planned] == [
        (parent["ShardId"], "made"),
        *((child, "reset") for child in sorted(children)),
    ]
    before = len(worker.noted())
    replay(stage, "--from-sequence", f"{parent['ShardId']}={first}", "--yes", "--backup", path)
    wait_for("the end of the replay", lambda: _is_done(stage, path))
    load.passed([worker])

    sent = set(load.end())
    wait_for("everything processed", lambda: sent <= set(worker.noted()), lambda: len(sent & set(worker.noted())))
    # to see the end, ask for what came last once more
    again = set(worker.noted()[before:])
    of_the_parent = {text for text in load.sent[mark:] if text.partition("-")[0] in _keys_of(worker, parent, children)}
    assert of_the_parent <= again, "records that were asked for were not read again"
    assert all(numbers == sorted(numbers) for numbers in last_times(worker.noted()).values())
    assert replay(stage, "status", path)["done"]
    assert worker.events("child_died") == []
    assert worker.stop() == 0


def _keys_of(worker: Worker, parent: dict[str, Any], children: set[str]) -> set[str]:
    """Keys whose records came to the parent or its children."""
    lines = (worker.folder / "noted").read_text(encoding="utf-8").splitlines()
    found = {
        text.partition("-")[0] for _, shard, text in map(str.split, lines) if shard in {parent["ShardId"], *children}
    }
    assert found
    return found


def _number_of(stage: Stage, shard: str, texts: Sequence[str]) -> str:
    """The sequence number of the first of these records in a shard."""
    iterator = stage.kinesis.get_shard_iterator(
        StreamName=f"{stage.name}-changes", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = stage.kinesis.get_records(ShardIterator=iterator)["Records"]
    return str(next(record["SequenceNumber"] for record in records if record["Data"].decode() in texts))


def _is_done(stage: Stage, path: str) -> bool:
    try:
        return bool(replay(stage, "status", path)["done"])
    except AssertionError:  # exit code 1: not yet
        return False


@pytest.mark.long
def test_of_a_reset_that_leaves_the_owner_its_lease_nothing_is_left(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    """The broken variant on the real thing: the daemon's next checkpoint overwrites it, and nothing is read again."""
    worker = start_worker("w1")
    load.passed([worker])
    shard = stage.leases()[0]["leaseKey"]["S"]
    values = reset(Position("TRIM_HORIZON")).values
    stage.dynamodb.update_item(
        TableName=f"{stage.name}-worker",
        Key={"leaseKey": {"S": shard}},
        UpdateExpression="SET checkpoint = :checkpoint, checkpointSubSequenceNumber = :sub",
        ExpressionAttributeValues={name: values[name] for name in (":checkpoint", ":sub")},
    )

    load.passed([worker])
    load.passed([worker])

    rows = {row["leaseKey"]["S"]: row["checkpoint"]["S"] for row in stage.leases()}
    assert rows[shard].isdigit()
    assert set(load.assert_all_processed([worker]).values()) == {1}
