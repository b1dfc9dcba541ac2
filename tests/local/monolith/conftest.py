"""One seeded shop for the tests of a module: each looks only at what it did itself."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from local.monolith.service import Pool, create_app
from local.postgres import Postgres

Query = Callable[..., list[Any]]
Problem = Callable[[TestResponse], tuple[int, str]]

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def module_shop(postgres: Postgres, shop_template: str) -> Iterator[str]:
    """The URL of a seeded shop that the tests of a module share: copying one for each would take most of the time."""
    name = f"module_{next(_numbers)}"
    postgres.create_database(name, template=shop_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def query(module_shop: str) -> Iterator[Query]:
    """Run one statement in the module's shop, committed at once, and return its rows."""
    with closing(psycopg2.connect(module_shop)) as connection:
        connection.autocommit = True

        def run(statement: str, *values: object) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture(scope="module")
def client(module_shop: str) -> Iterator[FlaskClient]:
    pool = Pool(module_shop)
    yield create_app(pool).test_client()
    pool.close()


@pytest.fixture
def order_id(query: Query) -> int:
    """An order with several lines that may be changed."""
    return changeable(query, "min")


@pytest.fixture
def other_id(query: Query) -> int:
    """Another one."""
    return changeable(query, "max")


def changeable(query: Query, which: str) -> int:
    orders = "SELECT order_id FROM shop.orders NATURAL JOIN shop.order_lines WHERE status = 'placed'"
    statement = f"SELECT {which}(order_id) FROM ({orders} GROUP BY order_id HAVING count(*) > 3) AS found"  # noqa: S608
    found: int = query(statement)[0][0]
    return found


@pytest.fixture
def skus(query: Query) -> list[str]:
    """Two products that can be ordered."""
    return [row[0] for row in query("SELECT sku FROM shop.products WHERE active AND price < 100 LIMIT 2")]


@pytest.fixture
def problem() -> Problem:
    """Status and detail of a refusal, which has to be a problem document."""

    def read(response: TestResponse) -> tuple[int, str]:
        assert response.content_type == "application/problem+json"
        body = response.get_json()
        assert body["status"] == response.status_code
        return response.status_code, body["detail"]

    return read


@pytest.fixture
def wrong_totals(query: Query) -> Callable[[], list[Any]]:
    """The orders whose total is not the sum of their lines."""
    statement = (
        "SELECT order_id FROM shop.orders o WHERE total <> (SELECT coalesce(sum(round(quantity * unit_price"
        " * (1 - coalesce(discount, 0)), 2)), 0) FROM shop.order_lines l WHERE l.order_id = o.order_id)"
    )
    return lambda: query(statement)
