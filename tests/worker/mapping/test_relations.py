"""Relations as they are compiled: joins to other columns, repetitions, hidden, copied and spread ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.mapping import Field, Kind, Lookup, Node, Reference
from tests.worker.mapping.reading import BASE, aggregate, problems, root
from worker.mapping.loader import read_mappings

ONE = "source: s.c, key: c, join: c_id, fields: [c]"
MANY_KEYS = "source, key, join, to, fields, where, order_by, unwrap, depth, hidden, one, many"
MANY = "source: s.l, key: n, join: order_id, fields: [n]"


def test_a_one_to_other_columns_goes_through_the_value_they_hold() -> None:
    base = BASE.replace("[id]", "[id, {label: {template: '{product.t}{product.maker.m}'}}]")
    (by_sku,) = root(
        f"{base}one:\n  product: {{source: s.p, key: p, join: [a, b], to: [x, y], spread: 4, hidden: true, fields: [t],"
        " where: {t: z}, one: {maker: {source: s.m, key: m, join: m, fields: [m]}}}\n"
    ).children

    (product,) = by_sku.children
    assert by_sku == Node(
        "product", Kind.ONE, "s.p@x,y", ("x", "y"), ("a", "b"), children=(product,), hidden=True, spread=4, first=True
    )
    assert (product.kind, product.table, product.key, product.join) == (Kind.MANY, "s.p", ("p",), ("x", "y"))
    assert (product.hidden, product.spread, len(product.where), len(product.children)) == (True, 1, 1, 1)


def test_a_many_to_other_columns_goes_through_the_value_they_hold() -> None:
    (by_code,) = root(
        f"{BASE}many:\n  notes: {{source: s.n, key: n, join: order_code, to: code, order_by: at, fields: [n]}}\n"
    ).children

    notes = Node("notes", Kind.MANY, "s.n", ("n",), ("order_code",), (Field("n", "n"),), order_by=("at",))
    assert by_code == Node("notes", Kind.ONE, "s.orders@code", ("code",), ("code",), children=(notes,))


def test_both_sides_of_a_join_to_other_columns_refer_to_the_value() -> None:
    mapping, _ = read_mappings(
        {"m.yaml": f"{BASE}many: {{notes: {{source: s.n, key: n, join: order_code, to: code, fields: [n]}}}}\n"}
    )

    assert mapping is not None
    assert mapping.tables["s.orders"].references == (Reference(("code",), "s.orders@code"),)
    assert mapping.tables["s.n"].references == (Reference(("order_code",), "s.orders@code"),)


def test_a_relation_with_a_depth_is_the_same_as_written_out() -> None:
    short = "{source: s.orders, key: id, join: up, depth: 3, fields: [id], one: {c: {" + ONE + "}}}"
    level = "{source: s.orders, key: id, join: up, fields: [id], one: {c: {" + ONE + "}%s}}"
    long = level % (", m: " + level % (", m: " + level % ""))

    assert root(f"{BASE}one: {{m: {short}}}\n") == root(f"{BASE}one: {{m: {long}}}\n")


def test_a_list_may_be_repeated_as_well() -> None:
    (reports,) = root(f"{BASE}many: {{r: {{source: s.orders, key: id, join: up, depth: 2, fields: [id]}}}}\n").children

    (below,) = reports.children
    assert (below.kind, below.name, below.children) == (Kind.MANY, "r", ())
    assert replace(reports, children=()) == below


def test_a_copied_lookup_and_a_hidden_list() -> None:
    base = BASE.replace("[id]", "[id, {label: {template: '{c.c}'}}, {number: {count: l}}]")
    copied, hidden = root(
        f"{base}one: {{c: {{{ONE}, lookup: copy, spread: 8, hidden: true}}}}\nmany: {{l: {{{MANY}, hidden: true}}}}\n"
    ).children

    assert (copied.lookup, copied.spread, copied.hidden) == (Lookup.COPY, 8, True)
    assert (hidden.lookup, hidden.spread, hidden.hidden) == (Lookup.FOLLOW, 1, True)


@pytest.mark.parametrize(
    ("relation", "wanted"),
    [
        (
            "one: {c: {source: s.c, key: c, join: c_id, to: c, fields: [c]}}",
            "5:48: c: to names its key: leave it out and give join in the key's order",
        ),
        (
            "one: {c: {source: s.c, key: [c, d], join: [x, y], to: [d, c], fields: [c]}}",
            "5:55: c: to names its key: leave it out and give join in the key's order",
        ),
        (
            "many: {l: {source: s.l, key: n, join: o, to: id, fields: [n]}}",
            "5:46: l: to names the key of what it belongs to: leave it out and give join in the key's order",
        ),
        (
            "one: {c: {source: s.c, key: c, join: [x, y], to: sku, fields: [c]}}",
            "5:38: c: join names 2 columns, to has 1 column (sku): they go in pairs",
        ),
        (
            f"one: {{c: {{{ONE}, depth: 2}}}}",
            "5:64: c: depth is for a table that points at itself; this one belongs to s.orders",
        ),
        (
            "one: {m: {source: s.orders, key: id, join: up, to: code, depth: 2, fields: [id]}}",
            "5:65: m: depth does not go with to: write the levels out",
        ),
        (
            "one: {m: {source: s.orders, key: id, join: up, depth: 25, fields: [id]}}",
            "5:55: m: depth: expected a whole number from 1 to 24",
        ),
        (
            "one: {m: {source: s.orders, key: id, join: up, depth: 2, fields: [m]}}",
            "5:55: m: m is the name of the next level: give its attribute of that name another one",
        ),
        (f"one: {{c: {{{ONE}, lookup: once}}}}", "5:65: c: lookup: unknown once (known: follow, copy)"),
        (
            f"one: {{c: {{{ONE}, lookup: copy, where: {{c: 1}}}}}}",
            "5:78: c: where does not go with `lookup: copy`, which keeps columns only",
        ),
        (
            f"one: {{c: {{{ONE}, lookup: copy, one: {{d: {{{ONE}}}}}}}}}",
            "5:76: c: one does not go with `lookup: copy`, which keeps columns only",
        ),
        (
            "one: {c: {source: s.c, key: c, join: c, fields: [a: {constant: x}], lookup: copy}}",
            "5:49: c: a: `lookup: copy` keeps columns only; compute it in the entry above",
        ),
        (f"one: {{c: {{{ONE}, spread: 0}}}}", "5:65: c: spread: expected a whole number from 1 to 256"),
        (f"one: {{c: {{{ONE}, hidden: yes}}}}", "5:65: c: hidden: unknown yes (known: true, false)"),
        (
            f"many: {{l: {{{MANY}, spread: 2}}}}",
            f"5:62: many l: unknown key spread (known: {MANY_KEYS})",
        ),
        (
            f"many: {{l: {{source: s.l, key: n, join: o, unwrap: c, one: {{c: {{{ONE}, hidden: true}}}}}}}}",
            "5:50: l: unwrap names a hidden `one`: nothing of it would be shown",
        ),
        ("one: {'': {" + ONE + "}}", "5:7: an attribute needs a name"),
    ],
)
def test_a_relation_that_cannot_be_is_one_line(relation: str, wanted: str) -> None:
    assert problems(f"{BASE}{relation}\n") == [wanted]


def test_repetitions_that_multiply_are_refused_before_they_are_made() -> None:
    text = "{source: s.orders, key: id, join: up, depth: 24, fields: [id]}"
    for name in "bcdefghi":
        text = f"{{source: s.orders, key: id, join: up, depth: 24, fields: [id], one: {{{name}: {text}}}}}"

    found = problems(f"{BASE}one: {{a: {text}}}\n")

    assert [problem.partition(": ")[2] for problem in found] == ["c: depth makes more than 500 places: lower it"]


def test_an_aggregate_of_too_many_places_or_levels_is_refused() -> None:
    many = ", ".join(f"m{n}: {{source: s.orders, key: id, join: up, depth: 20, fields: [id]}}" for n in range(26))
    deep = "source: s.orders, key: id, join: up, depth: 20, fields: [id]"
    inner = f"{{{deep}, one: {{b: {{source: s.orders, key: id, join: up, depth: 6, fields: [id]}}}}}}"

    assert problems(f"{BASE}one: {{{many}}}\n") == ["1:1: order: 521 places, at most 500: lower a depth"]
    assert problems(f"{BASE}one: {{a: {inner}}}\n") == [
        "1:1: order: 26 levels with those that depth adds, at most 24: lower a depth"
    ]


def test_a_value_that_both_sides_hold_is_no_level() -> None:
    assert aggregate(f"{BASE}one: {{c: {{source: s.c, key: c, join: x, to: y, fields: [c]}}}}\n").root.children
