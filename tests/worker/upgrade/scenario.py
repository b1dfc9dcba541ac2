"""What happened before an upgrade: a mapping and batches of changes, the last of them cut off by the worker's end.

Imported by the tests and, with an older version of `contract` and `worker` on the path, by write_items.py: it uses
nothing but what every version has.
"""

from __future__ import annotations

from typing import Any

AS_OF = "2026-05-01T10:00:00.000000Z"
OWNER = "shardId-000000000000"
REFERRERS = 3
"""More rows that point at a changed one than these are due, in versions that know of it."""
STEPS_OF_LAST = 4
"""So many groups of operations of the last batch were done."""

MAPPINGS = {
    "order.yaml": """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, status, note, total: {type: decimal}]
one:
  customer:
    source: shop.customers
    key: customer_id
    join: customer_id
    fields: [customer_id, name]
  seller:
    source: shop.sellers
    key: seller_id
    join: seller_id
    lookup: copy
    fields: [seller_id, name]
many:
  lines:
    source: shop.order_lines
    key: [order_id, line_no]
    join: in_order
    order_by: line_no
    fields: [line_no, quantity: {type: integer}]
indexes:
  by_status: {partition: status}
""",
    "customer.yaml": """
aggregate: customer
source: shop.customers
key: customer_id
fields: [customer_id, name]
many:
  orders:
    source: shop.orders
    key: order_id
    join: customer_id
    fields: [order_id, status]
""",
    "note.yaml": """
aggregate: note
source: shop.notes
key: note_id
fields: [note_id, text, amount: {type: decimal}]
""",
}

Change = tuple[str, str, int, dict[str, Any] | None, tuple[str, ...]]
"""Table, key, position, row, columns that the record does not carry."""


def order(key: int, position: int, **columns: Any) -> Change:
    """A row of an order; columns may be replaced, None as `note` leaves the column out."""
    row = {"order_id": key, "status": "placed", "note": f"n{key}", "total": 10 + key, "customer_id": key % 2 + 1}
    row |= {"seller_id": 1, **columns}
    missing = tuple(name for name, value in columns.items() if value is ABSENT)
    return "shop.orders", str(key), position, {n: v for n, v in row.items() if v is not ABSENT}, missing


def line(key: int, number: int, position: int, in_order: int | None = None) -> Change:
    """A row of a line, which may stand in another order than its key says."""
    row = {"order_id": key, "line_no": number, "in_order": in_order or key, "quantity": key * number}
    return "shop.order_lines", f"{key}|{number}", position, row, ()


def other(table: str, column: str, key: int, position: int, **columns: Any) -> Change:
    """A row of a small table."""
    return f"shop.{table}", str(key), position, {column: key, **columns}, ()


def gone(table: str, key: str, position: int) -> Change:
    """A delete."""
    return f"shop.{table}", key, position, None, ()


ABSENT = object()

BEFORE: list[list[Change]] = [
    [
        *(other("customers", "customer_id", key, 1, name=f"c{key}") for key in (1, 2)),
        other("sellers", "seller_id", 1, 1, name="first"),
        *(order(key, 2) for key in range(1, 10)),
        *(line(key, number, 3) for key in range(1, 10) for number in (1, 2)),
        *(other("notes", "note_id", key, 4, text=f"t{key}", amount=1) for key in (1, 2, 3)),
    ],
    [
        order(1, 10, note=ABSENT, status="paid"),
        order(2, 11, total="not a number"),
        line(3, 1, 12, in_order=4),
        gone("order_lines", "5|2", 13),
        gone("orders", "6", 14),
        gone("notes", "2", 15),
        other("sellers", "seller_id", 1, 16, name="renamed later"),
        other("notes", "note_id", 3, 17, text="changed", amount="not a number"),
    ],
    [other("customers", "customer_id", 1, 20, name="many orders point here")],
]
"""Done by the older version to their end, except for what it stored as due."""

LAST: list[Change] = [line(7, 1, 30, in_order=8), order(8, 31, customer_id=1), gone("orders", "9", 32)]
"""Begun by the older version; the newer one gets these records again."""

AFTER: list[list[Change]] = [
    [order(2, 40, total=42), other("notes", "note_id", 3, 41, text="mended", amount=3), line(3, 1, 42, in_order=3)],
    [order(1, 9, note="older than the rest of its row, newer than its note"), order(5, 45, total=5)],
    [order(6, 50), order(3, 51, note="changed"), other("customers", "customer_id", 1, 52, name="renamed")],
]
"""What the newer version sees."""
