"""A connection to a seeded shop, for tests that look at what is in the database."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

Query = Callable[..., list[Any]]


@pytest.fixture
def query(shop: str) -> Iterator[Query]:
    """Run one statement in the test's shop, committed at once, and return its rows."""
    with closing(psycopg2.connect(shop)) as connection:
        connection.autocommit = True

        def run(statement: str, *values: object) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

        yield run
