"""Primary-key changes that cross in one transaction are found, in whatever order and batches they come."""

from __future__ import annotations

import itertools

import pytest

from worker.records import crossing
from worker.records.crossing import KeyMove, KeyMoves


def _move(version: int, old: str, new: str, transaction: str = "7") -> KeyMove:
    return KeyMove(("s.t", transaction, 100), f"{version:04}", old, new)


SWAP = [_move(1, "1", "2"), _move(2, "2", "1")]
ROUND = [_move(1, "1", "2"), _move(2, "2", "3"), _move(3, "3", "1")]
CHAIN = [_move(1, "1", "2"), _move(2, "2", "3")]
FREED_FIRST = [_move(1, "2", "3"), _move(2, "1", "2")]
OTHER_TRANSACTION = [_move(1, "1", "2"), _move(2, "2", "3", "8")]
APART = [_move(1, "1", "2"), _move(2, "5", "6")]


@pytest.mark.parametrize("moves", [SWAP, ROUND, CHAIN])
def test_moves_that_cross_are_found_in_any_order(moves: list[KeyMove]) -> None:
    """A key is taken, and then taken away: by the row that just came, or by the one that was there before?"""
    for order in itertools.permutations(moves):
        assert KeyMoves().crossed(order) == set(moves)


@pytest.mark.parametrize("moves", [FREED_FIRST, OTHER_TRANSACTION, APART, [], SWAP[:1], [SWAP[0], SWAP[0]]])
def test_what_is_clear_is_left_alone(moves: list[KeyMove]) -> None:
    """A key that was free when it was taken; a record that came twice."""
    assert KeyMoves().crossed(moves) == set()


def test_only_those_that_cross_are_found() -> None:
    assert KeyMoves().crossed([*SWAP, _move(3, "8", "9")]) == set(SWAP)


def test_the_second_half_of_a_swap_is_found_in_a_later_batch() -> None:
    moves = KeyMoves()

    assert moves.crossed(SWAP[:1]) == set()
    assert moves.crossed(SWAP[1:]) == {SWAP[1]}
    assert moves.crossed(SWAP) == set(SWAP)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "REMEMBERED_TRANSACTIONS", 3)
    moves = KeyMoves()
    moves.crossed(SWAP[:1])
    for number in range(10, 15):
        moves.crossed([_move(1, "a", "b", str(number))])

    assert moves.crossed(SWAP[1:]) == set()
