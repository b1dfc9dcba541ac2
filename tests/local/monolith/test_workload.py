"""The workload does every kind of transaction, counts what it did, and leaves the business's rules intact."""

import threading
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any

import psycopg2
import pytest

from local.monolith.errors import BusinessError
from local.monolith.operations import KINDS
from local.monolith.transactions import run_transaction
from local.monolith.workload import _attempt, _RollBackError, run_workload

TABLES = (
    "countries",
    "customers",
    "addresses",
    "categories",
    "products",
    "product_categories",
    "orders",
    "order_lines",
    "payments",
)


def content(url: str) -> dict[str, list[str]]:
    """All rows as text, table by table, without the moments at which the workload wrote them."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT to_jsonb(t) - 'placed_at' - 'created_at' - 'paid_at' FROM shop.{table} t")  # noqa: S608
            found[table] = sorted(str(row) for row in cursor.fetchall())
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_something_and_can_be_rolled_back(module_shop: str, kind: str) -> None:
    operation = KINDS[kind][0]
    with closing(psycopg2.connect(module_shop)) as connection:
        if kind == "drop_product":
            run_transaction(connection, _attempt(KINDS["add_product"][0], 1_000, False))
        before = content(module_shop)
        for seed in range(200):  # some rows do not allow it, some are already as they would become
            try:
                with pytest.raises(_RollBackError):
                    run_transaction(connection, _attempt(operation, seed, True))
            except BusinessError:
                continue
            assert content(module_shop) == before
            run_transaction(connection, _attempt(operation, seed, False))
            if content(module_shop) != before:
                return
    pytest.fail(f"{kind} changed nothing")


def test_concurrent_writers_leave_every_total_right(module_shop: str, wrong_totals: Callable[[], list[Any]]) -> None:
    counts = run_workload(module_shop, transactions=400, writers=4, seed=3)

    assert counts.transactions == 400
    assert counts.committed.total() + counts.rolled_back + counts.refused == 400
    assert counts.committed.total() > 300
    assert counts.rolled_back > 0
    assert wrong_totals() == []


def test_one_writer_does_the_same_for_the_same_seed(new_database: Callable[..., str], shop_template: str) -> None:
    first, second, other = (new_database(shop_template) for _ in range(3))

    chosen = ((first, 5), (second, 5), (other, 6))
    runs = [run_workload(url, transactions=60, writers=1, seed=seed) for url, seed in chosen]

    assert runs[0].committed == runs[1].committed
    assert content(first) == content(second)
    assert content(first) != content(other)


def test_a_workload_without_an_end_stops_when_told(module_shop: str) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()

    counts = run_workload(module_shop, rate=200, writers=2, stop=stop)

    assert stop.is_set()
    assert counts.to_json()["transactions"] == counts.transactions


def test_the_rate_is_not_exceeded(module_shop: str) -> None:
    counts = run_workload(module_shop, transactions=11, rate=50, writers=2, kinds=["change_note"])

    assert counts.seconds >= 10 / 50


def test_a_writer_that_fails_ends_the_workload(new_database: Callable[..., str]) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable):
        run_workload(new_database(), writers=2)


def test_only_picked_kinds_run(module_shop: str) -> None:
    counts = run_workload(module_shop, transactions=20, writers=1, kinds=["change_note"])

    assert set(counts.committed) == {"change_note"}


def test_random_numbers_of_an_attempt_are_the_same_again() -> None:
    seen: list[float] = []
    attempt = _attempt(lambda cursor, random: seen.append(random.random()), 7, False)

    attempt(None)
    attempt(None)

    assert seen == [Random(7).random()] * 2
