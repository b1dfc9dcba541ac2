"""Bounds of lists: what lies between them is what a comparison of the values says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.queries.catalog import Index
from api_lambdas.queries.ranges import between
from api_lambdas.shared.http import Problem
from contract.keys import index_sort

NUMBERS = st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6
) | st.integers(-5, 5).map(Decimal)
# the order of texts is that of their characters; those that end a sort key's parts are no part of texts
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
BOUND = {"from": "__ge__", "after": "__gt__", "to": "__le__", "before": "__lt__"}


def index(kind: str, *more: str) -> Index:
    return Index("by_x", 1, "p", ("x", *more), kind)


def inside(found: Any, sort_key: str) -> bool:
    """As DynamoDB compares: by the bytes in UTF-8."""
    low, key, high = found.low.encode(), sort_key.encode(), found.high.encode()
    return bool(low <= key <= high)


def check(kind: str, text_of: Any, value: Any, bound: Any, names: list[str], key: str, more: list[Any]) -> None:
    found = between(index(kind, *(f"y{n}" for n in range(len(more)))), {name: text_of(bound[name]) for name in names})

    assert found is not None
    expected = all(getattr(value, BOUND[name])(bound[name]) is True for name in names)
    assert inside(found, index_sort([value, *more], key)) == expected


SOME = st.sampled_from(
    [["from"], ["after"], ["to"], ["before"], ["from", "to"], ["after", "before"], ["from", "before"], ["after", "to"]]
)
MORE = st.lists(TEXTS | NUMBERS, max_size=2)


@given(NUMBERS, st.fixed_dictionaries(dict.fromkeys(BOUND, NUMBERS)), SOME, KEYS, MORE)
def test_numbers(value: Decimal, bound: dict[str, Decimal], names: list[str], key: str, more: list[Any]) -> None:
    """Whatever stands behind them in the index's order, and whatever the document's key is."""
    check("decimal", lambda number: format(number, "f"), value, bound, names, key, more)


@given(TEXTS, st.fixed_dictionaries(dict.fromkeys(BOUND, TEXTS)), SOME, KEYS, MORE)
def test_texts(value: str, bound: dict[str, str], names: list[str], key: str, more: list[Any]) -> None:
    """By code point, also where one is the beginning of the other."""
    check("text", str, value, bound, names, key, more)


@given(
    st.sampled_from(["a", "ab", "abc", "b", ""]),
    st.fixed_dictionaries(dict.fromkeys(BOUND, st.sampled_from(["a", "ab", "abb", ""]))),
    SOME,
    MORE,
)
def test_beginnings_of_each_other(value: str, bound: dict[str, str], names: list[str], more: list[Any]) -> None:
    check("text", str, value, bound, names, "\x00key", more)


FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001  the strategy puts the zone to them
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(MOMENTS, st.fixed_dictionaries(dict.fromkeys(BOUND, MOMENTS)), SOME, st.integers(-12 * 60, 12 * 60))
def test_moments(value: datetime, bound: dict[str, datetime], names: list[str], minutes: int) -> None:
    """Sorted as the worker does, without the Z; a bound may have an offset."""
    stored = value.replace(tzinfo=None).isoformat()
    stored = stored.rstrip("0").rstrip(".") if "." in stored else stored
    texts = {name: _text(bound[name], minutes) for name in names}
    try:
        found = between(index("timestamptz"), texts)
    except Problem:
        assert any(moment.year in (1, 9999) for moment in bound.values())
        return

    assert found is not None
    expected = all(getattr(value, BOUND[name])(bound[name]) is True for name in names)
    assert inside(found, index_sort([stored], "k")) == expected


def _text(moment: datetime, minutes: int) -> str:
    return moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", ["0", "-7", "7.5"], ["", "x", "1e3", "+1", "٣", "1.", ".5", "--1", "1" * 61, "NaN"]),
        ("boolean", ["true", "false"], ["", "TRUE", "1"]),
        ("date", ["2026-03-01"], ["2026-3-1", "2026-03-01T00:00:00", "", "20260301"]),
        (
            "timestamp",
            ["2026-03-01T08:00:00", "2026-03-01T08:00:00.5"],
            ["2026-03-01T08:00:00Z", "2026-03-01", "2026-03-01 08:00:00"],
        ),
        (
            "timestamptz",
            ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.25+02:00"],
            ["2026-03-01T08:00:00", "0001-01-01T00:00:00+12:00", "2026-13-01T08:00:00+02:00", "now"],
        ),
        ("text", ["", "x"], []),
    ],
)
def test_a_bound_must_be_of_the_attributes_type(kind: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert between(index(kind), {"from": text}) is not None
    for text in bad:
        with pytest.raises(Problem, match="must be"):
            between(index(kind), {"to": text})


def test_bounds_that_say_nothing_are_refused() -> None:
    """Two lower or two upper ones, an index without order, an attribute without a declared type."""
    for parameters in ({"from": "1", "after": "1"}, {"to": "1", "before": "1"}):
        with pytest.raises(Problem, match="not both"):
            between(index("integer"), parameters)
    with pytest.raises(Problem, match="no sort attribute"):
        between(Index("by_x", 1, "p", ()), {"from": "1"})
    with pytest.raises(Problem, match="declares no type for x"):
        between(index(""), {"from": "1"})
    assert between(index("integer"), {"limit": "1"}) is None
