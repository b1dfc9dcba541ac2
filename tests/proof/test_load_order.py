"""A load and changes of the same rows in each order that the stream may have, one by one: real source, real records."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from local.dms.records import Record
from tests.proof.loads import Delivery, SweptFleet
from tests.proof.standin import Capture, random_task, settings_of
from tests.worker.projection.strict_store import StrictStore
from tests.worker.rebuild.sweeping import documents
from worker.mapping.loader import read_mappings
from worker.projection.plan import make_plan
from worker.records.source import Source

SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id int PRIMARY KEY, name varchar(20), letter text);
CREATE TABLE shop.orders (id int PRIMARY KEY, customer_id int, note varchar(20));
ALTER TABLE shop.customers ALTER letter SET STORAGE EXTERNAL;
INSERT INTO shop.customers VALUES (1, 'Ada', repeat('x', 3000)), (2, 'Ben', 'short');
INSERT INTO shop.orders VALUES (10, 1, 'first'), (20, 2, 'second');
"""
MAPPING = """
aggregate: order
source: shop.orders
key: id
fields: [id, note]
one:
  customer: {source: shop.customers, key: id, join: customer_id, fields: [name, {letter: letter}]}
"""
TABLES = ("shop.customers", "shop.orders")


class Shop:
    """A captured source, one shard, and a worker that does whatever is delivered to it."""

    def __init__(self, url: str) -> None:
        """Filled; the capture begins."""
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self.sql(SCHEMA)
        task = random_task(random.Random(0), "shop")
        task["StandIn"] |= {"PutRecordsFailureRate": 0, "LostReplyRate": 0, "InterleaveKeys": False}
        self._settings = settings_of(task)
        self._capture = Capture(url, "shop", self._settings)
        self._capture.begin()
        self._seen = 0
        self.store = StrictStore()
        mapping, problems = read_mappings({"order.yaml": MAPPING})
        assert mapping is not None, problems
        self._plan = make_plan(mapping)

    def close(self) -> None:
        """Leave the source."""
        self._capture.end()
        self._connection.close()

    def sql(self, statement: str) -> None:
        """Change the source."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def load(self, *tables: str) -> list[Record]:
        """The rows of tables as they are now."""
        return [record for table in tables for record in self._capture.load(table)]

    def changes(self) -> list[Record]:
        """Changes since the last time."""
        found = self._capture.changes()
        new, self._seen = found[self._seen :], len(found)
        return new

    def deliver(self, *parts: list[Record]) -> None:
        """Parts one after the other, each in batches of its own."""
        for part in parts:
            rng = random.Random(1)
            delivery = Delivery(rng, self._settings)
            delivery.put([list(part)])
            SweptFleet(rng, self._plan, Source(), delivery.take(), faults=0, store=self.store).run()

    def assert_right(self) -> None:
        """The documents are the join."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT o.id, o.note, c.id IS NOT NULL, c.name, c.letter"
                " FROM shop.orders o LEFT JOIN shop.customers c ON c.id = o.customer_id"
            )
            wanted = {
                f"order#{row[0]}": {
                    "id": row[0],
                    "note": row[1],
                    "customer": {"name": row[3], "letter": row[4]} if row[2] else None,
                }
                for row in cursor.fetchall()
            }
        assert documents(self.store) == wanted
        assert (self.store.image_regressions, self.store.document_regressions) == (0, 0)

    def document(self, key: int) -> Any:
        """An order as readers get it, None for nobody's."""
        return documents(self.store).get(f"order#{key}")


@pytest.fixture
def shop(new_database: Callable[..., str]) -> Iterator[Shop]:
    with closing(Shop(new_database())) as made:
        yield made


def test_a_load_that_comes_after_the_delete_of_its_row_does_not_bring_it_back(shop: Shop) -> None:
    held = shop.load(*TABLES)
    shop.sql("DELETE FROM shop.orders WHERE id = 10; DELETE FROM shop.customers WHERE id = 2")
    shop.deliver(shop.changes(), held)
    shop.assert_right()


def test_a_load_that_comes_after_the_changes_of_its_rows_fills_only_what_they_did_not_carry(shop: Shop) -> None:
    held = shop.load(*TABLES)
    shop.sql("UPDATE shop.customers SET name = 'Eve' WHERE id = 1")  # the record lacks the large letter
    shop.sql("UPDATE shop.orders SET customer_id = 1 WHERE id = 20")
    shop.deliver(shop.changes(), held)
    shop.assert_right()


def test_changes_that_the_load_shows_already_may_follow_it(shop: Shop) -> None:
    shop.sql("UPDATE shop.orders SET note = 'a'; UPDATE shop.orders SET note = 'b', customer_id = 2")
    shop.sql("DELETE FROM shop.orders WHERE id = 20; UPDATE shop.customers SET name = 'Eve'")
    late = shop.load(*TABLES)
    shop.sql("UPDATE shop.orders SET customer_id = 1")
    shop.deliver(late, shop.changes())
    shop.assert_right()


@pytest.mark.parametrize("first", TABLES)
def test_tables_may_be_loaded_at_different_times(shop: Shop, first: str) -> None:
    (second,) = set(TABLES) - {first}
    early = shop.load(first)
    shop.sql("UPDATE shop.orders SET customer_id = 3 WHERE id = 10; INSERT INTO shop.customers VALUES (3, 'Cid', 'l')")
    between = shop.changes()
    late = shop.load(second)
    shop.sql(
        "UPDATE shop.orders SET customer_id = 1 WHERE id = 20; UPDATE shop.customers SET name = 'Dan' WHERE id = 1"
    )
    shop.deliver(early, between, late, shop.changes())
    shop.assert_right()


def test_a_repeated_load_beats_the_first_and_fills_what_never_reached_the_stream(shop: Shop) -> None:
    shop.deliver(shop.load(*TABLES))
    shop.sql("UPDATE shop.orders SET note = 'lost'; INSERT INTO shop.orders VALUES (30, 2, 'lost, too')")
    shop.changes()  # nobody gets them
    shop.deliver(shop.load("shop.orders"))
    shop.assert_right()


def test_a_repeated_load_that_comes_before_the_first_stays(shop: Shop) -> None:
    first = shop.load(*TABLES)
    shop.sql("UPDATE shop.orders SET note = 'lost'")
    shop.changes()
    shop.deliver(shop.load("shop.orders"), first)
    shop.assert_right()


def test_a_repeated_load_never_beats_a_change(shop: Shop) -> None:
    """That is why what changes have written needs a raised incarnation to be replaced."""
    shop.deliver(shop.load(*TABLES))
    shop.sql("UPDATE shop.orders SET note = 'changed' WHERE id = 10")
    shop.deliver(shop.changes())
    again = shop.load("shop.orders")
    shop.sql("UPDATE shop.orders SET note = 'once more' WHERE id = 10; DELETE FROM shop.orders WHERE id = 20")
    shop.deliver(shop.changes(), again)
    shop.assert_right()

    shop.sql("UPDATE shop.orders SET note = 'lost' WHERE id = 10")
    shop.changes()
    shop.deliver(shop.load("shop.orders"))
    assert shop.document(10)["note"] == "once more"


@pytest.mark.parametrize("load_first", [True, False])
def test_a_changed_key_that_the_load_shows_already_keeps_its_large_column(shop: Shop, load_first: bool) -> None:
    """The change does not carry the letter, and no record of the old key ever will: the load is the only one."""
    shop.sql("UPDATE shop.customers SET id = 3 WHERE id = 1; UPDATE shop.orders SET customer_id = 3")
    late, changes = shop.load(*TABLES), shop.changes()
    shop.deliver(*((late, changes) if load_first else (changes, late)))
    shop.assert_right()
