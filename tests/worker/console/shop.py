"""A small shop in memory, written by the engine itself, as the console's tables; and a worker's HTTP side."""

from __future__ import annotations

from typing import Any, Final

from worker.console.tree import Found, look
from worker.mapping.loader import read_mappings
from worker.projection.engine import project
from worker.projection.plan import Plan, make_plan
from worker.records.rows import Row, RowChange
from worker.store.memory import MemoryStore

MAPPING: Final = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, status, total]
one:
  customer:
    source: shop.customers
    key: customer_id
    join: customer_id
    fields: [customer_id, name]
many:
  lines:
    source: shop.order_lines
    key: [order_id, line_no]
    join: order_id
    order_by: line_no
    fields: [line_no, quantity: {type: integer}]
"""
ALONE: Final = """
aggregate: note
source: shop.notes
key: [book, page]
fields: [book, page, text]
"""
AS_OF: Final = "2026-05-01T10:00:00.000000Z"
HOSTILE: Final = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LONG: Final = 9_007_199_254_740_993
"""More digits than a browser's numbers have."""


def make_plan_of_shop() -> Plan:
    mapping, problems = read_mappings({"order.yaml": MAPPING, "note.yaml": ALONE})
    assert mapping is not None, problems
    return make_plan(mapping)


class Shop:
    """As worker.console.reader.Reader."""

    def __init__(self) -> None:
        self.plan = make_plan_of_shop()
        self.store = MemoryStore()
        self.watermarks: dict[str, int | None] = {"shop.orders": 1_777_629_600_000_000, "shop.customers": None}
        self.parked_entries: dict[str, Any] = {
            "counts": {"tables": 0, "records": 0, "unknown_tables": 0, "documents": 0},
            "total": 0,
            "tables": [],
            "records": [],
            "unknown_tables": [],
            "documents": [],
        }

    def change(self, version: int, *rows: tuple[str, str, Row | None]) -> None:
        """Rows at a version, through the engine."""
        changes = [RowChange(table, key, f"{version:040d}", row) for table, key, row in rows]
        self.store.drive(project(self.plan, changes, AS_OF))

    def fill(self) -> Shop:
        """Order 7 with a customer and two lines; a note."""
        self.change(
            1,
            ("shop.customers", "1", {"customer_id": 1, "name": HOSTILE}),
            ("shop.orders", "7", {"order_id": 7, "status": "placed", "total": LONG, "customer_id": 1}),
            ("shop.order_lines", "7|1", {"order_id": 7, "line_no": 1, "quantity": 2}),
            ("shop.order_lines", "7|2", {"order_id": 7, "line_no": 2, "quantity": 1}),
            ("shop.notes", "red|1", {"book": "red", "page": 1, "text": "hello"}),
        )
        return self

    def document(self, aggregate: str, key: tuple[str, ...]) -> Found | None:
        found = next((one for one in self.plan.mapping.aggregates if one.name == aggregate), None)
        return None if found is None else self.store.drive(look(self.plan, (found, "|".join(key))))

    def complete(self) -> dict[str, int | None]:
        return self.watermarks

    def parked(self) -> dict[str, Any]:
        return self.parked_entries


def exposition(**counted: float) -> str:
    """The metrics page of a worker with two shards, as the collector words it."""
    lines = [
        'nearview_build_info{amazon_kclpy="3.1.3",version="0.1.0"} 1.0',
        "nearview_healthy 1.0",
        'nearview_millis_behind_latest{shard="shardId-000000000000"} 0.0',
        'nearview_millis_behind_latest{shard="shardId-000000000001"} 1500.0',
        'nearview_checkpoint_age_seconds{shard="shardId-000000000000"} 0.4',
        'nearview_checkpoint_age_seconds{shard="shardId-000000000001"} 2.0',
        'nearview_newest_commit_age_seconds{shard="shardId-000000000001"} 3.0',
        *(f"nearview_{name}_total {value}" for name, value in counted.items()),
    ]
    return "\n".join(lines) + "\n"
