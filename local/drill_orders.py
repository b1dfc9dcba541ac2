"""The orders that a drill's commands place, and what became of them in the monolith's own tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg2

NOTED: Final = """
CREATE TABLE ops.placed (key text NOT NULL);
CREATE FUNCTION ops.note_placed() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN INSERT INTO ops.placed VALUES (NEW.note); RETURN NULL; END';
CREATE TRIGGER note_placed AFTER INSERT ON shop.orders
FOR EACH ROW WHEN (NEW.note IS NOT NULL) EXECUTE FUNCTION ops.note_placed();
"""


def order_body(source_url: str) -> Callable[[str], dict[str, Any]]:
    """The body of a command that places an order which names its key."""
    with closing(psycopg2.connect(source_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sku FROM shop.products WHERE active ORDER BY sku LIMIT 1")
        ((sku,),) = cursor.fetchall()
        cursor.execute("SELECT min(customer_id) FROM shop.customers")
        ((customer,),) = cursor.fetchall()
    return lambda key: {"customer_id": customer, "note": key, "lines": [{"sku": sku, "quantity": 1}]}


def note_effects(source_url: str) -> None:
    """Let the source note every order that is inserted, by its key: the monolith's users change and delete orders."""
    with closing(psycopg2.connect(source_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(NOTED)


def effects_of(source_url: str, keys: Sequence[str]) -> dict[str, int]:
    """How often the monolith has executed each command: the orders that were ever placed, by key."""
    with closing(psycopg2.connect(source_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key, count(*) FROM ops.placed WHERE key = ANY(%s) GROUP BY key", (list(keys),))
        return dict(cursor.fetchall())
