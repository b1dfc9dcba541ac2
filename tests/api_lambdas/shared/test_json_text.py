"""JSON without loss."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.shared.json_text import MAX_DEPTH, NotJson, dumps, loads

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_back(value: Any) -> None:
    """Numbers with all their digits; any JSON reader can read the text."""
    text = dumps(value)

    assert loads(text) == value
    assert json.loads(text, parse_float=Decimal) == value


@given(st.dictionaries(TEXT, st.integers()))
def test_sorted_names_make_one_text_of_equal_values(value: dict[str, int]) -> None:
    """The order in which a client wrote the members does not matter."""
    assert dumps(value, sort_keys=True) == dumps(dict(reversed(value.items())), sort_keys=True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"NaN",
        b"[Infinity]",
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b"[" * 100_000,
        b"[" * 5_000 + b"]" * 5_000,
        b"1" * 10_000,
        b"1e99999999999999999999",
    ],
)
def test_what_is_no_clear_json_is_refused(text: bytes) -> None:
    """One exception for all, without the text in it."""
    with pytest.raises(NotJson):
        loads(text)


@pytest.mark.parametrize(
    "number", ["0.1", "12345678901234567890.5", "1E-130", "9.99E+125", "-0.07", "1E+400", "1E-400"]
)
def test_a_number_keeps_its_value_beside_others(number: str) -> None:
    """Whether a float could hold it or not."""
    value = {"a": Decimal(number), "b": Decimal("2.50"), "c": 10**37}

    assert json.loads(dumps(value), parse_float=Decimal) == value


@pytest.mark.parametrize(("opening", "closing", "levels"), [("[", "]", 1), ('{"a":', "}", 1), ('[{"a":', "}]", 2)])
def test_there_is_a_deepest_body(opening: str, closing: str, levels: int) -> None:
    """Counted in objects and lists that stand in each other."""
    times = MAX_DEPTH // levels

    assert loads(opening * times + "1" + closing * times)
    with pytest.raises(NotJson, match="too deeply"):
        loads(opening * (times + 1) + "1" + closing * (times + 1))
