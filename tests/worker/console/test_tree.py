"""A document with the rows it was built from, as the engine has stored them."""

from __future__ import annotations

import pytest

from contract.keys import ROW_SK, row_pk
from tests.worker.console.shop import LONG, Shop
from worker.console import tree
from worker.console.tree import Found, Node
from worker.projection.operations import TableName


def found(shop: Shop, aggregate: str, *key: str) -> Found:
    answer = shop.document(aggregate, key)
    assert answer is not None
    return answer


def children(node: Node) -> list[tuple[str, str, str]]:
    return [(child.place, child.key, child.state) for child in node.children]


def test_every_row_stands_at_its_place_with_key_version_and_columns() -> None:
    order = found(Shop().fill(), "order", "7")
    assert order.body is not None
    assert order.body["lines"] == [{"line_no": 1, "quantity": 2}, {"line_no": 2, "quantity": 1}]
    assert order.rows.columns["total"] == LONG
    assert order.rows.version == f"{1:040d}"
    assert children(order.rows) == [("customer", "1", "row"), ("lines", "7|1", "row"), ("lines", "7|2", "row")]
    assert (order.differs, order.left_out, order.misfits) == (False, 0, ())


def test_a_document_that_holds_its_row_shows_it() -> None:
    note = found(Shop().fill(), "note", "red", "1")
    assert note.rows.columns == {"book": "red", "page": 1, "text": "hello"}
    assert note.rows.version == f"{1:040d}"


def test_what_is_gone_was_never_there_or_has_left_is_said() -> None:
    shop = Shop().fill()
    shop.change(2, ("shop.order_lines", "7|2", None), ("shop.orders", "8", {"order_id": 8, "customer_id": 5}))
    assert ("lines", "7|2", "deleted") not in children(found(shop, "order", "7").rows)
    assert children(found(shop, "order", "8").rows) == [("customer", "5", "never seen")]
    shop.change(3, ("shop.orders", "7", None))
    gone = found(shop, "order", "7")
    assert (gone.body, gone.rows.state, gone.system is not None) == (None, "deleted", True)
    nothing = found(shop, "order", "99")
    assert (nothing.system, nothing.rows.state, nothing.differs) == (None, "never seen", False)


def test_an_edge_of_a_row_that_points_elsewhere_is_shown_as_such() -> None:
    shop = Shop().fill()
    edges = dict(shop.store.items)
    shop.change(2, ("shop.order_lines", "7|2", {"order_id": 8, "line_no": 2, "quantity": 1}))
    for address, item in edges.items():  # a clean-up that has not come yet
        if address[2].startswith("shop.order_lines#") and address not in shop.store.items:
            shop.store.items[address] = item
    assert ("lines", "7|2", "left") in children(found(shop, "order", "7").rows)


def test_rows_that_say_something_else_than_the_document_are_told_of() -> None:
    shop = Shop().fill()
    address = (TableName.ROWS, row_pk("shop.customers", "1"), ROW_SK)
    item = dict(shop.store.items[address])
    item["v"] = {"S": f"{9:040d}"}
    shop.store.items[address] = item
    assert found(shop, "order", "7").differs


def test_a_very_large_document_shows_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_ROWS", 4)
    shop = Shop().fill()
    lines = [("shop.order_lines", f"7|{n}", {"order_id": 7, "line_no": n, "quantity": 1}) for n in range(3, 13)]
    shop.change(2, *lines)
    order = found(shop, "order", "7")
    assert len(order.rows.children) + order.left_out == 13
    assert order.left_out == 10


def test_nothing_is_written() -> None:
    shop = Shop().fill()
    before = dict(shop.store.items)
    for key in ("7", "99"):
        found(shop, "order", key)
    found(shop, "note", "red", "1")
    assert shop.store.items == before
