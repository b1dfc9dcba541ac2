"""One case for every feature of the mapping language: a mapping, changes, and the documents they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.records.rows import Row

Step = tuple[str, Row] | tuple[str, Row, str]
"""A table and a row that was written, or its key columns and `gone`."""


@dataclass(frozen=True)
class Case:
    """A mapping, changes in their order, and the documents they lead to (by key)."""

    mapping: str
    changes: tuple[Step, ...]
    documents: dict[str, Any]


CASES: dict[str, Case] = {
    "value map": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields:
          - state: {column: st, values: {P: paid, 1: one, null: none}, otherwise: unknown}
          - rank: {column: st, type: integer, values: {P: 1, X: 9}, otherwise: 0}
        """,
        (("s.orders", {"id": 1, "st": "P"}), ("s.orders", {"id": 2, "st": 1}), ("s.orders", {"id": 3})),
        {"1": {"state": "paid", "rank": 1}, "2": {"state": "one", "rank": 0}, "3": {"state": "none", "rank": None}},
    ),
    "misfits": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields:
          - a: {type: integer}
          - b: {type: integer, misfit: "null"}
          - c: {type: integer, misfit: text}
        """,
        (
            ("s.orders", {"id": 1, "a": "7", "b": "x", "c": "x"}),
            ("s.orders", {"id": 2, "a": "x", "b": "8", "c": "8"}),
        ),
        {"1": {"a": 7, "b": None, "c": "x"}, "2": "/: s.orders.a as integer: not a number"},
    ),
    "binary, constants, templates": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields:
          - blob: {type: binary}
          - kind: {constant: order}
          - one: {constant: "1", type: integer}
          - label: {template: "{id}: {buyer.name} in {buyer.country.code} {{x}}"}
        one:
          buyer:
            source: s.people
            key: id
            join: buyer_id
            fields: [name]
            one:
              country: {source: s.countries, key: id, join: country_id, fields: [code]}
        """,
        (
            ("s.orders", {"id": 1, "blob": "0x00ff", "buyer_id": 5}),
            ("s.orders", {"id": 2, "buyer_id": 6}),
            ("s.people", {"id": 5, "name": "Ann", "country_id": 3}),
            ("s.countries", {"id": 3, "code": "NL"}),
        ),
        {
            "1": {
                "blob": "AP8=",
                "kind": "order",
                "one": 1,
                "label": "1: Ann in NL {x}",
                "buyer": {"name": "Ann", "country": {"code": "NL"}},
            },
            "2": {"blob": None, "kind": "order", "one": 1, "label": None, "buyer": None},
        },
    ),
    "derived over hidden relations, two levels": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields:
          - n: {count: lines}
          - total: {sum: lines.amount}
          - least: {min: lines.product.price}
          - most: {max: lines.amount}
        many:
          lines:
            source: s.lines
            key: id
            join: order_id
            hidden: true
            where: {void: {not: [true]}}
            fields:
              - amount: {sum: parts.n}
            many:
              parts: {source: s.parts, key: id, join: line_id, hidden: true, fields: [n]}
            one:
              product: {source: s.products, key: id, join: product_id, fields: [price]}
        """,
        (
            ("s.orders", {"id": 1}),
            ("s.lines", {"id": 1, "order_id": 1, "product_id": 5}),
            ("s.lines", {"id": 2, "order_id": 1, "product_id": 6}),
            ("s.lines", {"id": 3, "order_id": 1}),
            ("s.lines", {"id": 4, "order_id": 1, "void": True}),
            ("s.parts", {"id": 1, "line_id": 1, "n": 10}),
            ("s.parts", {"id": 2, "line_id": 1, "n": Decimal("0.5")}),
            ("s.parts", {"id": 3, "line_id": 2}),
            ("s.parts", {"id": 4, "line_id": 4, "n": 100}),
            ("s.parts", {"id": 5, "line_id": 1, "n": 7}),
            ("s.products", {"id": 5, "price": 3}),
            ("s.products", {"id": 6, "price": 4}),
            ("s.products", {"id": 5, "price": 5}),
            ("s.parts", {"id": 5}, "gone"),
        ),
        {"1": {"n": 3, "total": Decimal("10.5"), "least": 4, "most": Decimal("10.5")}},
    ),
    "derived over an unwrapped list": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields:
          - weight: {sum: tags.weight}
          - n: {count: tags}
        many:
          tags:
            {source: s.links, key: [order_id, tag_id], join: order_id, order_by: pos, unwrap: tag, one: {
              tag: {source: s.tags, key: id, join: tag_id, fields: [name, weight]}}}
        """,
        (
            ("s.orders", {"id": 1}),
            ("s.links", {"order_id": 1, "tag_id": 1, "pos": 2}),
            ("s.links", {"order_id": 1, "tag_id": 2, "pos": 1}),
            ("s.links", {"order_id": 1, "tag_id": 3, "pos": 0}),
            ("s.tags", {"id": 1, "name": "a", "weight": 1}),
            ("s.tags", {"id": 2, "name": "b", "weight": 2}),
            ("s.tags", {"id": 3, "name": "c", "weight": 4}),
            ("s.links", {"order_id": 1, "tag_id": 3}, "gone"),
        ),
        {"1": {"weight": 3, "n": 2, "tags": [{"name": "b", "weight": 2}, {"name": "a", "weight": 1}]}},
    ),
    "composite keys, links with columns of their own, lists in lists": Case(
        """
        aggregate: order
        source: s.orders
        key: [shop, no]
        fields: [no]
        many:
          tags:
            source: s.links
            key: [shop, no, tag]
            join: [shop, no]
            fields: [since]
            one:
              tag: {source: s.tags, key: [shop, tag], join: [shop, tag], fields: [name]}
          lines:
            source: s.lines
            key: [shop, no, line]
            join: [shop, no]
            fields: [line]
            many:
              parts: {source: s.parts, key: [shop, no, line, part], join: [shop, no, line], fields: [part]}
        """,
        (
            ("s.orders", {"shop": "a", "no": 1}),
            ("s.links", {"shop": "a", "no": 1, "tag": 7, "since": "x"}),
            ("s.links", {"shop": "a", "no": 1, "tag": 8, "since": "y"}),
            ("s.links", {"shop": "b", "no": 1, "tag": 7, "since": "z"}),
            ("s.tags", {"shop": "a", "tag": 7, "name": "seven"}),
            ("s.lines", {"shop": "a", "no": 1, "line": 10}),
            ("s.lines", {"shop": "a", "no": 1, "line": 9}),
            ("s.parts", {"shop": "a", "no": 1, "line": 9, "part": 2}),
            ("s.parts", {"shop": "a", "no": 1, "line": 9, "part": 1}),
            ("s.parts", {"shop": "a", "no": 1, "line": 10, "part": 1}),
            ("s.parts", {"shop": "a", "no": 1, "line": 10, "part": 1}, "gone"),
        ),
        {
            "a|1": {
                "no": 1,
                "tags": [{"since": "x", "tag": {"name": "seven"}}, {"since": "y", "tag": None}],
                "lines": [{"line": 9, "parts": [{"part": 1}, {"part": 2}]}, {"line": 10, "parts": []}],
            },
        },
    ),
    "filters": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        where: {status: {not: [void]}, placed: {at_least: 2020-01-01}, n: {above: 1, at_most: 10}}
        fields: [id]
        many:
          notes: {source: s.notes, key: id, join: order_id, where: {kind: [a, null], age: {below: 9}}, fields: [id]}
        """,
        (
            ("s.orders", {"id": 1, "placed": "2020-01-01", "n": 10}),
            ("s.orders", {"id": 2, "placed": "2020-01-01", "n": 1}),
            ("s.orders", {"id": 3, "placed": "2019-12-31", "n": 5}),
            ("s.orders", {"id": 4, "placed": "2021-12-31", "n": 5, "status": "void"}),
            ("s.orders", {"id": 5, "placed": "2021-12-31", "n": 5, "status": "open"}),
            ("s.orders", {"id": 5, "placed": "2021-12-31", "status": "open"}),
            ("s.notes", {"id": 1, "order_id": 1, "kind": "a", "age": 8}),
            ("s.notes", {"id": 2, "order_id": 1, "age": 1}),
            ("s.notes", {"id": 3, "order_id": 1, "kind": "b", "age": 1}),
            ("s.notes", {"id": 4, "order_id": 1, "kind": "a", "age": 10}),
            ("s.notes", {"id": 5, "order_id": 1, "kind": "a"}),
        ),
        {"1": {"id": 1, "notes": [{"id": 1}, {"id": 2}]}},
    ),
    "joins to other unique columns": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields: [id]
        one:
          product:
            {source: s.products, key: id, join: sku, to: sku, fields: [title], one: {
              maker: {source: s.makers, key: id, join: maker, to: code, fields: [name]}}}
        many:
          notes: {source: s.notes, key: id, join: number, to: number, order_by: rank, fields: [id]}
        """,
        (
            ("s.orders", {"id": 1, "sku": "a", "number": "N1"}),
            ("s.orders", {"id": 2, "sku": "b", "number": None}),
            ("s.products", {"id": 8, "sku": "a", "title": "old", "maker": "m"}),
            ("s.products", {"id": 8, "sku": "c", "title": "old", "maker": "m"}),
            ("s.products", {"id": 9, "sku": "a", "title": "new", "maker": "m"}),
            ("s.makers", {"id": 4, "code": "m", "name": "M"}),
            ("s.notes", {"id": 1, "number": "N1", "rank": 2}),
            ("s.notes", {"id": 2, "number": "N1", "rank": 1}),
            ("s.notes", {"id": 3, "number": "N1", "rank": 0}),
            ("s.notes", {"id": 3, "number": "N2", "rank": 0}),
        ),
        {
            "1": {"id": 1, "product": {"title": "new", "maker": {"name": "M"}}, "notes": [{"id": 2}, {"id": 1}]},
            "2": {"id": 2, "product": None, "notes": []},
        },
    ),
    "a self reference": Case(
        """
        aggregate: person
        source: s.people
        key: id
        fields: [name]
        one:
          boss: {source: s.people, key: id, join: boss_id, depth: 2, fields: [name]}
        """,
        (
            ("s.people", {"id": 1, "name": "a", "boss_id": 2}),
            ("s.people", {"id": 2, "name": "b", "boss_id": 3}),
            ("s.people", {"id": 3, "name": "c", "boss_id": 1}),
            ("s.people", {"id": 3, "name": "C", "boss_id": 1}),
        ),
        {
            "1": {"name": "a", "boss": {"name": "b", "boss": {"name": "C"}}},
            "2": {"name": "b", "boss": {"name": "C", "boss": {"name": "a"}}},
            "3": {"name": "C", "boss": {"name": "a", "boss": {"name": "b"}}},
        },
    ),
    "a lookup that very many rows point at": Case(
        """
        aggregate: order
        source: s.orders
        key: id
        fields: [id]
        one:
          currency: {source: s.currencies, key: code, join: currency, spread: 16, fields: [name]}
        """,
        (
            *(("s.orders", {"id": n, "currency": "EUR"}) for n in range(1, 6)),
            ("s.currencies", {"code": "EUR", "name": "euro"}),
            ("s.currencies", {"code": "EUR", "name": "Euro"}),
            ("s.orders", {"id": 5, "currency": None}),
        ),
        {
            **{str(n): {"id": n, "currency": {"name": "Euro"}} for n in range(1, 5)},
            "5": {"id": 5, "currency": None},
        },
    ),
}
