"""A shard that parks too much holds, says so, is let through or goes on by itself, and skips nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from worker import pulse
from worker.parked.limit import LOOK_SECONDS, TELL_SECONDS, Held, ParkingLimit

WINDOW = 300.0


@dataclass
class Shard:
    """A limit of 10 records on a clock that only moves when it is slept on."""

    now: float = 0.0
    allowed: Callable[[], bool] = lambda: False
    most: int = 10
    told: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limit = ParkingLimit(
            self.most, WINDOW, lambda: self.allowed(), self, clock=lambda: self.now, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def holds(self, why: Held, message: str) -> None:
        assert why is Held.PARKING_LIMIT
        assert "nearview parked allow" in message
        self.told.append(("holds", self.now))

    def goes_on(self, why: Held) -> None:
        self.told.append(("goes on", self.now))


def held_seconds(shard: Shard, records: int) -> float:
    started = shard.now
    shard.limit.wait(records)
    return shard.now - started


def test_below_the_limit_nothing_waits() -> None:
    shard = Shard()

    assert all(shard.limit.take(1) for _ in range(10))
    assert shard.now == 0.0


def test_above_it_the_shard_holds_until_the_window_has_passed_and_goes_on_by_itself() -> None:
    shard = Shard()
    shard.limit.take(10)
    shard.now = 100

    assert not shard.limit.take(1)
    assert WINDOW - 100 <= held_seconds(shard, 1) <= WINDOW - 100 + LOOK_SECONDS
    first, *_, last = shard.told
    assert (first, last[0]) == (("holds", 100), "goes on")
    assert shard.limit.take(1)


def test_it_says_so_every_minute_as_long_as_it_holds() -> None:
    shard = Shard()
    shard.limit.take(10)

    shard.limit.wait(1)

    at = [now for what, now in shard.told if what == "holds"]
    assert at == [TELL_SECONDS * number for number in range(5)]


def test_a_batch_above_the_limit_passes_when_nothing_was_parked_before_it() -> None:
    """Else it would hold for ever: a batch is never divided, and never skipped."""
    shard = Shard()

    assert shard.limit.take(5_000)
    assert not shard.limit.take(5_000)
    assert held_seconds(shard, 5_000) == pytest.approx(WINDOW, abs=LOOK_SECONDS)


def test_in_the_long_run_no_more_than_the_limit_and_a_batch_is_parked_in_a_window() -> None:
    shard = Shard()
    parked: list[tuple[float, int]] = []
    for _ in range(200):
        shard.limit.wait(7)
        parked.append((shard.now, 7))
        shard.now += 1

    for start, _ in parked:
        assert sum(records for at, records in parked if start <= at < start + WINDOW) < 10 + 7


def test_an_operator_lets_it_through_and_it_notices_soon() -> None:
    shard = Shard()
    shard.limit.take(10)
    shard.allowed = lambda: shard.now >= 42

    assert 42 <= held_seconds(shard, 1_000) <= 42 + LOOK_SECONDS
    assert shard.limit.take(1_000), "while it is allowed nothing waits"
    shard.allowed = lambda: False
    assert not shard.limit.take(1), "what was parked meanwhile counts"


def test_batches_that_park_nothing_never_wait() -> None:
    shard = Shard()
    shard.limit.take(1_000)

    assert shard.limit.take(0)


def test_no_limit_never_holds_and_asks_nobody() -> None:
    def never() -> bool:
        raise AssertionError

    shard = Shard(most=0, allowed=never)

    assert all(shard.limit.take(1_000_000) for _ in range(3))


def test_a_store_that_fails_for_good_while_it_holds_is_not_held_any_more() -> None:
    shard = Shard()
    shard.limit.take(10)
    shard.allowed = lambda: (_ for _ in ()).throw(RuntimeError)

    with pytest.raises(RuntimeError):
        shard.limit.wait(1)
    assert shard.told == [("goes on", 0.0)]


def _holds_for_a_window(shard: Shard) -> None:
    assert not shard.limit.take(1)
    assert WINDOW <= held_seconds(shard, 1) <= WINDOW + LOOK_SECONDS


MUTANTS: dict[str, Callable[[ParkingLimit], None]] = {
    "the limit is forgotten": lambda limit: setattr(limit, "_most", 10**9),
    "the window never passes": lambda limit: setattr(limit, "_window_seconds", 10**9),
    "what was parked is forgotten": lambda limit: limit._parked.clear(),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_limit_is_noticed(mutant: str) -> None:
    """Each breaks the test of the second one above, which is what it asserts."""
    shard = Shard()
    shard.limit.take(10)
    MUTANTS[mutant](shard.limit)
    shard.limit._sleep = lambda seconds: shard.sleep(seconds) if shard.now < 10 * WINDOW else pytest.fail("for ever")

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _holds_for_a_window(shard)


def test_a_shard_that_holds_has_a_pulse() -> None:
    """A watchdog must not take it for one that hangs."""
    assert ParkingLimit.__init__.__defaults__ is not None
    assert pulse.sleep in ParkingLimit.__init__.__defaults__
    assert LOOK_SECONDS <= 5
