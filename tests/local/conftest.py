"""One PostgreSQL server for the whole run, a fresh database for whoever asks."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from local.monolith.seed import create_schema, insert_seed
from local.postgres import Postgres
from local.processes import free_port

SHOP_ORDERS = 200

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running server with a logical log. Not durable: it is thrown away."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), free_port(), durable=False)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[Callable[..., str]]:
    """Call it, with a template's name if wanted, for the URL of a database that the test has for itself."""
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"test_{next(_numbers)}"
        postgres.create_database(name, template=template)
        made.append(name)
        return postgres.url(name)

    yield make
    for name in made:
        postgres.drop_database(name)


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
