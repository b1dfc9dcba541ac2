"""What the workload does: one function per kind of transaction, over the rules that the service uses too.

Each takes a cursor and a random number generator, picks its rows and changes them in the caller's transaction.
It raises BusinessError when the rows it met do not allow it. No statement swaps keys between rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from psycopg2.extras import Json

from local.monolith import catalogue, customers, orders, pick, texts
from local.monolith.errors import ConflictError, NotFoundError

Operation = Callable[[Any, Random], None]

_SHIPPED_AT_ONCE = 20


def place_order(cursor: Any, random: Random) -> None:
    orders.place_order(cursor, pick.new_order(cursor, random))


def place_order_lines_first(cursor: Any, random: Random) -> None:
    orders.place_order(cursor, pick.new_order(cursor, random), lines_first=True)


def change_quantity(cursor: Any, random: Random) -> None:
    order_id = pick.order(cursor, random)
    line = orders.LineChange(random.choice(pick.line_numbers(cursor, order_id)), random.randrange(1, 12))
    orders.change_order(cursor, order_id, orders.OrderChange(lines=[line]))


def remove_line(cursor: Any, random: Random) -> None:
    order_id = pick.order(cursor, random)
    line_no = random.choice(pick.line_numbers(cursor, order_id))
    orders.change_order(cursor, order_id, orders.OrderChange(lines=[orders.LineChange(line_no, 0)]))


def change_note(cursor: Any, random: Random) -> None:
    orders.change_order(cursor, pick.order(cursor, random), orders.OrderChange(note=texts.note(random)))


def change_shipping_address(cursor: Any, random: Random) -> None:
    """Set or clear the composite foreign key."""
    order_id = pick.order(cursor, random)
    cursor.execute("SELECT customer_id FROM shop.orders WHERE order_id = %s", (order_id,))
    address_no = pick.address_no(cursor, random, cursor.fetchone()[0])
    orders.change_order(cursor, order_id, orders.OrderChange(shipping_address_no=address_no))


def cancel_order(cursor: Any, random: Random) -> None:
    orders.cancel_order(cursor, pick.order(cursor, random))


def delete_order(cursor: Any, random: Random) -> None:
    orders.delete_order(cursor, pick.order(cursor, random))


def delete_and_place_again(cursor: Any, random: Random) -> None:
    """The same key deleted and inserted in one transaction, with other content."""
    order_id = pick.order(cursor, random)
    orders.delete_order(cursor, order_id)
    placed = orders.place_order(cursor, pick.new_order(cursor, random))
    cursor.execute("UPDATE shop.orders SET order_id = %s WHERE order_id = %s", (order_id, placed))


def move_line(cursor: Any, random: Random) -> None:
    order_id, to_order_id = pick.order(cursor, random), pick.order(cursor, random)
    if order_id == to_order_id:
        raise ConflictError("there is only one order")
    orders.move_line(cursor, order_id, random.choice(pick.line_numbers(cursor, order_id)), to_order_id)


def renumber_order(cursor: Any, random: Random) -> None:
    orders.renumber_order(cursor, pick.order(cursor, random))


def request_payment(cursor: Any, random: Random) -> None:
    details = None if random.random() < 0.3 else Json(texts.document(random))
    orders.request_payment(cursor, pick.order(cursor, random), random.choice(("card", "transfer", "cash")), details)


def settle_payments(cursor: Any, random: Random) -> None:
    orders.settle_payments(cursor, pick.order(cursor, random))


def ship_many(cursor: Any, random: Random) -> None:
    """One statement over many rows."""
    cursor.execute(
        "UPDATE shop.orders SET status = 'shipped' WHERE order_id IN (SELECT order_id FROM shop.orders"
        " WHERE status = 'paid' AND order_id >= %s ORDER BY order_id LIMIT %s FOR UPDATE SKIP LOCKED)",
        (pick.order(cursor, random), _SHIPPED_AT_ONCE),
    )


def reprice_category(cursor: Any, random: Random) -> None:
    """One statement over all products of a main category."""
    cursor.execute(
        "UPDATE shop.products SET price = %s WHERE sku IN (SELECT sku FROM shop.products WHERE main_category_id = %s"
        " ORDER BY sku FOR UPDATE)",
        (texts.price(random), pick.category(cursor, random)),
    )


def rename_product(cursor: Any, random: Random) -> None:
    catalogue.rename_product(cursor, pick.sku(cursor, random), texts.title(random))


def revise_product(cursor: Any, random: Random) -> None:
    attributes = None if random.random() < 0.3 else Json(texts.document(random))
    description, weight_kg = texts.description(random), random.choice(texts.WEIGHTS)
    catalogue.revise_product(cursor, pick.sku(cursor, random), description, attributes, weight_kg)


def change_sku(cursor: Any, random: Random) -> None:
    sku = pick.sku(cursor, random)
    catalogue.change_sku(cursor, sku, f"{sku.split('~')[0]}~{random.getrandbits(32):x}")


def add_product(cursor: Any, random: Random) -> None:
    main_category = random.choice((None, pick.category(cursor, random)))
    sku = f"NEW-{random.getrandbits(48):x}"
    catalogue.add_product(cursor, sku, texts.title(random), texts.price(random), main_category)
    catalogue.link_category(cursor, sku, pick.category(cursor, random), random.randrange(1, 5))


def drop_product(cursor: Any, random: Random) -> None:
    cursor.execute(
        "SELECT sku FROM shop.products p WHERE sku LIKE 'NEW-%' AND NOT EXISTS"
        " (SELECT 1 FROM shop.order_lines l WHERE l.sku = p.sku) ORDER BY sku LIMIT 20"
    )
    catalogue.drop_product(cursor, random.choice(pick.found(cursor, "a product that nobody ordered")))


def set_main_category(cursor: Any, random: Random) -> None:
    category_id = random.choice((None, pick.category(cursor, random), pick.category(cursor, random)))
    catalogue.set_main_category(cursor, pick.sku(cursor, random), category_id)


def link_category(cursor: Any, random: Random) -> None:
    catalogue.link_category(cursor, pick.sku(cursor, random), pick.category(cursor, random), random.randrange(1, 5))


def unlink_category(cursor: Any, random: Random) -> None:
    sku = pick.sku(cursor, random)
    cursor.execute(
        "SELECT sku, category_id FROM shop.product_categories WHERE sku >= %s ORDER BY sku, category_id LIMIT 1", (sku,)
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFoundError("no product is linked")
    catalogue.unlink_category(cursor, *row)


def rename_category(cursor: Any, random: Random) -> None:
    name = f"{random.choice(texts.CATEGORY_NAMES)} {random.choice(texts.AWKWARD)}"
    catalogue.rename_category(cursor, pick.category(cursor, random), name)


def reparent_category(cursor: Any, random: Random) -> None:
    parent_id = random.choice((None, pick.category(cursor, random), pick.category(cursor, random)))
    catalogue.reparent_category(cursor, pick.category(cursor, random), parent_id)


def renumber_category(cursor: Any, random: Random) -> None:
    catalogue.renumber_category(cursor, pick.category(cursor, random))


def correct_customer(cursor: Any, random: Random) -> None:
    customer_id = pick.customer(cursor, random)
    correction = customers.Correction(name=texts.name(random), email=texts.email(random, customer_id))
    customers.correct_customer(cursor, customer_id, correction)


def move_customer(cursor: Any, random: Random) -> None:
    """Set or clear the foreign key to the country."""
    correction = customers.Correction(country_code=random.choice((None, *texts.COUNTRY_CODES)))
    customers.correct_customer(cursor, pick.customer(cursor, random), correction)


def set_preferences(cursor: Any, random: Random) -> None:
    preferences = None if random.random() < 0.3 else Json(texts.document(random))
    customers.set_preferences(cursor, pick.customer(cursor, random), preferences)


def register_customer(cursor: Any, random: Random) -> None:
    email, country = texts.email(random, "new"), random.choice((None, *texts.COUNTRY_CODES))
    customer_id = customers.register_customer(cursor, texts.name(random), email, country)
    _add_address(cursor, random, customer_id)


def forget_customer(cursor: Any, random: Random) -> None:
    cursor.execute(
        "SELECT customer_id FROM shop.customers c WHERE NOT EXISTS"
        " (SELECT 1 FROM shop.orders o WHERE o.customer_id = c.customer_id) ORDER BY customer_id LIMIT 20"
    )
    customers.forget_customer(cursor, random.choice(pick.found(cursor, "a customer without orders")))


def renumber_customer(cursor: Any, random: Random) -> None:
    customers.renumber_customer(cursor, pick.customer(cursor, random))


def add_address(cursor: Any, random: Random) -> None:
    _add_address(cursor, random, pick.customer(cursor, random))


def remove_address(cursor: Any, random: Random) -> None:
    customer_id = pick.customer(cursor, random)
    address_no = pick.address_no(cursor, random, customer_id)
    if address_no is None:
        raise NotFoundError(f"customer {customer_id} has no address")
    customers.remove_address(cursor, customer_id, address_no)


def rename_country(cursor: Any, random: Random) -> None:
    code, name, *_ = random.choice(texts.COUNTRIES)
    customers.rename_country(cursor, code, f"{name} {random.choice(texts.AWKWARD)}")


def savepoint(cursor: Any, random: Random) -> None:
    """Two changes stay, what happened between them is taken back."""
    rename_product(cursor, random)
    cursor.execute("SAVEPOINT between")
    place_order(cursor, random)
    change_note(cursor, random)
    cursor.execute("ROLLBACK TO SAVEPOINT between")
    change_shipping_address(cursor, random)


def several_at_once(cursor: Any, random: Random) -> None:
    """Many rows of many tables in one transaction, some of them changed twice."""
    place_order(cursor, random)
    move_line(cursor, random)
    link_category(cursor, random)
    correct_customer(cursor, random)
    renumber_order(cursor, random)
    settle_payments(cursor, random)


# Every kind, and how often it comes relative to the others.
KINDS: Mapping[str, tuple[Operation, int]] = MappingProxyType(
    {
        operation.__name__: (operation, weight)
        for operation, weight in (
            (place_order, 160),
            (place_order_lines_first, 20),
            (change_quantity, 120),
            (remove_line, 40),
            (change_note, 60),
            (change_shipping_address, 50),
            (cancel_order, 20),
            (delete_order, 30),
            (delete_and_place_again, 10),
            (move_line, 70),
            (renumber_order, 20),
            (request_payment, 60),
            (settle_payments, 60),
            (ship_many, 8),
            (reprice_category, 5),
            (rename_product, 15),
            (revise_product, 25),
            (change_sku, 5),
            (add_product, 10),
            (drop_product, 6),
            (set_main_category, 12),
            (link_category, 40),
            (unlink_category, 30),
            (rename_category, 2),
            (reparent_category, 5),
            (renumber_category, 2),
            (correct_customer, 50),
            (move_customer, 20),
            (set_preferences, 25),
            (register_customer, 15),
            (forget_customer, 8),
            (renumber_customer, 5),
            (add_address, 20),
            (remove_address, 12),
            (rename_country, 1),
            (savepoint, 10),
            (several_at_once, 15),
        )
    }
)


def _add_address(cursor: Any, random: Random, customer_id: int) -> None:
    street = f"{random.choice(texts.STREETS)} {random.randrange(200)}"
    country = random.choice((None, *texts.COUNTRY_CODES))
    customers.add_address(cursor, customer_id, street, random.choice(texts.CITIES), country)
