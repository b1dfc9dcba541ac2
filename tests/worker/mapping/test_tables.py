"""Sensitive columns: declared once, and what no mapping can do with them."""

from __future__ import annotations

import pytest

from contract.mapping import Policy, Sensitive
from tests.worker.mapping.reading import BASE, problems
from worker.mapping.loader import read_mappings

DROP = "tables: {s.orders: {sensitive: {x: drop}}}\n"
TOKEN = "tables: {s.orders: {sensitive: {x: token}}}\n"


def conflicts(mapping: str, *tables: str) -> list[str]:
    texts = {"m.yaml": mapping, **{f"t{n}.yaml": text for n, text in enumerate(tables)}}
    return [str(problem) for problem in read_mappings(texts)[1]]


def test_files_of_tables_stand_beside_those_of_aggregates() -> None:
    mapping, found = read_mappings(
        {
            "a.yaml": "tables: {s.z: {sensitive: {b: token, a: drop}}, s.empty: {}}\n",
            "b.yaml": BASE,
            "c.yaml": "tables: {s.orders: {sensitive: {mail: token}}}\n",
        }
    )

    assert found == []
    assert mapping is not None
    assert mapping.sensitive == (
        Sensitive("s.orders", "mail", Policy.TOKEN),
        Sensitive("s.z", "a", Policy.DROP),
        Sensitive("s.z", "b", Policy.TOKEN),
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tables: {orders: {}}", ["1:10: tables: orders must be schema.table"]),
        ("tables: {s.o: {sensitiv: {}}}", ["1:16: table s.o: unknown key sensitiv, did you mean sensitive?"]),
        ("tables: {s.o: {sensitive: [a]}}", ["1:27: table s.o: sensitive: expected `name: value` entries"]),
        (
            "tables: {s.o: {sensitive: {a: hide}}}",
            ["1:31: table s.o: sensitive a: unknown hide (known: drop, token)"],
        ),
        ("tables: x", ["1:9: tables: expected `name: value` entries"]),
        ("tables: {}\nsource: s.o\n", ["2:1: tables: unknown key source (known: tables)"]),
        (
            BASE + "tables: {}\n",
            ["5:1: tables: a file declares one aggregate, or tables: put these into another"],
        ),
    ],
)
def test_a_file_of_tables_that_cannot_be_is_one_line(text: str, wanted: list[str]) -> None:
    assert problems(text) == wanted


@pytest.mark.parametrize(
    ("more", "spot"),
    [
        ("where: {x: 1}", "5:9"),
        ("where: {x: {not: null}}", "5:9"),
        ("one: {c: {source: s.c, key: c, join: x, fields: [c]}}", "5:38"),
        ("many: {c: {source: s.c, key: c, join: c, to: x, fields: [c]}}", "5:46"),
        ("many: {c: {source: s.orders, key: id, join: x, fields: [c]}}", "5:45"),
        ("many: {c: {source: s.orders, key: id, join: c, order_by: x, fields: [c]}}", "5:58"),
        ("one: {c: {source: s.orders, key: id, join: c, fields: [a: x]}}", "5:59"),
        ("one: {c: {source: s.orders, key: id, join: c, fields: [a: {column: x}]}}", "5:68"),
        ("one: {c: {source: s.orders, key: id, join: c, fields: [x: {type: date}]}}", "5:59"),
        ("one: {c: {source: s.orders, key: id, join: c, fields: [a: {template: 'a{x}'}]}}", "5:70"),
    ],
)
def test_a_dropped_column_can_be_used_nowhere(more: str, spot: str) -> None:
    assert conflicts(f"{BASE}{more}\n", DROP) == [
        f"m.yaml:{spot}: s.orders: x is dropped as sensitive, no mapping can use it"
    ]


def test_a_dropped_key_is_named_once() -> None:
    text = BASE.replace("id", "x")

    assert conflicts(text, DROP) == [
        f"m.yaml:{spot}: s.orders: x is dropped as sensitive, no mapping can use it" for spot in ("3:6", "4:10")
    ]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("where: {x: [1, null]}", "5:9: s.orders: x is a token of its value, but where compares it with a value"),
        (
            "one: {c: {source: s.orders, key: id, join: c, fields: [x: {type: date}]}}",
            "5:59: s.orders: x is a token of its value, but type date needs it",
        ),
        (
            "one: {c: {source: s.orders, key: id, join: c, fields: [x: {values: {a: b}, otherwise: z}]}}",
            "5:59: s.orders: x is a token of its value, but values compares it with values",
        ),
        (
            "one: {c: {source: s.c, key: c, join: x, fields: [c]}}",
            "5:38: s.orders: x is a token, s.c: c is not, so they never meet: make both tokens or none",
        ),
        (
            "many: {c: {source: s.c, key: c, join: c, to: x, fields: [c]}}",
            "5:39: s.orders: x is a token, s.c: c is not, so they never meet: make both tokens or none",
        ),
    ],
)
def test_a_token_is_no_value(more: str, wanted: str) -> None:
    assert conflicts(f"{BASE}{more}\n", TOKEN) == [f"m.yaml:{wanted}"]


def test_a_token_can_be_shown_looked_up_by_and_tested_for_null() -> None:
    text = f"{BASE.replace('[id]', '[x, y: {column: x, type: text}]')}where: {{x: {{not: null}}}}\n"
    both = "one: {c: {source: s.c, key: c, join: x, fields: [c]}}\n"

    assert conflicts(text + both, TOKEN, "tables: {s.c: {sensitive: {c: token}}}") == []


def test_a_table_is_declared_once() -> None:
    assert conflicts(BASE, TOKEN, DROP) == ["t1.yaml:1:10: table s.orders is already declared at t0.yaml:1"]
