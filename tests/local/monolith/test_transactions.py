"""Transactions commit or roll back, and run again after a deadlock."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from local.monolith.transactions import run_transaction

Query = Callable[..., list[Any]]


def test_an_exception_rolls_back(module_shop: str, query: Query) -> None:
    def work(cursor: Any) -> None:
        cursor.execute("UPDATE shop.products SET title = 'lost'")
        raise KeyError

    with closing(psycopg2.connect(module_shop)) as connection, pytest.raises(KeyError):
        run_transaction(connection, work)

    assert query("SELECT count(*) FROM shop.products WHERE title = 'lost'") == [(0,)]


def test_both_of_two_deadlocked_transactions_succeed_in_the_end(module_shop: str, query: Query) -> None:
    meet, retries = threading.Barrier(2, timeout=30), []

    def update(first: str, second: str) -> None:
        attempts: list[int] = []

        def work(cursor: Any) -> None:
            attempts.append(1)
            cursor.execute("UPDATE shop.products SET title = title || '!' WHERE sku = %s", (first,))
            if len(attempts) == 1:
                meet.wait()
            cursor.execute("UPDATE shop.products SET title = title || '!' WHERE sku = %s", (second,))

        with closing(psycopg2.connect(module_shop, options="-c deadlock_timeout=50ms")) as connection:
            run_transaction(connection, work, lambda: retries.append(1))

    query("UPDATE shop.products SET title = 'x' WHERE sku IN ('42', '042')")
    threads = [threading.Thread(target=update, args=skus) for skus in (("42", "042"), ("042", "42"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert query("SELECT title FROM shop.products WHERE sku IN ('42', '042')") == [("x!!",), ("x!!",)]
    assert len(retries) >= 1
