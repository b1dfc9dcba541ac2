"""TPC-C end to end: loads overtaken by its five transactions, faults, and `verify` finds no difference.

Also what the specification demands of a consistent database, asked of the documents.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg2
import pytest

from local.dms.records import Record
from tests.proof.replay import Replay, read_folder
from tests.proof.standin import Capture, random_task, settings_of
from tests.proof.tpcc.fill import Scale, fill
from tests.proof.tpcc.terminal import Terminal

_MAPPINGS: Final = Path(__file__).parent / "tpcc"
_SMALL: Final = Scale(districts=2, customers=8, orders=8, items=30)
_LARGE: Final = Scale(districts=5, customers=15, orders=15, items=60)
_BATCHES: Final = (100, 300, 1_000)

Documents = dict[tuple[str, str], dict[str, Any]]


def run(url: str, seed: int, scale: Scale, transactions: int, faults: int) -> tuple[Replay, Terminal]:
    """The first half of the transactions beside the load, the second after it; everything through one fleet."""
    rng = random.Random(seed)
    settings = settings_of(random_task(rng, "tpcc"))
    with closing(psycopg2.connect(url)) as connection:
        with connection, connection.cursor() as cursor:
            fill(cursor, rng, scale)
        terminal = Terminal(rng, connection, scale)
        capture = Capture(url, "tpcc", settings)
        tables = capture.begin()
        try:
            loads: list[list[Record]] = []
            for table in rng.sample(tables, len(tables)):
                for _ in range(transactions // 2 // len(tables)):
                    terminal.transaction()
                loads.append(capture.load(table))
            while terminal.done.total() < transactions:
                terminal.transaction()
            changes = capture.changes()
        finally:
            capture.end()
    replay = Replay(rng, read_folder(_MAPPINGS), settings)
    replay.run(loads, changes, faults=faults, batches=_BATCHES)
    return replay, terminal


def assert_consistent(documents: Documents) -> None:
    """The specification's first four conditions, and money: each follows from rows of several tables."""
    found = {name: [body for (of, _), body in documents.items() if of == name] for name, _ in documents}
    for warehouse in found["warehouse"]:
        assert warehouse["ytd"] == warehouse["ytd_of_districts"]
    for district in found["district"]:
        assert district["next_order"] - 1 == district["last_order"] == district["order_count"]
        if district["waiting_count"]:
            assert district["last_waiting"] == district["last_order"]
            assert district["last_waiting"] - district["first_waiting"] + 1 == district["waiting_count"]
        assert district["declared_lines"] == district["line_count"]
        assert district["ytd"] == district["taken"]
    for order in found["order"]:
        assert order["declared_lines"] == order["line_count"] == len(order["lines"])
        assert (order["waiting"] is not None) == (order["state"] == "open") == (order["delivered_at"] is None)
    for customer in found["customer"]:
        assert customer["paid"] == customer["payments_sum"]
        assert customer["payment_count"] == customer["c_payment_cnt"]
    assert sum(d["ytd"] for d in found["district"]) == sum((c["paid"] for c in found["customer"]), Decimal(0))


def test_no_difference_after_a_few_hundred_transactions(new_database: Callable[..., str]) -> None:
    """Two warehouses scaled down; every kind of transaction ran, one new order at least was rolled back."""
    url = new_database()

    replay, terminal = run(url, seed=92, scale=_SMALL, transactions=250, faults=8)

    assert len(terminal.done) == 7
    assert replay.wrongs() == []
    report = replay.verify(url)
    assert (report.differences, report.verified) == (0, len(replay.documents()))
    assert_consistent(replay.documents())


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_no_difference_after_many_more(new_database: Callable[..., str], seed: int) -> None:
    """More rows, more transactions, more faults."""
    url = new_database()

    replay, _ = run(url, seed, _LARGE, transactions=600, faults=20)

    assert replay.wrongs() == []
    assert replay.verify(url).differences == 0
    assert_consistent(replay.documents())
