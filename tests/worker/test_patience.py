"""Calls are repeated until they succeed, each on its own; only what no repetition mends ends it."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from worker.errors import FatalError, TransientError
from worker.log import Log
from worker.patience import Patience
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
