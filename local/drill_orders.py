"""The orders that a drill's commands place, and what became of them in the monolith's own tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import psycopg2

from local.running import Running


def order_body(running: Running) -> Callable[[str], dict[str, Any]]:
    """The body of a command that places an order which names its key."""
    with closing(psycopg2.connect(running.source_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sku FROM shop.products WHERE active ORDER BY sku LIMIT 1")
        ((sku,),) = cursor.fetchall()
        cursor.execute("SELECT min(customer_id) FROM shop.customers")
        ((customer,),) = cursor.fetchall()
    return lambda key: {"customer_id": customer, "note": key, "lines": [{"sku": sku, "quantity": 1}]}


def effects_of(running: Running, keys: Sequence[str]) -> dict[str, int]:
    """How often the monolith has executed each command: its orders by key."""
    with closing(psycopg2.connect(running.source_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT note, count(*) FROM shop.orders WHERE note = ANY(%s) GROUP BY note", (list(keys),))
        return dict(cursor.fetchall())
