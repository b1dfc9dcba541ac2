"""Calls are repeated until they succeed, each on its own; only what no repetition mends ends it."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from worker import pulse
from worker.errors import FatalError, TransientError
from worker.log import Log
from worker.parked.limit import Held
from worker.patience import ATTEMPTS_BEFORE_TELLING, Patience
from worker.store.failures import LONGEST_DELAY_SECONDS


class Flaky:
    """Fails a number of times for each argument."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls: Counter[str] = Counter()

    def __call__(self, argument: str) -> None:
        self.calls[argument] += 1
        if self.calls[argument] <= self.failures:
            raise self.error


def _patience(pauses: list[float], attempts: int | None = None) -> Patience:
    return Patience("the table", Log("error", io.StringIO()), pauses.append, lambda: 1.0, attempts)


def test_each_call_is_repeated_until_it_succeeds_and_pauses_grow_to_a_limit() -> None:
    pauses: list[float] = []
    patience, call = _patience(pauses), Flaky(9, OSError())

    patience.all(call, ["a", "b"])

    assert call.calls == {"a": 10, "b": 10}
    assert patience.retries == 18
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_DELAY_SECONDS


def test_what_has_succeeded_is_not_repeated() -> None:
    call = Flaky(1, OSError())
    call.calls["done"] = 5

    _patience([]).all(call, ["done", "again"])

    assert call.calls == {"done": 6, "again": 2}


def test_every_call_that_fails_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[None] = []
    monkeypatch.setattr(pulse, "beat", lambda: beats.append(None))

    _patience([]).all(Flaky(1, OSError()), [str(number) for number in range(20)])

    assert len(beats) == 40, "none between 20 time-outs, 8 at a time, looks like a child that hangs"


def test_with_limited_attempts_the_trouble_is_told() -> None:
    call = Flaky(9, OSError())

    with pytest.raises(TransientError, match="the table: OSError"):
        _patience([], attempts=3).all(call, ["a"])

    assert call.calls == {"a": 3}


def test_what_no_repetition_mends_ends_it_at_once() -> None:
    call = Flaky(9, RuntimeError())

    with pytest.raises(FatalError, match="the table: RuntimeError"):
        _patience([]).all(call, ["a"])

    assert call.calls == {"a": 1}


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def holds(self, why: Held, message: str) -> None:
        self.lines.append(f"holds, {why}: {message}")

    def goes_on(self, why: Held) -> None:
        self.lines.append(f"goes on, {why}")


def test_a_wait_that_lasts_is_told_and_so_is_its_end() -> None:
    told = Told()
    patience = Patience("the table", Log("error", io.StringIO()), lambda _: None, lambda: 1.0, telling=told)

    patience.all(Flaky(ATTEMPTS_BEFORE_TELLING + 1, OSError()), ["a"])

    assert told.lines == [*["holds, parking_store: the table: OSError"] * 2, "goes on, parking_store"]


def test_a_throttled_request_is_nothing_to_tell() -> None:
    told = Told()
    patience = Patience("the table", Log("error", io.StringIO()), lambda _: None, lambda: 1.0, telling=told)

    patience.all(Flaky(2, OSError()), ["a"])

    assert [line for line in told.lines if line.startswith("holds")] == []


def test_our_own_errors_keep_their_class_and_text() -> None:
    with pytest.raises(TransientError, match="no key"):
        _patience([], attempts=2).all(Flaky(9, TransientError("no key")), ["a"])
    with pytest.raises(FatalError, match="gone"):
        _patience([]).all(Flaky(9, FatalError("gone")), ["a"])
