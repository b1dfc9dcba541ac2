"""A record in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.dms_records import change
from worker.explain.record import Explained, explain_record
from worker.explain.report import print_json, print_record, record_as_json
from worker.mapping.loader import read_mappings
from worker.projection.plan import Plan, make_plan
from worker.records.errors import PoisonRecord
from worker.records.source import Source

MAPPING = """\
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, status]
one:
  customer: {source: shop.customers, key: customer_id, join: customer_id, fields: [name]}
many:
  lines:
    source: shop.lines
    key: [order_id, line_no]
    join: order_id
    fields: [line_no]
    one:
      product: {source: shop.products, key: sku, join: sku, fields: [title]}
"""
ORDER = {"order_id": 1, "status": "paid", "customer_id": 7, "note": "secret"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    mapping, problems = read_mappings({"order.yaml": MAPPING})
    assert mapping is not None, problems
    return make_plan(mapping)


def _explain(plan: Plan, *arguments: Any, **more: Any) -> Explained:
    found = explain_record(json.dumps(change(*arguments, **more)).encode(), plan, Source())
    assert isinstance(found, Explained)
    return found


def test_the_change_its_columns_and_where_it_points(plan: Plan) -> None:
    """Columns that no mapping names are listed apart."""
    explained = _explain(plan, "insert", "shop.orders", ORDER)

    assert explained.kept == ("customer_id", "order_id", "status")
    assert explained.dropped == ("note",)
    assert [(p.parent, p.key) for p in explained.pointers] == [("shop.customers", "7")]
    assert explained.moves is None


def test_where_a_table_stands_has_its_path_and_its_way_up(plan: Plan) -> None:
    """From the row's side."""
    (stand,) = _explain(plan, "insert", "shop.products", {"sku": "A", "title": "Lamp"}).stands
    (line,) = _explain(plan, "insert", "shop.lines", {"order_id": 1, "line_no": 1, "sku": "A"}).stands

    assert (stand.path, stand.way) == ("lines.product", "is looked up by sku of shop.lines")
    assert (line.path, line.way) == ("lines", "belongs to shop.orders by order_id")


@pytest.mark.parametrize(
    ("before", "moves"),
    [
        ({"customer_id": 8}, "from shop.customers 8 to 7"),
        ({"customer_id": 7}, "no"),
        ({}, "only the stored row shows it: the before image has not all its foreign keys (look with --online)"),
    ],
)
def test_whether_it_moves_shows_the_before_image_if_it_can(plan: Plan, before: dict[str, Any], moves: str) -> None:
    """PostgreSQL's usual before image holds the key only."""
    assert _explain(plan, "update", "shop.orders", ORDER, before).moves == moves


def test_a_changed_key_is_two_changes(plan: Plan) -> None:
    """A put of the new row and a delete of the old one."""
    explained = _explain(plan, "update", "shop.orders", ORDER, {"order_id": 9})

    assert [(c.key, c.row is None) for c in explained.changes] == [("1", False), ("9", True)]


def test_records_that_change_nothing_get_one_line(plan: Plan) -> None:
    """Tables without a mapping, control records."""
    unknown = change("insert", "shop.others", {"id": 1})
    control = {"metadata": {"record-type": "control", "operation": "drop-table", "schema-name": "s", "table-name": "t"}}

    assert explain_record(json.dumps(unknown).encode(), plan, Source()) == (
        "insert of shop.others: no mapping uses this table; the record is passed over"
    )
    assert "s.t" in str(explain_record(json.dumps({"control": {}, **control}).encode(), plan, Source()))


def test_a_record_that_cannot_be_used_raises(plan: Plan) -> None:
    """As the worker would park it."""
    with pytest.raises(PoisonRecord):
        explain_record(b"{", plan, Source())


def test_names_and_values_that_nothing_can_show_are_shown_all_the_same(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """A before image may hold an object where a foreign key should be, a name any character."""
    strange = {**ORDER, "a\ud800\n": 1}
    explained = _explain(plan, "update", "shop.orders", strange, {**strange, "customer_id": {"a": [1]}})

    print_record(explained, values=True)
    print_json(record_as_json(explained, values=True))

    assert explained.dropped == ("a??", "note")
    assert explained.moves == "no"
    assert "a??" in capsys.readouterr().out
    other = explain_record(json.dumps(change("insert", "shop.a\ud800", {})).encode(), plan, Source())
    assert other == "insert of shop.a?: no mapping uses this table; the record is passed over"
