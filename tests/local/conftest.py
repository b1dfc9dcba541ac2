"""A seeded shop for whoever asks."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from local.monolith.seed import create_schema, insert_seed
from local.postgres import Postgres

SHOP_ORDERS = 200


@pytest.fixture(scope="session")
def shop_template(postgres: Postgres) -> str:
    """The name of a database with the monolith's schema and a small seed, to be copied."""
    postgres.create_database("shop_template")
    connect = psycopg2.connect(postgres.url("shop_template"))
    with closing(connect) as connection, connection, connection.cursor() as cursor:
        create_schema(cursor)
        insert_seed(cursor, orders=SHOP_ORDERS)
    return "shop_template"


@pytest.fixture
def shop(new_database: Callable[..., str], shop_template: str) -> str:
    """The URL of a freshly seeded shop that the test has for itself."""
    return new_database(shop_template)
