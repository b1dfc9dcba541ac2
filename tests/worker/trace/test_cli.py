"""`nearview trace` follows a row and a document, and shows no value unless it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change
from tests.worker.status.fleet import CANARY, Fleet, run


@pytest.fixture
def fleet(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(ministack, tables, tmp_path, monkeypatch)
    made.put(0, made.order(42), made.line(42, 1), made.line(42, 2))
    yield made
    made.close()


def traced(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = run("trace", *arguments, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_row_is_followed_both_ways_and_to_its_documents(fleet: Fleet) -> None:
    order, line = traced("shop.orders", "42"), traced("shop.lines", "42", "1")

    assert (order["state"], order["revision"], order["version"]["record"]) == ("row", 1, 1)
    assert [(e["table"], e["columns"], e["count"], e["keys"]) for e in order["edges_in"]] == [
        ("shop.lines", ["order_id"], 2, ["42|1", "42|2"])
    ]
    assert [(e["parent"], e["key"], e["former"], e["edge"] is not None) for e in line["edges_out"]] == [
        ("shop.orders", "42", False, True)
    ]
    assert [(d["aggregate"], d["key"], d["state"], d["revision"]) for d in line["documents"]] == [
        ("order", "42", "written", 1)
    ]
    assert traced("shop.lines", "42|1") == line


def test_a_missing_edge_is_seen(fleet: Fleet) -> None:
    fleet.dynamodb.delete_item(
        TableName=fleet.tables.rows,
        Key={"pk": {"S": "shop.orders#42"}, "sk": {"S": "shop.lines#order_id#42|1"}},
    )

    assert [edge["edge"] for edge in traced("shop.lines", "42", "1")["edges_out"]] == [None]
    assert "missing" in run("trace", "shop.lines", "42", "1").output


def test_a_document_comes_with_the_rows_it_was_built_from(fleet: Fleet) -> None:
    found = traced("order", "42")

    assert (found["written"]["state"], found["differs"]) == ("written", False)
    assert found["rows"]["table"] == "shop.orders"
    assert [child["key"] for child in found["rows"]["children"]] == ["42|1", "42|2"]
    assert "lines: shop.lines 42|2  row" in run("trace", "order", "42").output


def test_a_parked_document_says_why_and_shows_the_rows_of_now(fleet: Fleet) -> None:
    wrong = fleet.order(42, "update")
    wrong["data"]["total"] = "no number"
    fleet.put(0, wrong)

    found = traced("order", "42")

    assert found["written"]["state"] == "parked"
    assert "total" in found["written"]["parked"]
    assert found["misfits"]


def test_parked_records_of_the_row_are_found_and_no_other(fleet: Fleet) -> None:
    for key in (42, 43):
        poison = fleet.order(key, "update", transaction_record_id=1)
        poison["data"]["note"] = "\ud800"
        fleet.put(0, poison)

    (found,) = traced("shop.orders", "42")["parked"]["records"]

    assert found["reason"] == "bad_value"
    assert traced("shop.orders", "41", code=1)["parked"]["records"] == []


def test_a_deleted_row_and_one_never_seen(fleet: Fleet) -> None:
    gone = change("delete", "shop.lines", {"order_id": 42, "line_no": 1}, None, **fleet._now())
    fleet.put(0, gone)

    assert traced("shop.lines", "42", "1")["state"] == "deleted"
    assert traced("shop.lines", "42", "9", code=1)["state"] == "never seen"


@pytest.mark.parametrize("subject", [("shop.orders", "42"), ("order", "42")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_values_are_shown_only_if_asked_for(fleet: Fleet, subject: tuple[str, ...], form: tuple[str, ...]) -> None:
    assert CANARY not in run("trace", *subject, *form).output
    assert CANARY in run("trace", *subject, *form, "--show-values").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ordr", "42"), "ordr is neither an aggregate nor a table of the mappings: order, shop.lines, shop.orders"),
        (("shop.lines", "42"), "shop.lines has the key order_id, line_no: give 2 values, not 1"),
        (("order", "42", "1"), "order has the key order_id: give 1 values, not 2"),
    ],
)
def test_what_is_not_there_is_one_line(fleet: Fleet, arguments: tuple[str, ...], says: str) -> None:
    result = run("trace", *arguments)

    assert (result.exit_code, result.stderr) == (2, f"nearview trace: {says}\n")


def test_it_changes_nothing(fleet: Fleet) -> None:
    before = [fleet.tables.items(table) for table in (fleet.tables.rows, fleet.tables.documents, fleet.tables.parked)]

    traced("shop.orders", "42")
    traced("order", "42")

    after = [fleet.tables.items(table) for table in (fleet.tables.rows, fleet.tables.documents, fleet.tables.parked)]
    assert after == before
