"""A drill counts what its commands did, whatever the monolith's users do to the orders afterwards."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import psycopg2
import pytest

from local.drill_orders import effects_of, note_effects, order_body
from local.monolith import operations, orders


@pytest.mark.parametrize("spoil", [operations.change_note, operations.delete_order, operations.delete_and_place_again])
def test_an_effect_stays_counted_and_a_second_one_shows(
    new_database: Callable[..., str], shop_template: str, spoil: operations.Operation
) -> None:
    """Orders that were looked for by their notes at the end would be missed: commands that were executed, 'lost'."""
    url = new_database(template=shop_template)
    note_effects(url)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT order_id FROM shop.orders")
        for (order_id,) in cursor.fetchall():
            cursor.execute("DELETE FROM shop.payments WHERE order_id = %s", (order_id,))
            cursor.execute("DELETE FROM shop.order_lines WHERE order_id = %s", (order_id,))
        cursor.execute("DELETE FROM shop.orders")
        body = order_body(url)
        for key in ("once", "twice", "twice"):
            given = body(key)
            orders.place_order(
                cursor,
                orders.NewOrder(
                    given["customer_id"],
                    None,
                    given["note"],
                    [orders.NewLine(line["sku"], line["quantity"]) for line in given["lines"]],
                ),
            )
        for seed in range(3):
            spoil(cursor, Random(seed))
    connection.close()
    assert effects_of(url, ["once", "twice", "never"]) == {"once": 1, "twice": 2}
