"""Fills an empty shop, the same way for the same seed number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from importlib.resources import files
from random import Random
from typing import Any

from psycopg2.extras import Json, execute_values

from local.monolith import texts

Row = tuple[Any, ...]

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_FRACTIONS_MICROS = (0, 1, 10, 120_000, 123_456, 500_000, 999_999)
# Odd ones among them: half and quarter hours, and the offset with seconds that Amsterdam had.
_ZONES = tuple(timezone(timedelta(seconds=s)) for s in (0, 3600, -18_000, 20_700, 34_200, 1_172, -43_200, 50_400))
_ODD_TIMES = (
    datetime(1883, 11, 18, 12, 3, 58, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
# orders have 3 to 12 lines, mostly few
_LINES_WEIGHTS = (20, 18, 14, 10, 8, 6, 5, 4, 3, 2)
_ODD_DATES = (date(1, 1, 1), date(1900, 2, 28), date(2024, 2, 29), date(9999, 12, 31))
_TOP_CATEGORIES, _MIDDLE_CATEGORIES, _CATEGORIES = 4, 16, 40
_NUMBERED = {
    "customers": "customer_id",
    "categories": "category_id",
    "orders": "order_id",
    "payments": "payment_id",
}


@dataclass(frozen=True, slots=True)
class Shop:
    """All rows, table by table, in an order in which the foreign keys allow them."""

    countries: Sequence[Row]
    customers: Sequence[Row]
    addresses: Sequence[Row]
    categories: Sequence[Row]
    products: Sequence[Row]
    product_categories: Sequence[Row]
    orders: Sequence[Row]
    order_lines: Sequence[Row]
    payments: Sequence[Row]


def create_schema(cursor: Any) -> None:
    """Create the empty schemas shop and ops."""
    cursor.execute((files(__package__) / "schema.sql").read_text(encoding="utf-8"))


def insert_seed(cursor: Any, *, seed: int = 1, orders: int = 2_000) -> dict[str, int]:
    """Insert the seed data into the empty schema; return the count of rows of each table."""
    shop = make_shop(seed, orders)
    counts = {}
    for table in Shop.__slots__:
        rows = getattr(shop, table)
        execute_values(cursor, f"INSERT INTO shop.{table} VALUES %s", rows, page_size=500)  # noqa: S608 (our own names)
        counts[table] = len(rows)
    for table, column in _NUMBERED.items():
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('shop.{table}', '{column}'), max({column})) FROM shop.{table}"  # noqa: S608
        )
    return counts


def make_shop(seed: int, orders: int) -> Shop:
    """Make all rows; customers and products grow with the orders."""
    random = Random(seed)
    customers = [_customer(random, n) for n in range(1, max(orders // 4, 12) + 1)]
    addresses = [address for n in range(1, len(customers) + 1) for address in _addresses(random, n)]
    categories = [_category(random, n) for n in range(1, _CATEGORIES + 1)]
    products = [_product(random, sku) for sku in _skus(min(max(orders * 3 // 20, 40), 300))]
    links = [link for product in products for link in _links(random, product[0])]
    address_counts = [0] * (len(customers) + 1)
    for address in addresses:
        address_counts[address[0]] += 1
    prices = {product[0]: product[3] for product in products}
    order_rows: list[Row] = []
    lines: list[Row] = []
    payments: list[Row] = []
    for order_id in range(1, orders + 1):
        own_lines = list(_lines(random, order_id, prices))
        order = _order(random, order_id, address_counts, own_lines)
        order_rows.append(order)
        lines += own_lines
        payments += _payments(random, order, len(payments))
    return Shop(texts.COUNTRIES, customers, addresses, categories, products, links, order_rows, lines, payments)


def _customer(random: Random, number: int) -> Row:
    preferences = None if random.random() < 0.3 else Json(texts.document(random))
    country = None if random.random() < 0.1 else random.choice(texts.COUNTRY_CODES)
    email = texts.email(random, number)
    return (number, texts.name(random), email, random.random() < 0.2, preferences, country, _moment(random))


def _addresses(random: Random, customer_id: int) -> Iterator[Row]:
    for number in range(1, random.randrange(1, 4) + 1):
        kind = random.choice(("billing", "shipping", "pickup"))
        street = f"{random.choice(texts.STREETS)} {random.randrange(1, 200)}"
        postal_code = random.choice((None, f"{random.randrange(100_000):05}", "SW1A 1AA"))
        country = None if random.random() < 0.1 else random.choice(texts.COUNTRY_CODES)
        yield (customer_id, number, kind, street, random.choice(texts.CITIES), postal_code, country)


def _category(random: Random, number: int) -> Row:
    if number <= _TOP_CATEGORIES:
        parent = None
    elif number <= _MIDDLE_CATEGORIES:
        parent = random.randrange(1, _TOP_CATEGORIES + 1)
    else:
        parent = random.randrange(_TOP_CATEGORIES + 1, _MIDDLE_CATEGORIES + 1)
    return (number, f"{random.choice(texts.CATEGORY_NAMES)} {number}", parent)


def _skus(count: int) -> Iterable[str]:
    return (*texts.AWKWARD_SKUS, *(f"SKU-{n:05}" for n in range(1, count - len(texts.AWKWARD_SKUS) + 1)))


def _product(random: Random, sku: str) -> Row:
    attributes = None if random.random() < 0.3 else Json(texts.document(random))
    main_category = None if random.random() < 0.15 else random.randrange(1, _CATEGORIES + 1)
    available_from = random.choice(
        (None, random.choice(_ODD_DATES), date(2020, 1, 1) + timedelta(random.randrange(3000)))
    )
    description, weight = texts.description(random), random.choice(texts.WEIGHTS)
    active = random.random() < 0.95
    return (
        sku,
        texts.title(random),
        description,
        texts.price(random),
        weight,
        active,
        attributes,
        main_category,
        available_from,
    )


def _links(random: Random, sku: str) -> Iterator[Row]:
    """0 to 4 categories; two links of a product may have the same position."""
    for category_id in random.sample(range(1, _CATEGORIES + 1), random.randrange(5)):
        yield (sku, category_id, random.randrange(1, 5))


def _lines(random: Random, order_id: int, prices: dict[str, Decimal]) -> Iterator[Row]:
    skus = list(prices)
    for line_no in range(1, random.choices(range(3, 13), _LINES_WEIGHTS)[0] + 1):
        sku = random.choice(skus)
        quantity = random.choice((1, 1, 1, 2, 3))
        yield (order_id, line_no, sku, quantity, prices[sku], random.choice(texts.DISCOUNTS))


def _order(random: Random, order_id: int, address_counts: Sequence[int], lines: Iterable[Row]) -> Row:
    customer_id = random.randrange(1, len(address_counts))
    status = random.choices(("placed", "paid", "shipped", "cancelled"), (40, 30, 20, 10))[0]
    address = None if random.random() < 0.2 else random.randrange(1, address_counts[customer_id] + 1)
    total = sum((_amount(*line[3:]) for line in lines), Decimal("0.00"))
    return (order_id, customer_id, status, address, _moment(random), texts.note(random), total)


def _amount(quantity: int, unit_price: Decimal, discount: Decimal | None) -> Decimal:
    exact = quantity * unit_price * (1 - (discount or 0))
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _payments(random: Random, order: Row, already: int) -> Iterator[Row]:
    for number in range(1, random.choice((0, 1, 1, 2)) + 1):
        method = random.choice(("card", "transfer", "cash", "voucher"))
        paid_at = None if random.random() < 0.3 else _moment(random)
        details = None if random.random() < 0.3 else Json(texts.document(random))
        yield (already + number, order[0], method, order[-1], paid_at, details)


def _moment(random: Random) -> datetime:
    if random.random() < 0.02:
        return random.choice(_ODD_TIMES)
    micros = random.choice((*_FRACTIONS_MICROS, random.randrange(1_000_000)))
    moment = _EPOCH + timedelta(seconds=random.randrange(60_000_000), microseconds=micros)
    return moment.astimezone(random.choice(_ZONES))
