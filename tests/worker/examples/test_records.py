"""Changes of an example as records of DMS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.examples.conftest import Read


def _changes(*changes: str) -> str:
    listed = "".join(f"      - {change}\n" for change in changes)
    return f'examples:\n  - name: one\n    changes:\n{listed}    expect: {{"1": null}}\n'


def _records(read: Read, *changes: str) -> list[dict[str, Any]]:
    suite, problems = read(_changes(*changes))
    assert problems == []
    return [json.loads(record) for record in suite[0][1]]


INSERT = "{insert: shop.orders, row: {order_id: 1, status: placed, total: 1.50}}"


def test_columns_not_given_are_null_at_first_and_stay_as_they_were_later(read: Read) -> None:
    """DMS sends whole rows."""
    inserted, updated = _records(read, INSERT, "{update: shop.orders, row: {order_id: 1, note: hi}}")

    assert inserted["data"] == {
        "order_id": 1, "status": "placed", "total": 1.5, "note": None, "details": None, "customer_id": None,
    }  # fmt: skip
    assert updated["data"] == {**inserted["data"], "note": "hi"}
    assert updated["before-image"] == {}


def test_numbers_keep_their_digits(read: Read) -> None:
    """1.50 is sent as 1.50."""
    suite, _ = read(_changes(INSERT))

    assert b'"total":1.50' in suite[0][1][0]


def test_a_changed_key_is_in_the_before_image(read: Read) -> None:
    """As PostgreSQL logs it: only the columns of the key, only when it changed."""
    _, updated = _records(read, INSERT, "{update: shop.orders, before: {order_id: 1}, row: {order_id: 2}}")

    assert updated["before-image"] == {"order_id": 1}
    assert updated["data"]["order_id"] == 2
    assert updated["data"]["status"] == "placed"


def test_an_unchanged_large_value_is_left_out(read: Read) -> None:
    """Absent, not null."""
    _, updated = _records(read, INSERT, "{update: shop.orders, row: {order_id: 1, total: 2}, unchanged: [note]}")

    assert "note" not in updated["data"]
    assert "status" in updated["data"]


def test_a_delete_has_its_key_and_positions_rise(read: Read) -> None:
    """A load has no position."""
    loaded, deleted, inserted = _records(
        read,
        "{load: shop.orders, row: {order_id: 1, status: placed}}",
        "{delete: shop.orders, row: {order_id: 1}}",
        INSERT,
    )

    assert "stream-position" not in loaded["metadata"]
    assert deleted["data"]["order_id"] == 1
    assert set(deleted["data"].values()) == {1, None}
    assert deleted["metadata"]["stream-position"] < inserted["metadata"]["stream-position"]


def test_a_late_load_leaves_the_row_as_the_changes_made_it(read: Read) -> None:
    """What an update completes is the newest state."""
    *_, updated = _records(
        read,
        INSERT,
        "{load: shop.orders, row: {order_id: 1, status: paid}}",
        "{update: shop.orders, row: {order_id: 1, note: hi}}",
    )

    assert updated["data"]["status"] == "placed"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            ["{update: shop.orders, row: {order_id: 1}}"],
            (
                "update: there is no row 1 of shop.orders: insert or load it before (of a changed key, `before` has the"
                " old one)"
            ),
        ),
        (
            ["{delete: shop.orders, row: {order_id: 1}}"],
            "delete: there is no row 1 of shop.orders: insert or load it before",
        ),
        ([INSERT, INSERT], "insert: the row 1 of shop.orders is there already"),
        (["{insert: shop.lines, row: {order_id: 1}}"], "the row needs its key: line_no is not given"),
        (
            [INSERT, INSERT.replace("order_id: 1", "order_id: 2"),
             "{update: shop.orders, before: {order_id: 1}, row: {order_id: 2}}"],
            "update: another row has the key 2 of shop.orders",
        ),
        (
            [INSERT, "{update: shop.orders, row: {order_id: 1, note: a}, unchanged: [note]}"],
            "update: note cannot be in `row` and be unchanged",
        ),
    ],
)  # fmt: skip
def test_what_no_source_does_is_a_problem(read: Read, changes: list[str], problem: str) -> None:
    """At the change that makes no sense."""
    _, problems = read(_changes(*changes))

    assert [found.message for found in problems] == [f"example one: {problem}"]
    assert problems[0].line == 4 + len(changes)
