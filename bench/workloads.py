"""The changes that benchmarks feed: DMS records as they stand in a stream, the same for the same arguments.

Records are those of a DMS task on PostgreSQL with `json-unformatted`, transaction details and before images.
"""

from __future__ import annotations

import base64
import datetime
import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

import orjson

MAPPINGS: Final = Path(__file__).parent / "mappings"
START: Final = datetime.datetime(2026, 3, 1, 8, tzinfo=datetime.UTC)
ARRIVED_MILLIS: Final = 1_772_352_000_000
FIRST_SEQUENCE_NUMBER: Final = 49_590_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_001
RECORDS_PER_LINE: Final = 1000
ZIPF: Final = 0.99
"""YCSB's skew."""

Row = dict[str, Any]


@dataclass(slots=True)
class Log:
    """The source's log as DMS reads it: every record has a later position, every transaction a later commit."""

    shard: int = 0
    position: int = 0x2_7C00_0000
    transaction: int = 1000
    number: int = 0
    previous: tuple[int, int] | None = None
    records: int = 0
    _committed: str = ""

    def begin(self) -> None:
        """A transaction of the source begins."""
        self.transaction += 1
        self.number = 0
        moment = START + datetime.timedelta(milliseconds=self.transaction)
        self._committed = f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"

    def change(self, operation: str, table: str, data: Row, before: Row | None = None) -> bytes:
        """The record of one change in the transaction."""
        self.number += 1
        self.position += 0x90
        schema, _, name = table.partition(".")
        high, low = self.position >> 32, self.position & 0xFFFF_FFFF
        metadata: Row = {
            "timestamp": self._committed,
            "record-type": "data",
            "operation": operation,
            "partition-key-type": "schema-table",
            "schema-name": schema,
            "table-name": name,
            "transaction-id": self.transaction,
            "transaction-record-id": self.number,
        }
        if self.previous:
            metadata["prev-transaction-id"], metadata["prev-transaction-record-id"] = self.previous
        metadata["commit-timestamp"] = self._committed
        metadata["stream-position"] = f"{high:08X}/{low:08X}.3.{high:08X}/{low:08X}"
        self.previous = (self.transaction, self.number)
        images: Row = {"data": data} if before is None else {"data": data, "before-image": before}
        return orjson.dumps({**images, "metadata": metadata}) + b"\n"

    def load(self, table: str, data: Row) -> bytes:
        """The record of a row that the full load reads."""
        schema, _, name = table.partition(".")
        metadata = {
            "timestamp": f"{START:%Y-%m-%dT%H:%M:%S.%fZ}",
            "record-type": "data",
            "operation": "load",
            "partition-key-type": "primary-key",
            "schema-name": schema,
            "table-name": name,
        }
        return orjson.dumps({"data": data, "metadata": metadata}) + b"\n"

    def line(self, records: Iterable[bytes]) -> bytes:
        """The daemon's line that delivers these records."""
        entries = []
        for data in records:
            self.records += 1
            entries.append(
                {
                    "action": "record",
                    "data": base64.b64encode(data).decode(),
                    "partitionKey": "bench",
                    "approximateArrivalTimestamp": ARRIVED_MILLIS,
                    "sequenceNumber": str(FIRST_SEQUENCE_NUMBER + self.records),
                    "subSequenceNumber": 0,
                }
            )
        return orjson.dumps({"action": "processRecords", "records": entries, "millisBehindLatest": 0}) + b"\n"

    def lines(self, records: Iterable[bytes], per_line: int = RECORDS_PER_LINE) -> list[bytes]:
        """Lines of so many records each."""
        left = iter(records)
        found = []
        while part := list(islice(left, per_line)):
            found.append(self.line(part))
        return found


class Zipf:
    """Numbers below `count`, a few of them very often."""

    def __init__(self, count: int, chance: random.Random) -> None:
        self._sums = list(accumulate(1 / (rank + 1) ** ZIPF for rank in range(count)))
        self._order = list(range(count))
        chance.shuffle(self._order)
        self._chance = chance

    def next(self) -> int:
        """One of them."""
        return self._order[bisect_left(self._sums, self._chance.random() * self._sums[-1])]


@dataclass(slots=True)
class Workload:
    """`setup` is fed first and not measured. `changes`: records in `lines`."""

    name: str
    mapping: str
    lines: list[bytes]
    changes: int
    setup: list[bytes] = field(default_factory=list)

    @property
    def mappings(self) -> Path:
        """Folder of the mapping files."""
        return MAPPINGS / self.mapping


# --- flat -------------------------------------------------------------------------------------------------------

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "


def _text(chance: random.Random, shortest: int, longest: int) -> str:
    return "".join(chance.choices(_LETTERS, k=chance.randint(shortest, longest)))


def _user(number: int, chance: random.Random) -> Row:
    return {"ycsb_key": f"user{number:010d}", **{f"field{at}": _text(chance, 8, 24) for at in range(10)}}


def flat_records(log: Log, rows: int, updates: int, chance: random.Random) -> Iterator[bytes]:
    """Inserts, then updates of whole rows, a few of them very often."""
    for number in range(rows):
        log.begin()
        yield log.change("insert", "ycsb.usertable", _user(number, chance))
    often = Zipf(rows, chance)
    for _ in range(updates):
        log.begin()
        yield log.change("update", "ycsb.usertable", _user(often.next(), chance), {})


def flat(rows: int, updates: int, seed: int = 1, per_line: int = RECORDS_PER_LINE) -> Workload:
    """YCSB-like: one table of ten text columns; a record has about 650 bytes."""
    log = Log()
    lines = log.lines(flat_records(log, rows, updates, random.Random(seed)), per_line)
    return Workload("flat", "flat", lines, rows + updates)


# --- nested -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Shop:
    """Makes orders of known customers and products."""

    customers: int
    products: int
    chance: random.Random
    often: Zipf = field(init=False)

    def __post_init__(self) -> None:
        """Some products are bought far more often than others."""
        self.often = Zipf(self.products, self.chance)

    def customer(self, number: int, name: str = "") -> Row:
        """A customer's row."""
        name = name or f"Customer {number:05d}"
        return {"customer_id": number, "name": name, "city": f"City {number % 97}", "credit": "GC", "balance": -10.0}

    def product(self, number: int, title: str = "") -> Row:
        """A product's row."""
        return {
            "sku": f"SKU-{number:06d}",
            "title": title or f"Product {number:06d}",
            "price": 1 + number % 9900 / 100,
            "stock": 100,
        }

    def load(self, log: Log) -> Iterator[bytes]:
        """All customers and products, as the full load sends them."""
        for number in range(self.customers):
            yield log.load("tpcc.customers", self.customer(number))
        for number in range(self.products):
            yield log.load("tpcc.products", self.product(number))

    def order(self, log: Log, number: int, skus: Sequence[str] = ()) -> list[bytes]:
        """A new order with 5 to 15 lines, or one line for each of `skus`: one transaction."""
        log.begin()
        count = len(skus) or self.chance.randint(5, 15)
        customer = self.chance.randrange(self.customers)
        order = order_row(number, customer, "placed", count)
        records = [log.change("insert", "tpcc.orders", order)]
        for line in range(1, count + 1):
            sku = skus[line - 1] if skus else f"SKU-{self.often.next():06d}"
            records.append(log.change("insert", "tpcc.order_lines", line_row(number, line, sku, self.chance)))
        return records


def order_row(number: int, customer: int, status: str, count: int) -> Row:
    """An order's own row."""
    return {
        "order_id": number,
        "customer_id": customer,
        "status": status,
        "placed_at": f"{START + datetime.timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
        "total": round(count * 12.35, 2),
        "carrier_id": None,
    }


def line_row(order: int, line: int, sku: str, chance: random.Random) -> Row:
    """An order line."""
    return {
        "order_id": order,
        "line_no": line,
        "sku": sku,
        "quantity": chance.randint(1, 10),
        "amount": chance.randint(100, 99_999) / 100,
        "warehouse_id": chance.randint(1, 20),
        "delivered_at": None,
    }


def nested(orders: int, seed: int = 2, first: int = 1, customers: int = 1000, products: int = 2000) -> Workload:
    """TPC-C's new-order: an order with 5 to 15 lines in one transaction, its customer and its products looked up."""
    log, chance = Log(), random.Random(seed)
    shop = Shop(customers, products, chance)
    setup = log.lines(list(shop.load(log)))
    records = [record for number in range(first, first + orders) for record in shop.order(log, number)]
    return Workload("nested", "nested", log.lines(records), len(records), setup)


def backlog(orders: int, rounds: int, seed: int = 3) -> Workload:
    """What waits after an outage: every order is paid, packed and sent, every line corrected, again and again."""
    log, chance = Log(), random.Random(seed)
    shop = Shop(200, 500, chance)
    setup = log.lines(list(shop.load(log)))
    counts = {number: 5 + number % 11 for number in range(1, orders + 1)}
    skus = {number: [f"SKU-{shop.often.next():06d}" for _ in range(count)] for number, count in counts.items()}
    setup += log.lines([record for number in counts for record in shop.order(log, number, skus[number])])
    records: list[bytes] = []
    for at in range(rounds):
        for number, count in counts.items():
            log.begin()
            row = order_row(number, number % 200, f"state {at}", count)
            records.append(log.change("update", "tpcc.orders", row, {}))
            line = at % count + 1
            lined = line_row(number, line, skus[number][line - 1], chance)
            records.append(log.change("update", "tpcc.order_lines", lined, {}))
    # a backlog of many orders at once comes as the source committed it: neighbours belong to different orders
    return Workload("backlog", "nested", log.lines(records, 2000), len(records), setup)


@dataclass(slots=True)
class HotLookup:
    """A product in very many orders: `before` and `after` are lines of new orders, `rename` comes between them.

    `documents_after`: how often a document is written for `after`, if every line is a batch.
    """

    setup: list[bytes]
    before: list[bytes]
    rename: bytes
    after: list[bytes]
    documents_after: int
    referrers: int
    title: str


def hot_lookup(referrers: int, orders_each: int, per_line: int, seed: int = 4) -> HotLookup:
    """Orders that all hold one product, which is renamed while other orders stream."""
    log, chance = Log(), random.Random(seed)
    shop = Shop(200, 500, chance)
    hot = shop.product(999_999)
    setup = log.lines([*shop.load(log), log.load("tpcc.products", hot)])
    held = (shop.order(log, number, [hot["sku"]]) for number in range(1, referrers + 1))
    setup += log.lines([record for order in held for record in order])
    first = referrers + 1

    def stream(first: int) -> tuple[list[bytes], int]:
        records = [(number, r) for number in range(first, first + orders_each) for r in shop.order(log, number)]
        touched = {(at // per_line, number) for at, (number, _) in enumerate(records)}
        return log.lines((record for _, record in records), per_line), len(touched)

    before, _ = stream(first)
    log.begin()
    title = "Renamed product"
    rename = log.line([log.change("update", "tpcc.products", shop.product(999_999, title), {})])
    after, documents_after = stream(first + orders_each)
    return HotLookup(setup, before, rename, after, documents_after, referrers, title)


# --- growth -----------------------------------------------------------------------------------------------------


def wide_documents(documents: int, lines: int, rounds: int, title_characters: int = 40, seed: int = 5) -> Workload:
    """Orders of so many lines each; every delivery changes one line of every order."""
    log, chance = Log(), random.Random(seed)
    shop = Shop(10, 20, chance)
    loaded = [log.load("tpcc.customers", shop.customer(number)) for number in range(10)]
    titles = [_text(chance, title_characters, title_characters) for _ in range(20)]
    loaded += [log.load("tpcc.products", shop.product(number, title)) for number, title in enumerate(titles)]
    setup = log.lines(loaded)
    skus = [f"SKU-{at % 20:06d}" for at in range(lines)]
    orders = [record for number in range(1, documents + 1) for record in shop.order(log, number, skus)]
    setup += log.lines(orders)
    measured = []
    for at in range(rounds):
        records = []
        for number in range(1, documents + 1):
            log.begin()
            line = at % lines + 1
            records.append(log.change("update", "tpcc.order_lines", line_row(number, line, skus[line - 1], chance), {}))
        measured.append(log.line(records))
    return Workload(f"documents of {lines} lines", "nested", measured, documents * rounds, setup)


def fan_out(referrers: int, renames: int, seed: int = 6) -> Workload:
    """One product in so many orders, renamed again and again, each time in a delivery of its own."""
    log, chance = Log(), random.Random(seed)
    shop = Shop(200, 20, chance)
    setup = log.lines(list(shop.load(log)))
    sku = shop.product(7)["sku"]
    orders = (shop.order(log, number, [sku]) for number in range(1, referrers + 1))
    setup += log.lines([record for order in orders for record in order])
    measured = []
    for at in range(renames):
        log.begin()
        measured.append(log.line([log.change("update", "tpcc.products", shop.product(7, f"Title {at}"), {})]))
    return Workload(f"fan-out {referrers}", "nested", measured, renames, setup)


def shards(orders: int, count: int) -> list[Workload]:
    """New orders by several shards, each with its own orders; all look up the same customers and products."""
    each = orders // count
    return [nested(each, 20 + at, 1 + at * each, customers=100, products=200) for at in range(count)]
