"""Examples read from YAML nodes: values, and every problem with its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.worker.examples.conftest import Read

FRAME = """\
examples:
  - name: one
    changes:
      - {insert: shop.orders, row: {order_id: 1, note: %s}}
    expect: {"1": null}
"""


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("17", 17),
        ("1.50", Decimal("1.50")),
        ("-2e3", Decimal("-2e3")),
        ("123456789012345678901", Decimal(123456789012345678901)),
        ("012", "012"),
        ("1_000", "1_000"),
        ("true", True),
        ("no", "no"),
        ("2026-01-01", "2026-01-01"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"17"', "17"),
        ("'true'", "true"),
        ("{a: 1.50, b: [x, null]}", '{"a":1.50,"b":["x",null]}'),
    ],
)
def test_plain_numbers_booleans_and_null_are_such_and_all_else_is_text(read: Read, yaml: str, value: object) -> None:
    """Objects and lists come as JSON text, as DMS delivers them."""
    suite, problems = read(FRAME % yaml)

    assert problems == []
    found = suite[0][0].changes[0].row["note"]
    assert (type(found), str(found)) == (type(value), str(value))


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ("examples: 7", "2:11: examples: expected a list"),
        ("examples: [{name: a}]", "2:12: example: changes, expect is missing"),
        ("examples: [{nam: a}]", "2:13: example: unknown key nam, did you mean name?"),
        (
            'examples: [{name: a, changes: [], expect: {"1": null}}]',
            "2:31: example a: changes: expected a list of changes",
        ),
        (
            'examples: [{name: a, changes: [{row: {order_id: 1}}], expect: {"1": null}}]',
            (
                "2:32: example a: change: expected one of load, insert, update, delete with a schema.table,"
                " and a row: {column: value}"
            ),
        ),
        (
            'examples: [{name: a, changes: [{insert: shop.order, row: {}}], expect: {"1": null}}]',
            "2:41: example a: change: no mapping uses table shop.order, did you mean shop.orders?",
        ),
        (
            'examples: [{name: a, changes: [{insert: shop.orders, row: {order_id: 1, stat: x}}], expect: {"1": null}}]',
            (
                "2:73: example a: change: row: no mapping uses column stat of shop.orders: leave it out,"
                " did you mean status?"
            ),
        ),
        (
            'examples: [{name: a, changes: [{load: shop.orders, row: {}, unchanged: note}], expect: {"1": null}}]',
            "2:72: example a: change: unchanged belongs to an update",
        ),
        (
            "examples: [{name: a, changes: [{insert: shop.orders, row: {order_id: 1}}], expect: {}}]",
            "2:84: example a: expect: name at least one document",
        ),
        (
            'examples: [{name: a, changes: [{insert: shop.orders, row: {order_id: 1}}], expect: {"1": 7}}]',
            "2:90: example a: expect 1: a document is an object; null for none, or parked",
        ),
        (
            'examples: [{name: a, in_order: yes, changes: [{load: shop.orders, row: {}}], expect: {"1": null}}]',
            "2:32: example a: in_order: expected true or false",
        ),
    ],
)  # fmt: skip
def test_problems_name_their_place(read: Read, examples: str, problem: str) -> None:
    """Line and column, and what was meant."""
    suite, problems = read(examples)

    assert [str(found) for found in problems] == [f"order.yaml:{problem}"]
    assert suite == []


def test_all_problems_in_one_run(read: Read) -> None:
    """One bad example does not hide another."""
    _, problems = read("examples: [{nam: a}, {name: b}]")

    assert len(problems) == 2


def test_a_name_stands_for_one_example(read: Read) -> None:
    """Else a report could not say which one failed."""
    _, problems = read(FRAME % 1 + (FRAME % 2).split("\n", 1)[1])

    assert [problem.message for problem in problems] == ["examples: one is given twice"]
