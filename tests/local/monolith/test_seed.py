"""The seed data are the same for the same number, large enough, and awkward in every way that the schema allows."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local.monolith.seed import Shop, make_shop

Query = Callable[..., list[Any]]

NULLABLE = [
    ("customers", "email"),
    ("customers", "preferences"),
    ("customers", "country_code"),
    ("addresses", "postal_code"),
    ("addresses", "country_code"),
    ("categories", "parent_id"),
    ("products", "description"),
    ("products", "weight_kg"),
    ("products", "attributes"),
    ("products", "main_category_id"),
    ("products", "available_from"),
    ("orders", "shipping_address_no"),
    ("orders", "note"),
    ("order_lines", "discount"),
    ("payments", "paid_at"),
    ("payments", "details"),
]


@pytest.fixture(scope="module")
def full_shop() -> Shop:
    return make_shop(seed=1, orders=2_000)


def text_of(shop: Shop) -> str:
    rows = [getattr(shop, table) for table in Shop.__slots__]
    return repr([[[getattr(value, "adapted", value) for value in row] for row in table] for table in rows])


def test_the_same_number_makes_the_same_shop_and_another_number_another() -> None:
    assert text_of(make_shop(7, 30)) == text_of(make_shop(7, 30))
    assert text_of(make_shop(7, 30)) != text_of(make_shop(8, 30))


def test_orders_have_3_to_12_lines_and_customers_1_to_3_addresses(full_shop: Shop) -> None:
    lines = Counter(line[0] for line in full_shop.order_lines)
    addresses = Counter(address[0] for address in full_shop.addresses)

    assert len(full_shop.orders) == 2_000
    assert set(lines.values()) == set(range(3, 13))
    assert set(addresses.values()) == {1, 2, 3}
    assert len(lines) == len(full_shop.orders)
    assert len(addresses) == len(full_shop.customers) == 500


def test_categories_are_a_tree_of_three_levels(full_shop: Shop) -> None:
    parents = {number: parent for number, _, parent in full_shop.categories}

    def level(number: int) -> int:
        return 1 if parents[number] is None else 1 + level(parents[number])

    assert {level(number) for number in parents} == {1, 2, 3}


def test_names_and_titles_hold_any_unicode(full_shop: Shop) -> None:
    text = "".join(row[1] for row in (*full_shop.customers, *full_shop.products))

    for wanted in ("\n", "'", '"', "\\", "\u0308", "👩‍👩‍👧‍👦", "ד", "\u202e", "\x01", "\U0010ffff"):
        assert wanted in text


@pytest.mark.parametrize(("table", "column"), NULLABLE)
def test_every_nullable_column_has_nulls_and_values(query: Query, table: str, column: str) -> None:
    nulls, values = query(f"SELECT count(*) - count({column}), count({column}) FROM shop.{table}")[0]  # noqa: S608

    assert nulls > 0
    assert values > 0


def test_no_nullable_column_is_left_out_above(query: Query) -> None:
    nullable = query(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'shop' AND is_nullable = 'YES'"
    )

    assert set(nullable) == set(NULLABLE)


def test_totals_are_the_sums_of_the_lines(wrong_totals: Callable[[], list[Any]]) -> None:
    assert wrong_totals() == []


def test_some_descriptions_are_kept_outside_their_rows(query: Query) -> None:
    """Updates of such a row do not carry the text in the database's log: change capture has to cope."""
    chunks = query("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'shop.products'::regclass")[0][0]

    assert query(f"SELECT count(*) > 0 FROM {chunks}") == [(True,)]  # noqa: S608


def test_new_rows_get_numbers_behind_the_seeded_ones(query: Query) -> None:
    statement = "INSERT INTO shop.orders (customer_id, status, total) VALUES (1, 'placed', 0) RETURNING order_id"
    largest = query("SELECT max(order_id) FROM shop.orders")[0][0]

    assert query(statement) == [(largest + 1,)]
