"""`where`: values, lists of them, and tests."""

from __future__ import annotations

import pytest

from contract.mapping import Filter, Test
from tests.worker.mapping.reading import BASE, problems, root


def test_every_test_that_a_column_can_be_put_to() -> None:
    where = "{a: x, b: [1, null], c: {not: null}, d: {at_least: 1, below: 012}, e: {at_most: no}, f: {above: ''}}"

    assert root(f"{BASE}where: {where}\n").where == (
        Filter("a", ("x",)),
        Filter("b", ("1", None)),
        Filter("c", (None,), Test.NOT),
        Filter("d", ("1",), Test.AT_LEAST),
        Filter("d", ("012",), Test.BELOW),
        Filter("e", ("no",), Test.AT_MOST),
        Filter("f", ("",), Test.ABOVE),
    )


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("{a: []}", "5:12: order: where a: the list is empty"),
        ("{a: {}}", "5:12: order: where a: no test is given"),
        ("{a: {not: []}}", "5:18: order: where a: not: the list is empty"),
        ("{a: {atleast: 1}}", "5:13: order: where a: unknown key atleast, did you mean at_least?"),
        ("{a: {above: [1]}}", "5:20: order: where a: above: expected a value"),
        (
            "{a: {above: null}}",
            "5:20: order: where a: above: null is neither larger nor smaller than anything; `not: null` leaves it out",
        ),
        ("{a: [[1]]}", "5:13: order: where a: expected a value"),
        ("x", "5:8: order: where: expected `name: value` entries"),
    ],
)
def test_a_test_that_cannot_be_is_one_line(where: str, wanted: str) -> None:
    assert problems(f"{BASE}where: {where}\n") == [wanted]
