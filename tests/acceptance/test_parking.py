"""With the real daemon: a shard that parks too much holds, says so, goes on by itself and when it is allowed to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local import stack as local_stack
from local.running import Options
from local.stack import WORKER
from tests.acceptance.conftest import SMALL_SHOP
from tests.acceptance.live import Live, wait_for

LIMIT, WINDOW_SECONDS = 5, 20
BAD = 24
CANARY = "canary-7F3A"


def events(live: Live) -> list[dict[str, Any]]:
    """What the worker has logged."""
    lines = live.stack.processes.log_path(WORKER).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def held(live: Live) -> list[dict[str, Any]]:
    return [event for event in events(live) if event["event"] == "shard_held"]


@pytest.mark.long
def test_a_shard_that_parks_too_much_holds_and_loses_nothing(
    start_stack: Callable[[Options], Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "NEARVIEW_PARKED_LIMIT": str(LIMIT),
        "NEARVIEW_PARKED_WINDOW_SECONDS": str(WINDOW_SECONDS),
        "NEARVIEW_BATCH_RECORDS": "4",
    }
    monkeypatch.setattr(local_stack, "FAST_WORKER", {**local_stack.FAST_WORKER, **settings})
    live = start_stack(Options(orders=SMALL_SHOP, shards=1))

    records = [{"Data": f"{CANARY}-{number}".encode(), "PartitionKey": "x"} for number in range(BAD)]
    live.running.ministack.client("kinesis").put_records(StreamName=live.running.storage.stream, Records=records)

    wait_for("the shard to hold", lambda: bool(held(live)))
    assert 0 < len(live.parked()) < BAD
    wait_for("it to go on by itself, and to hold again", lambda: len(held(live)) > 1)
    assert LIMIT < len(live.parked()) < BAD
    live.nearview("parked", "allow", "--all-shards", "--for", "1h")
    wait_for("all of them to be parked", lambda: len(live.parked()) == BAD)
    live.wait_until_quiet()

    assert {item.reason for item in live.parked()} == {"not_json"}
    assert all(item.sealed.startswith("kms:") for item in live.parked())
    assert CANARY not in live.stack.processes.log_path(WORKER).read_text()
    listed = json.loads(live.nearview("parked", "list", "--json"))
    assert CANARY not in json.dumps(listed)
    first = listed["records"][0]["id"]
    assert CANARY in live.nearview("parked", "show", first, "--show-payload")
    live.assert_right(live.parked())
