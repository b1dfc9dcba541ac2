"""`nearview status` on tables and a stream in MiniStack: what it sees, what it says needs somebody, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.status.fleet import CANARY, SHARDS, Fleet, run


@pytest.fixture
def fleet(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(ministack, tables, tmp_path, monkeypatch)
    yield made
    made.close()


def look(*options: str) -> tuple[dict[str, Any], int]:
    result = run("status", "--json", *options)
    assert result.exit_code in (0, 1), result.output
    assert CANARY not in result.output
    return json.loads(result.stdout), result.exit_code


def test_a_fleet_that_has_read_everything_needs_nobody(fleet: Fleet) -> None:
    fleet.load_all()
    complete = fleet.publish()

    found, code = look()

    assert (found["problems"], code) == ([], 0)
    assert complete.keys() == {"shop.orders", "shop.lines"}
    assert [(s["shard"], s["owner"], s["behind_records"], s["behind_exact"]) for s in found["shards"]] == [
        (SHARDS[0], "host.1", 0, True),
        (SHARDS[1], "host.1", 0, True),
    ]
    assert found["leader"] == "host.1"
    assert [(w["worker"], w["shards"]) for w in found["workers"]] == [("host.1", 2)]
    assert {t["table"]: t["complete_up_to"] is not None for t in found["tables"]} == dict.fromkeys(complete, True)


def test_marks_rise_with_heartbeats_alone_and_fall_with_nothing(fleet: Fleet) -> None:
    fleet.load_all()
    first = fleet.publish()
    fleet.beat_all()
    last_beat = fleet.now

    second = fleet.publish()
    fleet.put(0, fleet.order(2))
    third = fleet.publish()

    assert second["shop.orders"] > first["shop.orders"]
    assert second["shop.orders"] <= third["shop.orders"] <= last_beat  # the other shard has not come further


def test_nothing_is_complete_before_every_shard_has_said_something(fleet: Fleet) -> None:
    fleet.lease(0)
    fleet.lease(1)
    fleet.lead()
    fleet.put(0, fleet.order(1), fleet.beat())

    assert fleet.publish() == {}
    found, code = look("--no-stream")

    assert code == 1
    assert any(SHARDS[1] in line and "not said anything" in line for line in found["problems"])
    assert not any(SHARDS[0] in line for line in found["problems"])


def test_a_document_says_up_to_when_it_was_complete(fleet: Fleet) -> None:
    fleet.load_all()
    complete = fleet.publish()
    pipeline = fleet.pipelines[SHARDS[0]]
    pipeline._refreshed = 0.0  # as five seconds later

    changed = fleet.order(1, "update")
    changed["data"]["total"] = 13
    fleet.put(0, changed)

    document = fleet.tables.document("order", "1")
    assert document is not None
    as_of = datetime.fromisoformat(document["_as_of"]["S"])
    assert round(as_of.timestamp() * 1_000_000) == min(complete.values())


def test_what_is_parked_and_who_is_missing_is_said(fleet: Fleet) -> None:
    fleet.load_all()
    fleet.publish()
    without = fleet.order(3, "update")
    del without["before-image"]
    fleet.put(0, without)
    fleet.put(1, fleet.order(4), fleet.order(5), read=False)
    fleet.lease(1, owner="")

    found, code = look()
    by_name = {table["table"]: table for table in found["tables"]}

    assert code == 1
    assert "before image" in by_name["shop.orders"]["parked"]
    assert by_name["shop.orders"]["parked_records"] == 1
    assert any(line.startswith("shop.orders is parked") for line in found["problems"])
    assert "shop.orders: 1 of its records are parked (nearview parked list)" in found["problems"]
    assert f"{SHARDS[1]} has no owner" in found["problems"]
    assert [s["behind_records"] for s in found["shards"]][1] >= 2


def test_a_parked_table_is_not_complete_while_others_go_on(fleet: Fleet) -> None:
    fleet.load_all()
    before = fleet.publish()
    without = fleet.order(3, "update")
    del without["before-image"]
    fleet.put(0, without)
    fleet.beat_all()

    after = fleet.publish()

    assert after["shop.orders"] == before["shop.orders"]
    assert after["shop.lines"] > before["shop.lines"]


def test_the_table_for_people_names_all_of_it(fleet: Fleet) -> None:
    fleet.load_all()
    fleet.publish()

    result = run("status", "--once", "--worker", "http://127.0.0.1:9")

    assert result.exit_code == 1
    for text in ("leader host.1", "shop.orders", "complete up to", "host.1", "http://127.0.0.1:9: does not answer"):
        assert text in result.output


def test_what_cannot_be_looked_at_is_one_line(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARVIEW_APPLICATION", "nobody-has-it")

    result = run("status", "--once")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "nobody-has-it" in result.stderr


def test_parked_documents_need_somebody(fleet: Fleet) -> None:
    fleet.load_all()
    fleet.publish()
    unfit = fleet.order(1, "update")
    unfit["data"]["total"] = "no number"
    fleet.put(0, unfit)

    found, code = look("--no-stream")

    assert (found["parked_documents"], code) == (1, 1)
    assert "parked documents: 1; each keeps an older state (nearview parked list)" in found["problems"]
