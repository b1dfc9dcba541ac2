"""A table that takes nothing for a while: memory stays bounded, the worker lives, and only what must wait does."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.keys import DOCUMENT_SK, document_pk
from tests.worker.dms_records import change
from tests.worker.supervisor.real_worker import Stage, Worker, wait_for

Start = Callable[..., Worker]
MAPPING = "aggregate: user\nsource: app.users\nkey: user_id\nfields: [user_id, number, text]\n"
ENDS = ("0", str(2**128 - 1))
"""A hash key of the first shard and one of the last."""

USERS = 3000
TEXT = "x" * 3000
THROTTLED_SECONDS = 75.0
"""Longer than a shard may stand still before health says so, and far longer than NEARVIEW_HANG_SECONDS here."""

CHILD_MEGABYTES, DAEMON_MEGABYTES = 250, 800


@pytest.fixture
def worker(stage: Stage, start_worker: Start, tmp_path: Path) -> Worker:
    """A worker with nearview's own children, on a mapping of one table."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "user.yaml").write_text(MAPPING, encoding="utf-8")
    return start_worker(
        "w1",
        module="worker.supervisor",
        NEARVIEW_MAPPINGS=str(tmp_path / "mappings"),
        NEARVIEW_HANG_SECONDS="10",
    )


def send(stage: Stage, users: list[tuple[str, int]], hash_key: str) -> None:
    """A change of each of these users, with its number, to the shard of the hash key."""
    for start in range(0, len(users), 400):
        records = [
            {
                "Data": json.dumps(_change(user, number)).encode(),
                "PartitionKey": user,
                "ExplicitHashKey": hash_key,
            }
            for user, number in users[start : start + 400]
        ]
        answer = stage.kinesis.put_records(StreamName=f"{stage.name}-changes", Records=records)
        assert answer["FailedRecordCount"] == 0


def _change(user: str, number: int) -> dict[str, Any]:
    row = {"user_id": user, "number": str(number), "text": TEXT}
    return change("update", "app.users", row, {"user_id": user}, position=number + 1)


def number_of(stage: Stage, user: str) -> int:
    """The number in a user's document, 0 without one."""
    key = {"pk": {"S": document_pk("user", user)}, "sk": {"S": DOCUMENT_SK}}
    answer = stage.dynamodb.get_item(TableName=f"{stage.name}-documents", Key=key, ConsistentRead=True)
    return int(answer.get("Item", {}).get("number", {}).get("S", "0"))


def numbers(stage: Stage) -> Counter[str]:
    """How many documents have each number."""
    pages = stage.dynamodb.get_paginator("scan").paginate(
        TableName=f"{stage.name}-documents",
        ProjectionExpression="#n",
        ExpressionAttributeNames={"#n": "number"},
        ConsistentRead=True,
    )
    return Counter(item["number"]["S"] for page in pages for item in page["Items"] if item)


def megabytes(worker: Worker, word: str) -> list[float]:
    """Resident memory of the worker's processes with that word in their command."""
    found = [process for process in worker.descendants() if word in " ".join(process.cmdline())]
    return [process.memory_info().rss / 1e6 for process in found]


@pytest.mark.long
def test_memory_is_bounded_and_the_worker_lives_while_tables_take_nothing(
    stage: Stage, worker: Worker, throttled: Path
) -> None:
    users = [(f"u{number}", 1) for number in range(USERS)]
    send(stage, users[:1], ENDS[0])
    wait_for("the first document", lambda: number_of(stage, "u0") == 1)

    throttled.write_text(f"{stage.name}-rows {stage.name}-documents", encoding="utf-8")
    for number in range(2, 12):
        for half, hash_key in enumerate(ENDS):
            send(stage, [(user, number) for user, _ in users[half::2]], hash_key)
    most = {"worker.child": 0.0, "MultiLangDaemon": 0.0}

    def looked() -> bool:
        """Look once more at what must hold all the time."""
        for word in most:
            most[word] = max(most[word], *megabytes(worker, word))
        assert worker.get("/livez")[0] == 200
        assert "nearview_checkpoint_age_seconds" in worker.get("/metrics")[1]
        time.sleep(1.0)
        return time.monotonic() > until

    until = time.monotonic() + THROTTLED_SECONDS
    wait_for("health to say so", lambda: looked() and "has not advanced" in worker.get("/healthz")[1])
    assert worker.get("/healthz")[0] == 503
    print(f"most memory, MB: {most}")  # noqa: T201 - shown with -s
    assert most["worker.child"] < CHILD_MEGABYTES
    assert most["MultiLangDaemon"] < DAEMON_MEGABYTES

    throttled.unlink()
    wait_for("all documents", lambda: numbers(stage) == {"11": USERS}, moves=lambda: sorted(numbers(stage).items()))
    wait_for("green health", lambda: worker.get("/healthz")[0] == 200)
    assert len(worker.events("daemon_started")) == 1
    assert worker.events("child_hung") == worker.events("child_died") == []


@pytest.mark.long
def test_what_is_throttled_for_one_shard_stops_no_other(stage: Stage, worker: Worker, throttled: Path) -> None:
    """As a hot partition does: one row of the first shard cannot be written."""
    send(stage, [("slow", 1)], ENDS[0])
    send(stage, [("other", 1)], ENDS[1])
    wait_for("both documents", lambda: number_of(stage, "slow") == number_of(stage, "other") == 1)

    throttled.write_text("app.users#slow user#slow", encoding="utf-8")
    send(stage, [("slow", 2), ("behind", 2)], ENDS[0])
    wait_for("the shard to wait", lambda: worker.events("store_retried"))
    for number in range(2, 30):
        send(stage, [("other", number)], ENDS[1])
        wait_until_other_is(stage, number)
    assert number_of(stage, "behind") == 0, "order is kept in a shard"

    throttled.unlink()
    wait_for("the document that had to wait", lambda: number_of(stage, "slow") == 2)
    assert number_of(stage, "behind") == 2
    assert len(worker.events("daemon_started")) == 1


def wait_until_other_is(stage: Stage, number: int) -> None:
    """Return when the other shard's document has that number."""
    wait_for("the other shard's document", lambda: number_of(stage, "other") == number)
