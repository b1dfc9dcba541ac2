"""Falling positions stop a table; replays, reordering, long transactions and clocks that step back do not."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.records.envelope import ChangeEvent, Operation
from worker.records.errors import TableLacks
from worker.records.watch import LONG_AFTER_MICROS, MANY_TRANSACTIONS, PositionWatch

SECOND = 1_000_000


def _event(transaction: int, number: int, committed: int, built: int = 0) -> ChangeEvent:
    return ChangeEvent(
        "s.t", Operation.INSERT, {}, None, "x", number, committed, built or committed, transaction=str(transaction)
    )


def _see(watch: PositionWatch, *seen: tuple[ChangeEvent, int], incarnation: int = 1) -> None:
    for event, position in seen:
        watch.see(event, incarnation, position)


def test_positions_that_fall_within_a_transaction_stop_the_table() -> None:
    watch = PositionWatch()
    _see(watch, (_event(7, 1, 100), 50), (_event(7, 2, 100), 50), (_event(7, 3, 100), 51))

    with pytest.raises(TableLacks, match=r"record numbers of one transaction rise.*nearview incarnation raise"):
        _see(watch, (_event(7, 4, 100), 49))


@pytest.mark.parametrize(
    "later",
    [
        _event(7, 2, 100),
        _event(8, 9, 100),
        _event(7, 9, 101),
        replace(_event(7, 9, 100), transaction=None),
        replace(_event(7, 9, 100), built_micros=99),
        replace(_event(7, 9, 100), commit_micros=None),
        replace(_event(7, 9, 100), record_number=None),
    ],
    ids=[
        "replay",
        "another transaction",
        "number used again",
        "no number",
        "late",
        "no commit time",
        "no record number",
    ],
)
def test_what_is_no_proof_stops_nothing(later: ChangeEvent) -> None:
    watch = PositionWatch()
    _see(watch, (_event(7, 3, 100), 51), (later, 5))


def test_many_transactions_below_the_highest_position_and_long_after_it_stop_the_table() -> None:
    """A source restored without a new incarnation."""
    watch = PositionWatch()
    start = 1_000 * SECOND
    _see(watch, *((_event(n, 1, start + n * SECOND), 10_000 + n) for n in range(50)))
    restored = start + 50 * SECOND + LONG_AFTER_MICROS
    after = [(_event(100 + n, 1, restored + n * SECOND), 500 + n) for n in range(MANY_TRANSACTIONS)]

    _see(watch, *after[:-1])
    with pytest.raises(TableLacks, match="while commit times rise"):
        _see(watch, after[-1])
    with pytest.raises(TableLacks):
        watch.see(replace(after[-1][0], table="s.other", transaction="next"), 1, 700)


def test_a_raised_incarnation_begins_anew() -> None:
    watch = PositionWatch()
    _see(watch, (_event(1, 1, SECOND), 10_000))
    late = SECOND + 2 * LONG_AFTER_MICROS

    _see(watch, *((_event(2 + n, 1, late + n), n) for n in range(2 * MANY_TRANSACTIONS)), incarnation=2)


def test_one_long_transaction_with_very_many_records_stops_nothing() -> None:
    watch = PositionWatch()
    _see(watch, (_event(1, 1, SECOND), 10_000))
    late = SECOND + 2 * LONG_AFTER_MICROS

    _see(watch, *((_event(2, 1 + n, late), 100 + n) for n in range(3 * MANY_TRANSACTIONS)))


History = list[tuple[ChangeEvent, int]]


def _history(rng: random.Random) -> History:
    """What a sound source commits: overlapping transactions, some long, a clock that steps back now and then."""
    position, clock = 0, 1_000 * SECOND
    found: History = []
    running: list[list[int]] = []
    for transaction in itertools.count(1):
        if transaction > 60 and not running:
            return found
        if transaction <= 60:
            running.append([transaction])
        for one in running:
            for _ in range(rng.randrange(3)):
                position += rng.randrange(1, 9)
                one.append(position)
        clock += rng.randrange(60 * SECOND)
        if rng.random() < 0.02:
            clock -= rng.randrange(3_600 * SECOND)
        if running and (transaction > 60 or rng.random() < 0.8):
            number, *changes = running.pop(rng.randrange(len(running)))
            found += [(_event(number, at, clock), where) for at, where in enumerate(changes, start=1)]
    raise AssertionError


@given(st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_no_replay_or_reordering_of_a_sound_history_stops_a_table(seed: int) -> None:
    rng = random.Random(seed)
    history = _history(rng)
    arrived: History = []
    at, built = 0, 10**12
    while at < len(history):
        run = [
            (replace(event, built_micros=built + n), where) for n, (event, where) in enumerate(history[at : at + 40])
        ]
        built += 1_000
        for _ in range(rng.randrange(6)):  # PutRecords stores some behind their followers, or twice
            i = rng.randrange(len(run))
            run.insert(rng.randrange(len(run)), run[i] if rng.random() < 0.5 else run.pop(i))
        arrived += run
        at = max(0, at + 40 - rng.choice([0, 0, 0, 10, 35])) if rng.random() < 0.9 else max(0, at - 100)

    _see(PositionWatch(), *arrived)
