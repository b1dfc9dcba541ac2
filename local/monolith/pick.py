"""Rows that the workload meets by chance: the same ones for the same random numbers and the same database."""

from __future__ import annotations

from random import Random
from typing import Any

from local.monolith import orders, texts
from local.monolith.errors import NotFoundError


def new_order(cursor: Any, random: Random) -> orders.NewOrder:
    """An order of active products for some customer."""
    customer_id = customer(cursor, random)
    cursor.execute("SELECT sku FROM shop.products WHERE active ORDER BY sku")
    skus = found(cursor, "an active product")
    lines = [orders.NewLine(random.choice(skus), random.choice((1, 1, 2, 12))) for _ in range(random.randrange(3, 13))]
    return orders.NewOrder(customer_id, address_no(cursor, random, customer_id), texts.note(random), lines)


def order(cursor: Any, random: Random) -> int:
    """Some order's number."""
    return _near(cursor, random, "shop.orders", "order_id")


def customer(cursor: Any, random: Random) -> int:
    """Some customer's number."""
    return _near(cursor, random, "shop.customers", "customer_id")


def _near(cursor: Any, random: Random, table: str, column: str) -> int:
    """The first key at or above a random point: any row may be met, and the same one for the same number."""
    cursor.execute(f"SELECT min({column}), max({column}) FROM {table}")  # noqa: S608 (constants of this module)
    least, most = cursor.fetchone()
    if least is None:
        raise NotFoundError(f"{table} is empty")
    point = random.randint(least, most)
    cursor.execute(f"SELECT min({column}) FROM {table} WHERE {column} >= %s", (point,))  # noqa: S608
    key: int = cursor.fetchone()[0]
    return key


def sku(cursor: Any, random: Random) -> str:
    """Some product's key."""
    cursor.execute("SELECT sku FROM shop.products ORDER BY sku")
    chosen: str = random.choice(found(cursor, "a product"))
    return chosen


def category(cursor: Any, random: Random) -> int:
    """Some category's number."""
    cursor.execute("SELECT category_id FROM shop.categories ORDER BY category_id")
    chosen: int = random.choice(found(cursor, "a category"))
    return chosen


def line_numbers(cursor: Any, order_id: int) -> list[int]:
    """The numbers of an order's lines, at least one."""
    cursor.execute("SELECT line_no FROM shop.order_lines WHERE order_id = %s ORDER BY line_no", (order_id,))
    return found(cursor, f"a line of order {order_id}")


def address_no(cursor: Any, random: Random, customer_id: int) -> int | None:
    """One of the customer's addresses; now and then, or when there is none, no address."""
    cursor.execute("SELECT address_no FROM shop.addresses WHERE customer_id = %s ORDER BY address_no", (customer_id,))
    chosen: int | None = random.choice([None, *(row[0] for row in cursor.fetchall())])
    return chosen


def found(cursor: Any, what: str) -> list[Any]:
    """The first column of the rows just selected, at least one."""
    values = [row[0] for row in cursor.fetchall()]
    if not values:
        raise NotFoundError(f"there is not {what}")
    return values
