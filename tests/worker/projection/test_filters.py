"""Row filters: every test with numbers, texts, NULL and what is neither."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.keys import Scalar, scalar_text
from contract.mapping import Filter, Test
from worker.projection.filters import passes

NUMBER = Decimal("10.50")

CASES: list[tuple[Any, Test, tuple[Scalar | None, ...], bool]] = [
    ("a", Test.IN, ("a", "b"), True),
    ("c", Test.IN, ("a", "b"), False),
    ("a", Test.IN, (), False),
    (1, Test.IN, ("1",), True),
    ("1", Test.IN, (1,), True),
    (NUMBER, Test.IN, ("10.5",), True),
    (True, Test.IN, ("true",), True),
    (None, Test.IN, ("a", None), True),
    (None, Test.IN, ("a",), False),
    (None, Test.IN, ("",), False),
    ({"a": 1}, Test.IN, ("a", None), False),
    ([], Test.IN, (None,), False),
    ("a", Test.NOT, ("a",), False),
    ("b", Test.NOT, ("a",), True),
    (None, Test.NOT, ("a",), True),
    (None, Test.NOT, ("a", None), False),
    ({"a": 1}, Test.NOT, ("a", None), True),
    (10, Test.AT_LEAST, ("10",), True),
    (9, Test.AT_LEAST, ("10",), False),
    (NUMBER, Test.AT_LEAST, (10,), True),
    (10, Test.ABOVE, ("10",), False),
    (11, Test.ABOVE, ("10.5",), True),
    (10, Test.AT_MOST, ("10",), True),
    (11, Test.AT_MOST, ("10",), False),
    (10, Test.BELOW, ("10",), False),
    (-1, Test.BELOW, (Decimal("-0.5"),), True),
    (10, Test.AT_LEAST, ("ten",), False),
    (10, Test.AT_MOST, ("ten",), False),
    (10, Test.AT_LEAST, (True,), False),
    ("9", Test.AT_LEAST, ("10",), True),
    ("2020-01-01T10:00:00Z", Test.AT_LEAST, ("2020-01-01",), True),
    ("2019-12-31", Test.AT_LEAST, ("2020-01-01",), False),
    ("é", Test.ABOVE, ("z",), True),
    (True, Test.AT_LEAST, ("false",), True),
    (None, Test.AT_LEAST, ("",), False),
    (None, Test.BELOW, ("z",), False),
    (5, Test.AT_LEAST, (None,), False),
    ({"a": 1}, Test.AT_LEAST, ("",), False),
    ([1], Test.BELOW, ("z",), False),
]


@pytest.mark.parametrize(("value", "test", "values", "wanted"), CASES)
def test_a_row_passes_or_not(value: Any, test: Test, values: tuple[Scalar | None, ...], wanted: bool) -> None:
    assert passes(Filter("column", values, test))({"column": value}) is wanted


@pytest.mark.parametrize("test", Test)
def test_a_column_that_is_not_there_counts_as_null(test: Test) -> None:
    let = passes(Filter("column", ("a",), test))

    assert let({}) is let({"column": None})


scalars = st.booleans() | st.integers() | st.decimals(-(10**20), 10**20, allow_nan=False) | st.text()
delivered = (
    st.none() | scalars | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(), st.none(), max_size=2)
)
lists = st.lists(st.none() | scalars, max_size=4)


@given(delivered, lists)
def test_not_is_the_exact_complement_of_in(value: Any, values: list[Scalar | None]) -> None:
    row = {"column": value}

    assert passes(Filter("column", tuple(values), Test.NOT))(row) is not passes(Filter("column", tuple(values)))(row)


@given(scalars, lists)
def test_a_listed_value_is_found_in_whatever_form_it_came(value: Scalar, others: list[Scalar | None]) -> None:
    rule = Filter("column", (*others, scalar_text(value)))

    assert passes(rule)({"column": value})
    assert passes(rule)({"column": scalar_text(value)})


@given(delivered, scalars)
def test_bounds_agree_with_each_other(value: Any, bound: Scalar) -> None:
    """One of below and at_least holds, or neither: then the value or the bound cannot be compared."""
    row = {"column": value}
    found = {test: passes(Filter("column", (bound,), test))(row) for test in Test}

    assert not (found[Test.BELOW] and found[Test.AT_LEAST])
    assert not (found[Test.ABOVE] and found[Test.AT_MOST])
    assert (found[Test.BELOW] or found[Test.AT_LEAST]) == (found[Test.ABOVE] or found[Test.AT_MOST])
    if isinstance(value, str):
        assert found[Test.BELOW] or found[Test.AT_LEAST]
