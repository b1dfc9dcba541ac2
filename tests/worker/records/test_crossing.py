"""Primary-key changes that cross in one transaction are found, in whatever order and batches they come."""

from __future__ import annotations

import itertools

import pytest

from worker.records import crossing
from worker.records.crossing import KeyMove, KeyMoves


def _move(version: int, old: str, new: str, transaction: str = "7") -> KeyMove:
    return KeyMove(("s.t", transaction, 100), f"{version:04}", old, new)


def _live(*keys: str, version: str = "0000") -> dict[tuple[str, str], list[tuple[str, bool]]]:
    return {("s.t", key): [(version, True)] for key in keys}


SWAP = [_move(1, "1", "2"), _move(2, "2", "1")]
ROUND = [_move(1, "1", "2"), _move(2, "2", "3"), _move(3, "3", "1")]
CHAIN = [_move(1, "1", "2"), _move(2, "2", "3")]
BY_A_THIRD_KEY = [_move(1, "1", "-1"), _move(2, "2", "1"), _move(3, "-1", "2")]
FREED_FIRST = [_move(1, "2", "3"), _move(2, "1", "2")]
FREED_AND_LEFT = [_move(1, "2", "3"), _move(2, "1", "2"), _move(3, "2", "5")]
OTHER_TRANSACTION = [_move(1, "1", "2"), _move(2, "2", "3", "8")]
APART = [_move(1, "1", "2"), _move(2, "5", "6")]


@pytest.mark.parametrize("moves", [SWAP, ROUND, CHAIN])
def test_moves_that_cross_at_a_key_where_a_row_stood_are_found_in_any_order(moves: list[KeyMove]) -> None:
    """A key is taken, and then taken away: by the row that just came, or by the one that was there before?"""
    for order in itertools.permutations(moves):
        assert KeyMoves().crossed(order, _live("1", "2", "3")) == set(moves)


@pytest.mark.parametrize("moves", [CHAIN, BY_A_THIRD_KEY, SWAP])
def test_a_row_that_goes_on_from_a_key_that_was_free_is_clear(moves: list[KeyMove]) -> None:
    for order in itertools.permutations(moves):
        assert KeyMoves().crossed(order, {}) == set()


@pytest.mark.parametrize("order", list(itertools.permutations(BY_A_THIRD_KEY)))
def test_keys_swapped_by_way_of_a_third_one_are_clear(order: tuple[KeyMove, ...]) -> None:
    """As wherever a key is checked with every row: rows stand at 1 and 2, none at -1."""
    assert KeyMoves().crossed(order, _live("1", "2")) == set()


@pytest.mark.parametrize(
    "moves", [FREED_FIRST, FREED_AND_LEFT, OTHER_TRANSACTION, APART, [], SWAP[:1], [SWAP[0], SWAP[0]]]
)
def test_what_is_clear_is_left_alone(moves: list[KeyMove]) -> None:
    """A key that was freed before it was taken; a record that came twice."""
    for order in itertools.permutations(moves):
        assert KeyMoves().crossed(order, _live("1", "2", "3", "5", "6")) == set()


def test_only_those_that_cross_are_found() -> None:
    assert KeyMoves().crossed([*SWAP, _move(3, "8", "9")], _live("2", "9")) == set(SWAP)


def test_the_second_half_of_a_swap_is_found_in_a_later_batch() -> None:
    """By then the first half stands at the key."""
    moves = KeyMoves()

    assert moves.crossed(SWAP[:1], _live("2")) == set()
    assert moves.crossed(SWAP[1:], _live("2", version="0001")) == {SWAP[1]}
    assert moves.crossed(SWAP, _live("2", version="0001")) == set(SWAP)


def test_a_row_stored_by_the_transaction_itself_or_later_is_no_row_from_before() -> None:
    for version in ("0001", "0009"):
        assert KeyMoves().crossed(CHAIN, _live("2", version=version)) == set()


@pytest.mark.parametrize(
    ("states", "crosses"),
    [
        ([("0000", False)], False),
        ([("0000", False), ("00001", True)], True),
        ([("00001", False), ("0000", True)], False),
        ([("0009", False), ("0000", True)], True),
    ],
)
def test_what_stood_at_a_key_is_its_newest_state_before_the_transaction(
    states: list[tuple[str, bool]], crosses: bool
) -> None:
    """Stored, or a change in the same batch."""
    assert KeyMoves().crossed(CHAIN, {("s.t", "2"): states}) == (set(CHAIN) if crosses else set())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "REMEMBERED_TRANSACTIONS", 3)
    moves = KeyMoves()
    moves.crossed(SWAP[:1], _live("2"))
    for number in range(10, 15):
        moves.crossed([_move(1, "a", "b", str(number))], {})

    assert moves.crossed(SWAP[1:], {}) == set()
