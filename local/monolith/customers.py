"""Customers, their addresses and countries: every rule about them, inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2 import errors, sql

from local.monolith.errors import ConflictError, NotFoundError, require_row
from local.monolith.orders import KEEP, Keep


@dataclass(frozen=True, slots=True)
class Correction:
    """What to correct of a customer; None clears what may be empty."""

    name: str | Keep = KEEP
    email: str | Keep | None = KEEP
    country_code: str | Keep | None = KEEP


def correct_customer(cursor: Any, customer_id: int, correction: Correction) -> None:
    """Correct a customer's name, e-mail address or country."""
    corrected = {
        column: value
        for column, value in (
            ("name", correction.name),
            ("email", correction.email),
            ("country_code", correction.country_code),
        )
        if value is not KEEP
    }
    if not corrected:
        lock_customer(cursor, customer_id)
        return
    assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in corrected)
    statement = sql.SQL("UPDATE shop.customers SET {} WHERE customer_id = %s").format(assignments)
    try:
        cursor.execute(statement, (*corrected.values(), customer_id))
    except errors.ForeignKeyViolation:
        raise NotFoundError(f"country {correction.country_code} does not exist") from None
    require_row(cursor, f"customer {customer_id}")


def set_preferences(cursor: Any, customer_id: int, preferences: Any) -> None:
    """Replace a customer's preferences; None clears them."""
    cursor.execute("UPDATE shop.customers SET preferences = %s WHERE customer_id = %s", (preferences, customer_id))
    require_row(cursor, f"customer {customer_id}")


def register_customer(cursor: Any, name: str, email: str | None, country_code: str | None) -> int:
    """Store a new customer and return the number."""
    cursor.execute(
        "INSERT INTO shop.customers (name, email, country_code) VALUES (%s, %s, %s) RETURNING customer_id",
        (name, email, country_code),
    )
    customer_id: int = cursor.fetchone()[0]
    return customer_id


def forget_customer(cursor: Any, customer_id: int) -> None:
    """Delete a customer without orders, addresses included."""
    lock_customer(cursor, customer_id)
    cursor.execute("SELECT 1 FROM shop.orders WHERE customer_id = %s LIMIT 1", (customer_id,))
    if cursor.fetchone() is not None:
        raise ConflictError(f"customer {customer_id} has orders and cannot be deleted")
    cursor.execute("DELETE FROM shop.addresses WHERE customer_id = %s", (customer_id,))
    cursor.execute("DELETE FROM shop.customers WHERE customer_id = %s", (customer_id,))


def renumber_customer(cursor: Any, customer_id: int) -> int:
    """Give a customer a new number; addresses and orders follow. Return the new number."""
    cursor.execute(
        "UPDATE shop.customers SET customer_id = nextval(pg_get_serial_sequence('shop.customers', 'customer_id'))"
        " WHERE customer_id = %s RETURNING customer_id",
        (customer_id,),
    )
    require_row(cursor, f"customer {customer_id}")
    renumbered: int = cursor.fetchone()[0]
    return renumbered


def add_address(cursor: Any, customer_id: int, street: str, city: str, country_code: str | None) -> int:
    """Add a shipping address behind the customer's last one; return its number."""
    lock_customer(cursor, customer_id)
    cursor.execute(
        "INSERT INTO shop.addresses (customer_id, address_no, kind, street, city, country_code)"
        " SELECT %s, coalesce(max(address_no), 0) + 1, 'shipping', %s, %s, %s FROM shop.addresses"
        " WHERE customer_id = %s RETURNING address_no",
        (customer_id, street, city, country_code, customer_id),
    )
    address_no: int = cursor.fetchone()[0]
    return address_no


def remove_address(cursor: Any, customer_id: int, address_no: int) -> None:
    """Remove an address; orders that were to go there have no shipping address then."""
    lock_customer(cursor, customer_id)
    cursor.execute(
        "UPDATE shop.orders SET shipping_address_no = NULL WHERE customer_id = %s AND shipping_address_no = %s",
        (customer_id, address_no),
    )
    cursor.execute("DELETE FROM shop.addresses WHERE customer_id = %s AND address_no = %s", (customer_id, address_no))
    require_row(cursor, f"address {customer_id}/{address_no}")


def rename_country(cursor: Any, country_code: str, name: str) -> None:
    """Give a country a new name."""
    cursor.execute("UPDATE shop.countries SET name = %s WHERE country_code = %s", (name, country_code))
    require_row(cursor, f"country {country_code}")


def lock_customer(cursor: Any, customer_id: int) -> None:
    """Keep others from changing a customer until the transaction ends; refused when there is none."""
    cursor.execute("SELECT 1 FROM shop.customers WHERE customer_id = %s FOR UPDATE", (customer_id,))
    if cursor.fetchone() is None:
        raise NotFoundError(f"customer {customer_id} does not exist")
