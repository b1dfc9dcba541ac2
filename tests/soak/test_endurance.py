"""What `make endurance` computes and calls a problem."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.endurance import Series, problems, slope


def test_the_slope_is_the_median_of_those_between_any_two_moments() -> None:
    assert slope([0, 1, 2, 3], [1, 3, 5, 7]) == pytest.approx(2)
    assert slope([0, 1, 2, 3], [5, 4, 6, 5]) == pytest.approx(0.25)
    assert slope([1], [5]) == 0
    assert slope([1, 1], [5, 6]) == 0


def test_a_step_is_no_growth_and_stairs_are() -> None:
    """The largest batch so far leaves a step; what is never given back comes again and again."""
    at: list[float] = list(range(0, 1800, 5))

    assert slope(at, [95.0 + (0 if second < 60 else 4) for second in at]) == 0
    assert slope(at, [95.0 + second // 300 for second in at]) * 3600 == pytest.approx(12, rel=0.05)
    assert slope(at, [95.0 + second / 900 for second in at]) * 3600 == pytest.approx(4)


def test_only_the_second_half_counts() -> None:
    """Caches fill in the first one."""
    series = Series([0, 10, 20, 30], [0, 90_000_000, 100_000_000, 100_000_000], [1, 5, 9, 9])

    assert series.second_half()["mb_per_hour"] == 0
    assert series.second_half()["files_per_hour"] == 0


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("child 1", {"mb_per_hour": 5.0}, "child 1: 5.0 MB more every hour"),
        ("supervisor", {"files_per_hour": 3.0}, "supervisor: 3.0 more open files every hour"),
        ("child 1", {"mb_gained": 11.0}, "child 1: 11.0 MB more in the second half"),
        ("daemon", {"mb_per_hour": 50.0, "mb_gained": 60.0}, ""),
        ("child 1", {}, ""),
    ],
)
def test_what_grows_is_a_problem(name: str, change: dict[str, Any], said: str) -> None:
    values = {"mb_per_hour": 0.5, "mb_gained": 0.3, "files_per_hour": 0.0, **change}
    report = {"left_alone": {"differences": 0, "parked": 0, "processes": {name: values}}}

    assert problems(report) == ([said] if said else [])


def test_a_difference_is_a_problem() -> None:
    assert problems({"killed": {"differences": 2, "parked": 0}}) == ["killed: 2 differences, 0 parked"]
