"""What a replay of unchanged data writes: nothing, but for parents that a child has left since they were written."""

from __future__ import annotations

from tests.worker.console.shop import AS_OF
from worker.mapping.loader import read_mappings
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.rows import RowChange
from worker.store.memory import MemoryStore

MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id]
many:
  lines: {source: shop.lines, key: line_id, join: order_id, fields: [line_id, quantity]}
"""


def order(version: int, key: int) -> list[RowChange]:
    return [RowChange("shop.orders", str(key), f"{version:040d}", {"order_id": key})]


def line(version: int, key: int, of: int, quantity: int = 1) -> list[RowChange]:
    row = {"line_id": key, "order_id": of, "quantity": quantity}
    return [RowChange("shop.lines", str(key), f"{version:040d}", row)]


HISTORY = [order(1, 7), order(2, 8), order(3, 9), line(4, 1, 7), line(5, 1, 7, 2), line(6, 2, 9), line(7, 1, 8)]


def test_only_the_parent_that_was_left_is_written_once_more_and_shows_the_same() -> None:
    """Its fingerprint names the child that pointed elsewhere already, under an edge that was cleaned up afterwards."""
    mapping, problems = read_mappings({"order.yaml": MAPPING})
    assert mapping is not None, problems
    plan, store = make_plan(mapping), MemoryStore()
    for changes in HISTORY:
        store.drive(project(plan, changes, AS_OF))

    def shown() -> dict[str, object]:
        return {
            pk: {name: value for name, value in item.items() if not name.startswith("_")}
            for (table, pk, _), item in store.items.items()
            if table is TableName.DOCUMENTS
        }

    before, rows = shown(), {at: item for at, item in store.items.items() if at[0] is TableName.ROWS}
    written = [sum(store.drive(project(plan, c, AS_OF)).documents_written for c in HISTORY) for _ in range(3)]

    assert written == [1, 0, 0], "of order 7, and only in the first replay"
    assert shown() == before
    assert {at: item for at, item in store.items.items() if at[0] is TableName.ROWS} == rows
