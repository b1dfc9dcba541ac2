"""A busy shard: what is due gets its share of the time and no more, however much of it there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.child.turns import FURTHEST_AHEAD, MOST_OWED, SHARE, Turns

seconds = st.floats(0.01, 10)


def test_nothing_is_owed_before_a_delivery() -> None:
    assert not Turns().owes


@given(st.lists(seconds, min_size=1, max_size=50), seconds)
def test_what_is_due_gets_its_share_and_one_slice_more_at_most(deliveries: list[float], slice_seconds: float) -> None:
    turns, worked = Turns(), 0.0
    for one in deliveries:
        turns.delivered(one)
        while turns.owes:
            turns.worked(slice_seconds)
            worked += slice_seconds

    owed = SHARE * sum(deliveries)
    assert owed - 1e-6 <= worked
    assert worked <= owed + slice_seconds * (1 + owed // FURTHEST_AHEAD) + 1e-6


@given(seconds)
def test_work_in_a_long_pause_does_not_cost_it_its_share_afterwards(pause: float) -> None:
    turns = Turns()
    turns.worked(pause)
    turns.delivered(1 / SHARE * FURTHEST_AHEAD + 0.01)

    assert turns.owes


@given(seconds)
def test_a_delivery_that_waited_for_hours_does_not_keep_the_next_one_waiting(slice_seconds: float) -> None:
    turns, worked = Turns(), 0.0
    turns.delivered(7200.0)
    while turns.owes:
        turns.worked(slice_seconds)
        worked += slice_seconds

    assert worked <= MOST_OWED + slice_seconds + 1e-6


def test_what_comes_later_has_no_claim_to_time_before() -> None:
    turns = Turns()
    turns.delivered(1000.0)
    turns.nothing_is_due()
    turns.delivered(1.0)
    turns.worked(SHARE)

    assert not turns.owes
