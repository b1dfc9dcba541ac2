"""Computed attributes: constants, templates, and what is derived from the elements of a relation."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.keys import scalar_text
from contract.mapping import Computed, Constant, Derived, FieldType, Function, Template
from worker.projection.computed import computation, kind
from worker.projection.convert import DoesNotFit
from worker.projection.ranking import rank

T, F = FieldType, Function
ROW = {"id": 7, "price": Decimal("1.50"), "ok": True, "none": None, "object": {"a": 1}, "name": "column"}
BODY: dict[str, Any] = {
    "name": "attribute",
    "buyer": {"name": "Ann", "at": None, "tags": [1], "country": {"code": "NL"}, "manager": None},
    "seller": None,
    "none": [],
    "lines": [
        {"n": 2, "d": Decimal("0.10"), "t": "b", "x": None, "product": {"price": 3}},
        {"n": 1, "d": "0.20", "t": "a", "x": 5, "product": None},
        {"n": None, "d": Decimal("0.1"), "t": "10", "x": None, "product": {"price": Decimal("2.5")}},
    ],
}

CASES: list[tuple[Computed, Any]] = [
    (Constant("a", "order"), "order"),
    (Constant("a", ""), ""),
    (Constant("a", "12.50", T.DECIMAL), Decimal("12.50")),
    (Constant("a", "f", T.BOOLEAN), False),
    (Constant("a", "[1]", T.JSON), [1]),
    (Template("a", ("no values",)), "no values"),
    (Template("a", (("id",), " of {", ("buyer", "name"), "}")), "7 of {Ann}"),
    (Template("a", (("price",), "/", ("ok",))), "1.5/true"),
    (Template("a", (("name",),)), "column"),
    (Template("a", (("buyer", "country", "code"),)), "NL"),
    (Template("a", ("x", ("none",))), None),
    (Template("a", ("x", ("not there",))), None),
    (Template("a", ("x", ("seller", "name"))), None),
    (Template("a", ("x", ("buyer", "at"))), None),
    (Template("a", ("x", ("buyer", "manager", "name"))), None),
    (Template("a", ("x", ("none",), ("object",))), None),
    (Derived("a", F.COUNT, ("lines",)), 3),
    (Derived("a", F.COUNT, ("none",)), 0),
    (Derived("a", F.SUM, ("lines", "n")), 3),
    (Derived("a", F.SUM, ("lines", "product", "price")), Decimal("5.5")),
    (Derived("a", F.SUM, ("lines", "x")), 5),
    (Derived("a", F.SUM, ("none", "n")), 0),
    (Derived("a", F.SUM, ("lines", "not there")), 0),
    (Derived("a", F.MIN, ("lines", "n")), 1),
    (Derived("a", F.MAX, ("lines", "n")), 2),
    (Derived("a", F.MIN, ("lines", "t")), "10"),
    (Derived("a", F.MAX, ("lines", "t")), "b"),
    (Derived("a", F.MIN, ("lines", "product", "price")), Decimal("2.5")),
    (Derived("a", F.MIN, ("lines", "d")), Decimal("0.10")),
    (Derived("a", F.MAX, ("lines", "d")), "0.20"),
    (Derived("a", F.MIN, ("none", "n")), None),
    (Derived("a", F.MAX, ("lines", "not there")), None),
]


@pytest.mark.parametrize(("entry", "wanted"), CASES)
def test_a_computed_attribute(entry: Computed, wanted: Any) -> None:
    found = computation(entry)(ROW, BODY)

    assert found == wanted
    assert type(found) is type(wanted)


PARKED: list[tuple[Computed, str, str]] = [
    (Constant("a", "x", T.DECIMAL), "constant", "not a number"),
    (Template("a", (("object",),)), "template", "object is an object or a list"),
    (Template("a", (("buyer", "tags"),)), "template", "buyer.tags is an object or a list"),
    (Template("a", (("buyer", "country"),)), "template", "buyer.country is an object or a list"),
    (Derived("a", F.SUM, ("lines", "d")), "sum", "lines.d is not a number everywhere"),
    (Derived("a", F.SUM, ("lines", "t")), "sum", "lines.t is not a number everywhere"),
    (Derived("a", F.MIN, ("lines", "product")), "min", "lines.product is an object or a list"),
    (Derived("a", F.MAX, ("lines", "product")), "max", "lines.product is an object or a list"),
]


@pytest.mark.parametrize(("entry", "what", "message"), PARKED)
def test_what_cannot_be_computed_is_said_without_the_value(entry: Computed, what: str, message: str) -> None:
    assert kind(entry) == what
    with pytest.raises(DoesNotFit) as caught:
        computation(entry)(ROW, BODY)

    assert str(caught.value) == message


def test_a_boolean_is_no_number_to_add() -> None:
    with pytest.raises(DoesNotFit):
        computation(Derived("a", F.SUM, ("many", "v")))({}, {"many": [{"v": True}]})


def test_a_sum_is_exact_or_none_at_all() -> None:
    """More digits than anything can store: named, not rounded."""
    body = {"many": [{"v": Decimal("1E+5000")}, {"v": Decimal("1E-5000")}]}

    with pytest.raises(DoesNotFit, match="has no exact sum"):
        computation(Derived("a", F.SUM, ("many", "v")))({}, body)


def test_a_structured_constant_is_nobody_elses() -> None:
    compute = computation(Constant("a", "[]", T.JSON))
    compute({}, {}).append(1)

    assert compute({}, {}) == []


numbers = st.none() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=9)
values = st.none() | st.booleans() | st.integers() | st.decimals(-(10**9), 10**9, allow_nan=False) | st.text()


@given(st.lists(numbers))
@example([10**40, Decimal("0.000000001"), -(10**40)])
def test_a_sum_is_that_of_sql(found: list[int | Decimal | None]) -> None:
    """Exact whatever the digits, NULL left out, in any order of the rows."""
    compute = computation(Derived("a", F.SUM, ("many", "v")))
    total = compute({}, {"many": [{"v": value} for value in found]})

    assert Fraction(total) == sum((Fraction(value) for value in found if value is not None), Fraction())
    assert compute({}, {"many": [{"v": value} for value in reversed(found)]}) == total


@given(st.lists(values, max_size=6))
def test_the_smallest_and_the_largest_are_the_ends_of_the_order(found: list[Any]) -> None:
    body = {"many": [{"v": value} for value in found]}
    ordered = sorted((value for value in found if value is not None), key=rank)
    smallest = computation(Derived("a", F.MIN, ("many", "v")))({}, body)
    largest = computation(Derived("a", F.MAX, ("many", "v")))({}, body)

    if not ordered:
        assert (smallest, largest) == (None, None)
        return
    assert (rank(smallest), rank(largest)) == (rank(ordered[0]), rank(ordered[-1]))


parts = st.lists(st.text(max_size=5) | st.sampled_from([("a",), ("b",), ("one", "c"), ("one", "two", "d")]), max_size=6)


@given(parts, values, values, values, values)
def test_a_template_is_its_parts_in_a_row_or_null(found: list[Any], a: Any, b: Any, c: Any, d: Any) -> None:
    row, body = {"a": a, "b": b}, {"one": {"c": c, "two": {"d": d}}}
    named = {("a",): a, ("b",): b, ("one", "c"): c, ("one", "two", "d"): d}
    texts = [part if isinstance(part, str) else named[part] for part in found]
    wanted = None if None in texts else "".join(itertools.chain.from_iterable(scalar_text(text) for text in texts))

    assert computation(Template("t", tuple(found)))(row, body) == wanted
