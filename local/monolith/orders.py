"""Orders: every rule about them. Each function runs inside the caller's transaction and may refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from psycopg2 import errors
from psycopg2.extras import execute_values

from local.monolith.errors import ConflictError, InvalidCommandError, NotFoundError

DISCOUNT_FROM_QUANTITY = 10
MOST_LINES = 100


class Keep(Enum):
    """Stands for "leave it as it is" where None means "nothing"."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True)
class NewLine:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class LineChange:
    """A new quantity for a line; 0 removes the line."""

    line_no: int
    quantity: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    customer_id: int
    shipping_address_no: int | None
    note: str | None
    lines: Sequence[NewLine]


@dataclass(frozen=True, slots=True)
class OrderChange:
    note: str | Keep | None = KEEP
    shipping_address_no: int | Keep | None = KEEP
    lines: Sequence[LineChange] = field(default=())


def place_order(cursor: Any, order: NewOrder, *, lines_first: bool = False) -> int:
    """Store a new order at the products' present prices and return its number.

    `lines_first` writes the lines before the order they belong to, which only the deferred checks allow.
    """
    _require(cursor, "customer", "SELECT 1 FROM shop.customers WHERE customer_id = %s", order.customer_id)
    if order.shipping_address_no is not None:
        _require_address(cursor, order.customer_id, order.shipping_address_no)
    rows = _priced_lines(cursor, order.lines)
    cursor.execute("SELECT nextval(pg_get_serial_sequence('shop.orders', 'order_id'))")
    order_id: int = cursor.fetchone()[0]
    if lines_first:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        _insert_lines(cursor, order_id, rows)
    cursor.execute(
        "INSERT INTO shop.orders (order_id, customer_id, status, shipping_address_no, note, total)"
        " VALUES (%s, %s, 'placed', %s, %s, 0)",
        (order_id, order.customer_id, order.shipping_address_no, order.note),
    )
    if not lines_first:
        _insert_lines(cursor, order_id, rows)
    _recompute_total(cursor, order_id)
    return order_id


def change_order(cursor: Any, order_id: int, change: OrderChange) -> None:
    """Change note, shipping address and quantities of an order that is not cancelled."""
    customer_id = _lock_open_order(cursor, order_id)
    if change.note is not KEEP:
        cursor.execute("UPDATE shop.orders SET note = %s WHERE order_id = %s", (change.note, order_id))
    if change.shipping_address_no is not KEEP:
        if change.shipping_address_no is not None:
            _require_address(cursor, customer_id, change.shipping_address_no)
        cursor.execute(
            "UPDATE shop.orders SET shipping_address_no = %s WHERE order_id = %s",
            (change.shipping_address_no, order_id),
        )
    for line in change.lines:
        _change_line(cursor, order_id, line)
    if change.lines:
        _require_lines(cursor, order_id)
        _recompute_total(cursor, order_id)


def cancel_order(cursor: Any, order_id: int) -> None:
    """Cancel an order; a cancelled one refuses to be cancelled again."""
    _lock_open_order(cursor, order_id)
    cursor.execute("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = %s", (order_id,))


def move_line(cursor: Any, order_id: int, line_no: int, to_order_id: int) -> int:
    """Move a line behind the last one of another order (its key changes); return its new number."""
    if order_id == to_order_id:
        raise InvalidCommandError("a line cannot be moved to the order it is in")
    for locked in sorted((order_id, to_order_id)):  # always in this order, or two moves may block each other
        _lock_open_order(cursor, locked)
    cursor.execute("SELECT coalesce(max(line_no), 0) + 1 FROM shop.order_lines WHERE order_id = %s", (to_order_id,))
    new_line_no: int = cursor.fetchone()[0]
    cursor.execute(
        "UPDATE shop.order_lines SET order_id = %s, line_no = %s WHERE order_id = %s AND line_no = %s",
        (to_order_id, new_line_no, order_id, line_no),
    )
    if cursor.rowcount == 0:
        raise NotFoundError(f"order {order_id} has no line {line_no}")
    _require_lines(cursor, order_id)
    _recompute_total(cursor, order_id)
    _recompute_total(cursor, to_order_id)
    return new_line_no


def delete_order(cursor: Any, order_id: int) -> None:
    """Delete an order with its lines and payments."""
    _lock_order(cursor, order_id)
    for table in ("payments", "order_lines", "orders"):
        cursor.execute(f"DELETE FROM shop.{table} WHERE order_id = %s", (order_id,))  # noqa: S608 (three constants)


def renumber_order(cursor: Any, order_id: int) -> int:
    """Give an order a new number; lines and payments follow. Return the new number."""
    _lock_order(cursor, order_id)
    cursor.execute(
        "UPDATE shop.orders SET order_id = nextval(pg_get_serial_sequence('shop.orders', 'order_id'))"
        " WHERE order_id = %s RETURNING order_id",
        (order_id,),
    )
    renumbered: int = cursor.fetchone()[0]
    return renumbered


def request_payment(cursor: Any, order_id: int, method: str, details: Any) -> int:
    """Add an unpaid payment over the order's total; return its number."""
    _lock_open_order(cursor, order_id)
    cursor.execute(
        "INSERT INTO shop.payments (order_id, method, amount, details)"
        " SELECT order_id, %s, total, %s FROM shop.orders WHERE order_id = %s RETURNING payment_id",
        (method, details, order_id),
    )
    payment_id: int = cursor.fetchone()[0]
    return payment_id


def settle_payments(cursor: Any, order_id: int) -> None:
    """Mark what an order has to pay as paid, and the order with it."""
    _lock_open_order(cursor, order_id)
    cursor.execute(
        "UPDATE shop.payments SET paid_at = clock_timestamp() WHERE order_id = %s AND paid_at IS NULL", (order_id,)
    )
    cursor.execute("UPDATE shop.orders SET status = 'paid' WHERE order_id = %s AND status = 'placed'", (order_id,))


def _require(cursor: Any, what: str, query: str, *key: object) -> None:
    cursor.execute(query, key)
    if cursor.fetchone() is None:
        raise NotFoundError(f"{what} {'/'.join(map(str, key))} does not exist")


def _require_address(cursor: Any, customer_id: int, address_no: int) -> None:
    query = "SELECT 1 FROM shop.addresses WHERE customer_id = %s AND address_no = %s FOR KEY SHARE"
    _require(cursor, "address", query, customer_id, address_no)


def _lock_order(cursor: Any, order_id: int) -> tuple[int, str]:
    cursor.execute("SELECT customer_id, status FROM shop.orders WHERE order_id = %s FOR UPDATE", (order_id,))
    row: tuple[int, str] | None = cursor.fetchone()
    if row is None:
        raise NotFoundError(f"order {order_id} does not exist")
    return row


def _lock_open_order(cursor: Any, order_id: int) -> int:
    customer_id, status = _lock_order(cursor, order_id)
    if status == "cancelled":
        raise ConflictError(f"order {order_id} is cancelled and cannot be changed any more")
    return customer_id


def _priced_lines(cursor: Any, lines: Sequence[NewLine]) -> list[tuple[Any, ...]]:
    if not 1 <= len(lines) <= MOST_LINES:
        raise InvalidCommandError(f"an order has 1 to {MOST_LINES} lines")
    cursor.execute("SELECT sku, price, active FROM shop.products WHERE sku = ANY(%s)", ([line.sku for line in lines],))
    products = {sku: (price, active) for sku, price, active in cursor.fetchall()}
    rows = []
    for line_no, line in enumerate(lines, 1):
        if line.sku not in products:
            raise NotFoundError(f"product {line.sku} does not exist")
        price, active = products[line.sku]
        if not active:
            raise ConflictError(f"product {line.sku} is not sold any more")
        discount = "0.0500" if line.quantity >= DISCOUNT_FROM_QUANTITY else None
        rows.append((line_no, line.sku, line.quantity, price, discount))
    return rows


def _insert_lines(cursor: Any, order_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    columns = "order_id, line_no, sku, quantity, unit_price, discount"
    values = [(order_id, *row) for row in rows]
    execute_values(cursor, f"INSERT INTO shop.order_lines ({columns}) VALUES %s", values)  # noqa: S608 (constant)


def _change_line(cursor: Any, order_id: int, line: LineChange) -> None:
    key = (order_id, line.line_no)
    if line.quantity == 0:
        cursor.execute("DELETE FROM shop.order_lines WHERE order_id = %s AND line_no = %s", key)
    else:
        cursor.execute(
            "UPDATE shop.order_lines SET quantity = %s WHERE order_id = %s AND line_no = %s", (line.quantity, *key)
        )
    if cursor.rowcount == 0:
        raise NotFoundError(f"order {order_id} has no line {line.line_no}")


def _require_lines(cursor: Any, order_id: int) -> None:
    cursor.execute("SELECT 1 FROM shop.order_lines WHERE order_id = %s LIMIT 1", (order_id,))
    if cursor.fetchone() is None:
        raise ConflictError(f"order {order_id} would have no lines left; cancel it instead")


def _recompute_total(cursor: Any, order_id: int) -> None:
    try:
        cursor.execute(
            "UPDATE shop.orders SET total = (SELECT coalesce(sum(round(quantity * unit_price"
            " * (1 - coalesce(discount, 0)), 2)), 0) FROM shop.order_lines WHERE order_id = %s) WHERE order_id = %s",
            (order_id, order_id),
        )
    except errors.NumericValueOutOfRange:
        raise InvalidCommandError(f"the total of order {order_id} does not fit") from None
