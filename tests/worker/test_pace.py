"""How fast a run may read."""

from worker.pace import Pace


def test_without_a_number_nothing_waits() -> None:
    pace = Pace(sleep=lambda _: (_ for _ in ()).throw(AssertionError))

    pace.after(1_000_000)

    assert pace.chunk(500) == 500


def test_the_average_is_kept_and_a_slow_source_is_not_slowed_down_more() -> None:
    now = 100.0
    slept: list[float] = []
    pace = Pace(10, clock=lambda: now, sleep=slept.append)

    pace.after(5)
    now += 0.5
    pace.after(5)
    now += 2.5
    pace.after(5)

    assert slept == [0.5, 0.5]
    assert pace.chunk(500) == 10
    assert Pace(0.5).chunk(500) == 1
