"""The source: a shop in SQLite, random transactions as DMS records, and the documents as SQL says they must be.

Shares no code with the worker. `n` counts all changes: whatever a document shows of a row, its `n` may only rise.
"""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

Values = dict[str, Any]

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "customers": ("customer_id",),
    "products": ("sku",),
    "orders": ("order_id",),
    "lines": ("order_id", "line_no"),
    "rates": ("code",),
}
LARGE: Final = {"customers": "note", "orders": "note"}
"""A large column, which an update leaves out where it stays the same."""

_SCHEMA: Final = """
CREATE TABLE customers (customer_id TEXT PRIMARY KEY, name TEXT, note TEXT, referrer_id TEXT, n INT);
CREATE TABLE products (sku TEXT PRIMARY KEY, title TEXT, n INT);
CREATE TABLE orders (order_id TEXT PRIMARY KEY, status TEXT, note TEXT, buyer_id TEXT, receiver_id TEXT, n INT);
CREATE TABLE lines (order_id TEXT, line_no INT, sku TEXT, quantity INT, n INT, PRIMARY KEY (order_id, line_no));
CREATE TABLE rates (code TEXT PRIMARY KEY, worth INT, n INT);
"""

_PERSON: Final = """(SELECT json_object('customer_id', c.customer_id, 'name', c.name, 'n', c.n)
 FROM customers c WHERE c.customer_id = {})"""

# ruff: noqa: S608  names are ours, values are bound
_DOCUMENTS: Final = {
    "order": f"""
SELECT o.order_id, json_object(
    'order_id', o.order_id, 'status', o.status, 'note', o.note, 'n', o.n,
    'buyer', json({_PERSON.format("o.buyer_id")}), 'receiver', json({_PERSON.format("o.receiver_id")}),
    'lines', json((SELECT json_group_array(json(line)) FROM (
        SELECT json_object('line_no', l.line_no, 'quantity', l.quantity, 'n', l.n, 'product', json((
            SELECT json_object('sku', p.sku, 'title', p.title, 'n', p.n) FROM products p WHERE p.sku = l.sku))) AS line
        FROM lines l WHERE l.order_id = o.order_id ORDER BY l.line_no))))
FROM orders o""",
    "customer": f"""
SELECT me.customer_id, json_object(
    'customer_id', me.customer_id, 'name', me.name, 'note', me.note, 'n', me.n,
    'referrer', json({_PERSON.format("me.referrer_id")}),
    'orders', json((SELECT json_group_array(json(short)) FROM (
        SELECT json_object('order_id', o.order_id, 'status', o.status, 'n', o.n) AS short
        FROM orders o WHERE o.buyer_id = me.customer_id ORDER BY o.order_id))))
FROM customers me""",
    "rate": "SELECT code, json_object('code', code, 'worth', worth, 'n', n) FROM rates",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A record: its bytes, what it says of which rows (`n`, and whether they are there), and its partition key."""

    data: bytes
    rows: tuple[tuple[str, tuple[str, ...], int, bool], ...] = ()
    partition_key: str = "-"
    poison: str = ""


class Shop:
    """Tables and what happens to them. `keys`: how many keys a table has; `moves`: how often a row changes its key."""

    def __init__(self, rng: random.Random, keys: int, moves: float, deletes: float) -> None:
        self._rng = rng
        self._keys = keys
        self._moves = moves
        self._deletes = deletes
        self._n = 0
        self.extra_columns = False
        self._db = sqlite3.connect(":memory:")
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """The tables are gone."""
        self._db.close()

    def load(self) -> list[Change]:
        """Some rows that were there before, as a full load delivers them."""
        found = []
        for table in KEYS:
            for number in range(self._keys):
                if self._rng.random() < 0.5:
                    row = self._new(table, self._key(table, number))
                    found.append(self._record("load", table, row, None))
        return found

    def change(self) -> Change:
        """One transaction."""
        table = self._rng.choice(list(KEYS))
        key = self._key(table, self._rng.randrange(self._keys))
        before = self._row(table, key)
        if before is None:
            return self._record("insert", table, self._new(table, key), None)
        if self._rng.random() < self._deletes:
            self._execute(f"DELETE FROM {table} WHERE {_where(table)}", key)
            self._n += 1
            return self._record("delete", table, before, before)
        if self._rng.random() < self._moves:
            other = self._key(table, self._rng.randrange(self._keys))
            if self._row(table, other) is None:
                self._execute(f"DELETE FROM {table} WHERE {_where(table)}", key)
                return self._record("update", table, self._new(table, other), before)
        self._execute(f"DELETE FROM {table} WHERE {_where(table)}", key)
        keep = table in LARGE and self._rng.random() < 0.6
        row = self._new(table, key, {LARGE[table]: before[LARGE[table]]} if keep else {})
        shown = {name: value for name, value in row.items() if not keep or name != LARGE[table]}
        return self._record("update", table, row, before, shown)

    def control(self) -> Change:
        """A column is added somewhere: DMS says so, and sends it from now on."""
        self.extra_columns = True
        metadata = {
            "timestamp": _moment(self._n),
            "record-type": "control",
            "operation": "add-column",
            "partition-key-type": "task-id",
            "schema-name": "shop",
            "table-name": self._rng.choice(list(KEYS)),
        }
        return Change(json.dumps({"control": {"table-def": {}}, "metadata": metadata}).encode())

    def documents(self) -> dict[tuple[str, str], Any]:
        """What readers must get, by aggregate and key."""
        found = {}
        for aggregate, statement in _DOCUMENTS.items():
            for key, body in self._db.execute(statement):
                found[aggregate, key] = json.loads(body)
        return found

    def _key(self, table: str, number: int) -> tuple[Any, ...]:
        if table == "lines":
            return f"o{number // 2}", number % 2 + 1
        return (f"{table[0]}{number}",)

    def _row(self, table: str, key: tuple[Any, ...]) -> Values | None:
        found = self._db.execute(f"SELECT * FROM {table} WHERE {_where(table)}", key).fetchone()
        return dict(found) if found else None

    def _new(self, table: str, key: tuple[Any, ...], kept: Values | None = None) -> Values:
        self._n += 1
        row: Values = dict(zip(KEYS[table], key, strict=True))
        names = [column[1] for column in self._db.execute(f"PRAGMA table_info({table})")]
        row |= {name: self._value(name) for name in names if name not in row} | (kept or {})
        marks = ", ".join("?" for _ in names)
        self._execute(f"INSERT INTO {table} VALUES ({marks})", tuple(row[name] for name in names))
        return row

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        self._db.execute(statement, values)

    def _value(self, name: str) -> Any:
        if name == "n":
            return self._n
        if name in ("quantity", "worth"):
            return self._rng.randrange(3)
        if name == "sku":
            return self._rng.choice([None, *(f"p{at}" for at in range(self._keys))])
        if name in ("buyer_id", "receiver_id", "referrer_id"):
            return self._rng.choice([None, *(f"c{at}" for at in range(self._keys))])
        return (
            self._rng.choice(["a", "b", "ключ ✓", None]) if name != "note" else self._rng.choice(["x" * 60, "y" * 60])
        )

    def _record(
        self, operation: str, table: str, row: Values, before: Values | None, shown: Values | None = None
    ) -> Change:
        key = tuple(str(row[name]) for name in KEYS[table])
        old = tuple(str((before or row)[name]) for name in KEYS[table])
        metadata: Values = {
            "timestamp": _moment(self._n),
            "record-type": "data",
            "operation": operation,
            "partition-key-type": "primary-key",
            "schema-name": "shop",
            "table-name": table,
        }
        if operation != "load":
            position = f"00000002/{self._n:08X}"
            metadata |= {
                "transaction-id": self._n,
                "transaction-record-id": 1,
                "commit-timestamp": _moment(self._n),
                "stream-position": f"{position}.3.{position}",
            }
        extra = {"added_later": self._rng.choice([None, 1, "text"])} if self.extra_columns else {}
        payload: Values = {"data": {**(shown or row), **extra}, "metadata": metadata}
        if before is not None:
            payload["before-image"] = {name: before[name] for name in KEYS[table]}
        there = operation != "delete"
        rows = [(table, key, self._n, there)]
        if old != key:
            rows.append((table, old, self._n, False))
        return Change(json.dumps(payload).encode(), tuple(rows), f"shop.{table}.{'|'.join(key)}")


def _where(table: str) -> str:
    return " AND ".join(f"{name} = ?" for name in KEYS[table])


def _moment(number: int) -> str:
    """Times rise with the changes."""
    return f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1_000_000:06d}Z"


POISON: Final[dict[str, bytes]] = {
    "not JSON": b"no JSON at all",
    "no UTF-8": b'{"data": "\xff"}',
    "nothing": b"",
    "too deep": b"[" * 5_000,
    "no object": b"[1]",
    "no metadata": b'{"data": {"order_id": "o1"}}',
    "cut": b'{"data": {"order_id": "o1", "sta',
    "unknown operation": json.dumps(
        {
            "data": {"order_id": "o1"},
            "metadata": {
                "timestamp": _moment(0),
                "record-type": "data",
                "operation": "truncate",
                "schema-name": "shop",
                "table-name": "orders",
            },
        }
    ).encode(),
    "no key": json.dumps(
        {
            "data": {"status": "a"},
            "metadata": {
                "timestamp": _moment(0),
                "record-type": "data",
                "operation": "insert",
                "schema-name": "shop",
                "table-name": "orders",
                "transaction-id": 1,
                "transaction-record-id": 1,
                "commit-timestamp": _moment(0),
                "stream-position": "00000002/00000001.3.00000002/00000001",
            },
        }
    ).encode(),
}


def poison(rng: random.Random) -> Change:
    """A record that nobody can use."""
    kind = rng.choice(list(POISON))
    return Change(POISON[kind], partition_key=f"poison{rng.randrange(100)}", poison=kind)
