"""A child hangs when it is busy and its pulse stands still for long enough while we look."""

from worker.pulse import AT_REST
from worker.supervisor.hang import HangWatch

CHILD = 7


def looks(*pulses: int, every: float = 1.0, patience: float = 3.0) -> list[bool]:
    """Whether the child hangs after each look."""
    watch = HangWatch(patience)
    return [watch.hung({CHILD: pulse}, every) == [CHILD] for pulse in pulses]


def test_a_pulse_that_stands_still_is_a_hang() -> None:
    assert looks(5, 5, 5, 5) == [False, False, False, True]


def test_progress_begins_the_time_anew() -> None:
    assert not any(looks(5, 5, 5, 6, 6, 6))


def test_a_child_at_rest_never_hangs() -> None:
    assert not any(looks(*[AT_REST] * 10))
    assert not any(looks(5, 5, 5, AT_REST, 5, 5, 5))


def test_a_machine_that_was_paused_has_shown_nothing() -> None:
    assert looks(5, 5, 5, 5, every=500.0) == looks(5, 5, 5, 5)


def test_another_process_of_the_same_number_is_another_child() -> None:
    watch = HangWatch(2.0)
    watch.hung({CHILD: 5}, 1.0)
    watch.hung({CHILD: 5}, 1.0)
    assert watch.hung({}, 1.0) == []
    assert watch.hung({CHILD: 5}, 1.0) == []
    assert watch.hung({CHILD: 5}, 1.0) == []


def test_each_child_is_watched_alone() -> None:
    watch = HangWatch(2.0)
    for number in range(2):
        assert watch.hung({1: 5, 2: number + 1}, 1.0) == []
    assert watch.hung({1: 5, 2: 9}, 1.0) == [1]
