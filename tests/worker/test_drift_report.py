"""Which mappings use a column that has gone or changed."""

from __future__ import annotations

from contract.mapping import Mapping
from worker.drift_report import Finding, findings
from worker.mapping.loader import read_mappings
from worker.records.drift import Drift, Ledger, What

ORDERS = """
aggregate: order
source: shop.orders
key: order_id
where: {kind: [a]}
fields: [order_id, {shown: status}, {label: {template: "no {status}"}}]
many:
  lines: {source: shop.lines, key: [order_id, line_no], join: order_id, order_by: place, fields: [{price: amount}]}
"""


def _mapping() -> Mapping:
    mapping, problems = read_mappings({"order.yaml": ORDERS})
    assert mapping is not None, problems
    return mapping


def _findings(table: str, *events: Drift) -> list[Finding]:
    return findings({table: Ledger({}, events)}, _mapping())


def _uses(table: str, column: str) -> tuple[str, ...]:
    (found,) = _findings(table, Drift(What.VANISHED, column, 0, ""))
    assert found.open == bool(found.uses)
    return found.uses


def test_the_attributes_that_show_a_column_are_named() -> None:
    assert _uses("shop.orders", "status") == ("order.shown", "order.label")
    assert _uses("shop.lines", "amount") == ("order.lines.price",)


def test_what_else_uses_a_column_is_named() -> None:
    assert _uses("shop.orders", "kind") == ("order.(where)",)
    assert _uses("shop.lines", "place") == ("order.lines.(order_by)",)
    assert _uses("shop.lines", "line_no") == ("order.lines.(key)",)


def test_a_column_that_nobody_uses_is_no_finding_to_act_on() -> None:
    assert _uses("shop.orders", "other") == ()
    assert _uses("shop.elsewhere", "status") == ()


def test_what_came_back_is_mended() -> None:
    found = _findings(
        "shop.orders", Drift(What.VANISHED, "status", 1_000_000, "1/2"), Drift(What.APPEARED, "status", 2_000_000, "")
    )

    assert [(one.open, one.uses, one.at) for one in found] == [
        (False, ("order.shown", "order.label"), "1970-01-01T00:00:01Z"),
        (False, (), "1970-01-01T00:00:02Z"),
    ]
