"""The budget of a replay: on any course of batches and pauses no more is spent than allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.replay.budget import FIRST_CHUNK, Budget


@dataclass
class Time:
    """A clock that moves when somebody sleeps or works."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def budget(per_second: float | None) -> tuple[Budget, Time]:
    time = Time()
    return Budget(per_second, time.clock, time.sleep), time


@given(
    st.floats(0.5, 1000),
    st.lists(st.tuples(st.floats(0, 500), st.integers(1, 500), st.floats(0, 5)), min_size=1, max_size=40),
)
def test_spent_units_never_exceed_the_rate_by_more_than_a_second_and_a_batch(
    per_second: float, batches: list[tuple[float, int, float]]
) -> None:
    spending, time = budget(per_second)
    spent, largest = 0.0, 0.0
    for units, records, pause in batches:
        time.now += pause
        spent, largest = spent + units, max(largest, units)
        # at the moment of spending, before it is paid for
        assert spent <= per_second * (time.now + 1) + largest + 1e-6
        spending.spent(units, records)
        assert spent <= per_second * (time.now + 1) + 1e-6


def test_batches_become_as_large_as_a_second_pays_for() -> None:
    spending, _ = budget(100)
    assert spending.chunk(500) == FIRST_CHUNK
    spending.spent(50, 25)
    assert spending.chunk(500) == 50
    spending.spent(0, 50)
    assert spending.chunk(500) == 100
    spending.spent(1000, 10)  # dearer at once
    assert spending.chunk(500) == 1


def test_what_costs_nothing_is_not_held_up() -> None:
    spending, time = budget(1)
    for _ in range(10):
        spending.spent(0, 500)
    assert (time.slept, spending.chunk(500)) == ([], 500)


def test_without_a_budget_nothing_waits() -> None:
    spending, time = budget(None)
    spending.spent(1e9, 1)
    assert (time.slept, spending.chunk(500)) == ([], 500)


def test_idle_time_is_not_saved_up() -> None:
    spending, time = budget(10)
    spending.spent(0, 1)
    time.now += 3600
    spending.spent(30, 1)
    assert sum(time.slept) == pytest.approx(2)
