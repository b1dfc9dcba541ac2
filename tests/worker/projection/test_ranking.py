"""The order of values: by kind, then by value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.projection.ranking import rank


def test_kinds_come_one_after_the_other() -> None:
    """Numbers by value, booleans, text by code point, objects, NULL last."""
    mixed: list[Any] = [None, True, "é", False, 10, "a", {"a": 1}, Decimal("1.5"), "9", "Z", "", "10", 2, -1]

    assert sorted(mixed, key=rank) == [
        *(-1, Decimal("1.5"), 2, 10),
        *(False, True),
        *("", "10", "9", "Z", "a", "é"),
        *({"a": 1}, None),
    ]


def test_times_order_as_times() -> None:
    """A whole second comes before its own fractions, though `.` sorts before `Z`."""
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.100000Z", "2026-01-01T00:00:01Z", None]

    assert sorted([times[3], times[1], times[0], times[2]], key=rank) == times


def test_only_the_z_of_an_instant_is_left_out() -> None:
    assert rank("2026-01-01T00:00:00Z") == rank("2026-01-01T00:00:00")
    assert rank("A-Z") != rank("A-")


values = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text() | st.lists(st.integers())


@given(values, values)
def test_any_two_values_compare(one: Any, other: Any) -> None:
    assert (rank(one) < rank(other)) + (rank(one) == rank(other)) + (rank(one) > rank(other)) == 1
