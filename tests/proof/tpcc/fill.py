"""The rows that TPC-C begins with, scaled down: the same seed makes the same rows."""

# the tables are this file's own, every value is a parameter
# ruff: noqa: S608

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = Path(__file__).with_name("schema.sql")
START: Final = datetime(2024, 2, 28, 23, 0, 0)  # noqa: DTZ001  the source's columns have no zone
DISTRICT_TEXTS: Final = 10  # a stock row has a text for each district of a warehouse
_SYLLABLES: Final = ("BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING")
_LETTERS: Final = string.ascii_letters + string.digits

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many rows: districts of a warehouse, customers and orders of a district."""

    warehouses: int = 2
    districts: int = 10
    customers: int = 30
    orders: int = 30
    items: int = 200

    @property
    def waiting(self) -> int:
        """The orders of a district that are not delivered at the beginning: its last three of ten."""
        return self.orders * 3 // 10


def last_name(number: int) -> str:
    """The surname of a number up to 999: a syllable for each digit."""
    return "".join(_SYLLABLES[int(digit)] for digit in f"{number:03d}")


def text(rng: random.Random, least: int, most: int) -> str:
    """Letters and digits."""
    return "".join(rng.choices(_LETTERS, k=rng.randint(least, most)))


def money(rng: random.Random, least_cents: int, most_cents: int) -> Decimal:
    """An amount with two digits behind the point."""
    return Decimal(rng.randint(least_cents, most_cents)) / 100


def fill(cursor: Any, rng: random.Random, scale: Scale) -> int:
    """Make the tables and their rows, in the transaction that is open. Returns the number of rows."""
    cursor.execute(SCHEMA.read_text())
    make = _Rows(rng, scale)
    count = 0
    for table, columns, rows in (
        ("warehouse", "", make.warehouses()),
        ("district", "", make.districts()),
        ("customer", "", make.customers()),
        ("history", "(h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data)", make.history()),
        ("item", "", make.items()),
        ("stock", "", make.stock()),
        ("orders", "", make.orders()),
        ("order_line", "", make.order_lines()),
        ("new_order", "", make.new_orders()),
    ):
        for row in rows:
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO tpcc.{table} {columns} VALUES ({marks})", row)
            count += 1
    return count


class _Rows:
    def __init__(self, rng: random.Random, scale: Scale) -> None:
        self._rng = rng
        self._scale = scale
        self._placed: list[tuple[int, int, int, int]] = []  # warehouse, district, order, number of lines

    def _address(self) -> Row:
        rng = self._rng
        street = (text(rng, 10, 20), text(rng, 10, 20), text(rng, 10, 20))
        return (*street, "".join(rng.choices(string.ascii_uppercase, k=2)), f"{rng.randint(0, 9999):04d}11111")

    def _places(self) -> Iterator[tuple[int, int]]:
        for warehouse in range(1, self._scale.warehouses + 1):
            for district in range(1, self._scale.districts + 1):
                yield warehouse, district

    def _tax(self) -> Decimal:
        return Decimal(self._rng.randint(0, 2_000)) / 10_000

    def warehouses(self) -> Iterator[Row]:
        """Each has taken ten from every customer."""
        taken = Decimal(10 * self._scale.districts * self._scale.customers)
        for warehouse in range(1, self._scale.warehouses + 1):
            yield (warehouse, text(self._rng, 6, 10), *self._address(), self._tax(), taken)

    def districts(self) -> Iterator[Row]:
        """The next order's number follows the last."""
        taken = Decimal(10 * self._scale.customers)
        for place in self._places():
            yield (*place, text(self._rng, 6, 10), *self._address(), self._tax(), taken, self._scale.orders + 1)

    def customers(self) -> Iterator[Row]:
        """One of ten has bad credit."""
        rng = self._rng
        for place in self._places():
            for number in range(1, self._scale.customers + 1):
                phone = "".join(rng.choices(string.digits, k=16))
                credit = "BC" if rng.random() < 0.1 else "GC"
                names = (text(rng, 8, 16), "OE", last_name((number - 1) // 2))  # two customers share a surname
                figures = (Decimal(50_000), Decimal(rng.randint(0, 5_000)) / 10_000, Decimal(-10), Decimal(10), 1, 0)
                yield (*place, number, *names, *self._address(), phone, START, credit, *figures, text(rng, 300, 500))

    def history(self) -> Iterator[Row]:
        """A payment of each customer."""
        for warehouse, district in self._places():
            for number in range(1, self._scale.customers + 1):
                yield (number, district, warehouse, district, warehouse, START, 10, text(self._rng, 12, 24))

    def items(self) -> Iterator[Row]:
        """One of ten is original."""
        rng = self._rng
        for number in range(1, self._scale.items + 1):
            price = money(rng, 100, 10_000)
            yield (number, rng.randint(1, 10_000), text(rng, 14, 24), price, self._maybe_original())

    def stock(self) -> Iterator[Row]:
        """Every item in every warehouse."""
        rng = self._rng
        for warehouse in range(1, self._scale.warehouses + 1):
            for item in range(1, self._scale.items + 1):
                texts = (text(rng, 24, 24) for _ in range(DISTRICT_TEXTS))
                yield (warehouse, item, rng.randint(10, 100), *texts, 0, 0, 0, self._maybe_original())

    def _maybe_original(self) -> str:
        found = text(self._rng, 26, 50)
        return found[:9] + "ORIGINAL" + found[17:] if self._rng.random() < 0.1 else found

    def orders(self) -> Iterator[Row]:
        """Placed by the district's customers in random order; the last ones wait."""
        rng = self._rng
        for place in self._places():
            customers = rng.sample(range(1, self._scale.customers + 1), self._scale.customers)
            for number in range(1, self._scale.orders + 1):
                lines = rng.randint(5, 15)
                self._placed.append((*place, number, lines))
                carrier = None if self._waits(number) else rng.randint(1, 10)
                yield (*place, number, customers[number % len(customers)], self._at(number), carrier, lines, 1)

    def _waits(self, number: int) -> bool:
        return number > self._scale.orders - self._scale.waiting

    def _at(self, number: int) -> datetime:
        return START + timedelta(seconds=7 * number)

    def order_lines(self) -> Iterator[Row]:
        """Delivered ones cost nothing, as the specification has it."""
        rng = self._rng
        for warehouse, district, number, lines in self._placed:
            waits = self._waits(number)
            delivered = None if waits else self._at(number)
            for line in range(1, lines + 1):
                amount = money(rng, 1, 999_999) if waits else Decimal(0)
                item = rng.randint(1, self._scale.items)
                yield (warehouse, district, number, line, item, warehouse, delivered, 5, amount, text(rng, 24, 24))

    def new_orders(self) -> Iterator[Row]:
        """The orders that wait."""
        for warehouse, district, number, _ in self._placed:
            if self._waits(number):
                yield (warehouse, district, number)
