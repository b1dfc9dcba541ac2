"""Column-wise merging: any order of the same changes leads to the same row."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.projection.merge import RowState, forwards, lag_text, merge, parse_state
from worker.records.errors import TableLacks
from worker.records.rows import RowChange, row_body
from worker.records.version import NEVER, change_version

A, B = "a" * 40, "b" * 40


def _version(number: int) -> str:
    return change_version(1, number, 1)


def _put(number: int, /, **columns: Any) -> RowChange:
    missing = tuple(name for name in ("id", "big", "small") if name not in columns)
    return RowChange("t", "1", _version(number), columns, missing)


def _delete(number: int) -> RowChange:
    return RowChange("t", "1", _version(number), None)


def _after(*changes: RowChange) -> RowState:
    state = RowState()
    for change in changes:
        state = merge(state, change)
    return state


def _visible(state: RowState) -> tuple[str, Any]:
    return state.version, state.row


def test_an_absent_large_value_is_unchanged() -> None:
    """Absent means unchanged, not NULL."""
    state = _after(_put(1, id=1, big=A, small=0), _put(2, id=1, small=5))

    assert state.row == {"id": 1, "big": A, "small": 5}
    assert state.older == {"big": _version(1)}


def test_a_late_record_fills_only_what_is_older_than_itself() -> None:
    """The record between load and update comes last: its large value counts, its small one does not."""
    state = _after(_put(1, id=1, big=A, small=0), _put(3, id=1, small=5), _put(2, id=1, big=B, small=9))

    assert _visible(state) == (_version(3), {"id": 1, "big": B, "small": 5})


def test_a_column_never_seen_is_absent_until_it_comes() -> None:
    """An update before its insert leaves the row incomplete."""
    early = _after(_put(2, id=1, small=5))

    assert early.row == {"id": 1, "small": 5}
    assert early.older == {"big": NEVER}
    assert merge(early, _put(1, id=1, big=A, small=0)).row == {"id": 1, "big": A, "small": 5}


def test_a_late_delete_empties_columns_of_the_earlier_life() -> None:
    """Inserted, deleted, inserted, updated: a value of the first life never shows in the second."""
    changes = [_put(1, id=1, big=A, small=0), _delete(2), _put(3, id=1, big=B, small=1), _put(4, id=1, small=2)]

    for order in itertools.permutations(changes):
        assert _visible(_after(*order)) == (_version(4), {"id": 1, "big": B, "small": 2})


@pytest.mark.parametrize("value", [0, True])
def test_a_missing_number_means_that_columns_are_left_out(value: Any) -> None:
    """Such a column is never unchanged-and-absent: the DMS setting is named instead of guessing."""
    state = _after(_put(1, id=1, big=value, small=0))

    with pytest.raises(TableLacks, match="IncludeNullAndEmpty=true"):
        merge(state, _put(2, id=1, small=1))


@pytest.mark.parametrize("value", [None, "short"])
def test_a_value_too_short_to_be_left_out_is_not_the_one_that_was(value: Any) -> None:
    """The record that made it large comes later, as a retried one does; until then the column is not seen."""
    state = _after(_put(1, id=1, big=value, small=0), _put(3, id=1, small=1))

    assert (state.row, state.older) == ({"id": 1, "small": 1}, {"big": _version(1)})
    assert merge(state, _put(1, id=1, big=value, small=0)) is state
    assert merge(state, _put(2, id=1, big=A, small=0)).row == {"id": 1, "big": A, "small": 1}


def test_a_changed_key_takes_its_large_value_along() -> None:
    """The old key's tombstone keeps what the put lacked and hands it on, late records of the old key included."""
    missing = ("big",)
    put = RowChange("t", "2", _version(3), {"id": 2, "small": 1}, missing, moved_from="1")
    gone = RowChange("t", "1", _version(3), None, missing, moved_to="2")
    old = _after(_put(1, id=1, big=A, small=0), gone)
    new = merge(RowState(), put)
    for change in forwards("t", old, [gone]):
        new = merge(new, change)
    assert new.row == {"id": 2, "big": A, "small": 1}

    later = merge(old, _put(2, id=1, big=B, small=0))
    for change in forwards("t", later, [gone]):
        new = merge(new, change)
    assert new.row == {"id": 2, "big": B, "small": 1}


@st.composite
def _histories(draw: st.DrawFn) -> list[RowChange]:
    """A possible history of one key: inserts are whole, updates leave the large column out where it is the same."""
    changes: list[RowChange] = []
    big: str | None = None
    for number in range(1, draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(["put", "delete"])) if big is not None else "put"
        if kind == "delete":
            changes.append(_delete(number))
            big = None
            continue
        value = draw(st.sampled_from([A, B]))
        if value == big and draw(st.booleans()):
            changes.append(_put(number, id=1, small=number))
        else:
            changes.append(_put(number, id=1, big=value, small=number))
        big = value
    return changes


@given(_histories(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_ends_the_same(changes: list[RowChange], shuffle: Any) -> None:
    """What decides is in the records, never their arrival."""
    expected = _visible(_after(*changes))
    mixed = [*changes, *changes[:2]]
    shuffle.shuffle(mixed)

    assert _visible(_after(*mixed)) == expected


@given(_histories(), st.randoms(use_true_random=False))
def test_a_state_survives_its_text(changes: list[RowChange], shuffle: Any) -> None:
    """What is stored is what was merged."""
    shuffle.shuffle(changes)
    state = _after(*changes)
    body = "" if state.row is None else row_body(state.row).decode()

    assert parse_state(state.version, body, lag_text(state)) == state


def test_no_effect_is_the_same_object() -> None:
    """The engine tells stale from new by identity."""
    state = _after(_put(2, id=1, big=A, small=0))

    assert merge(state, _put(1, id=1, big=B, small=9)) is state
    assert merge(state, _put(2, id=1, big=A, small=0)) is state
    assert merge(state, _delete(1)) is state


@pytest.mark.parametrize("number", [12345678901234567890123, -9223372036854775809, 10**18, 7, Decimal("1.50")])
def test_numbers_of_any_size_are_stored_and_come_back(number: int | Decimal) -> None:
    """An update without its large column reads the row back: a wide number that returned as int could not be stored."""
    change = _put(1, id=1, big=A, small=Decimal(number))
    state = _after(change)

    read = parse_state(state.version, row_body(state.row or {}).decode(), lag_text(state))

    assert read.row is not None
    assert read.row["small"] == number
    assert row_body(read.row) == row_body(state.row or {})


def test_a_column_that_was_not_kept_is_filled_by_the_rows_own_version_only() -> None:
    """A mapping that keeps one more column: an older record may hold a value that the row no longer has."""
    before = _after(RowChange("t", "1", _version(3), {"id": 1}))

    assert merge(before, RowChange("t", "1", _version(2), {"id": 1, "new": "old value"})) is before
    replayed = merge(before, RowChange("t", "1", _version(3), {"id": 1, "new": "value"}))
    assert (replayed.version, replayed.row, replayed.older) == (_version(3), {"id": 1, "new": "value"}, {})


def test_an_update_without_a_column_that_was_not_kept_waits_for_the_version_it_follows() -> None:
    before = _after(RowChange("t", "1", _version(3), {"id": 1}))
    partial = merge(before, RowChange("t", "1", _version(5), {"id": 1}, ("new",)))

    assert partial.row == {"id": 1}
    assert merge(partial, RowChange("t", "1", _version(2), {"id": 1, "new": "old value"})) is partial
    filled = merge(partial, RowChange("t", "1", _version(3), {"id": 1, "new": "value"}))
    assert filled.row == {"id": 1, "new": "value"}


def test_what_a_key_change_hands_on_belongs_to_the_life_it_began() -> None:
    """k1 became k2, k2 was deleted, k3 became k2: what k1 hands on late is no column of the new k2."""
    missing = ("big",)
    first = RowChange("t", "2", _version(9), {"id": 2}, missing, moved_from="1")
    again = RowChange("t", "2", _version(13), {"id": 2}, missing, moved_from="3")
    state = _after(first, RowChange("t", "2", _version(11), None), again)

    from_one = RowChange("t", "2", _version(4), {"big": A}, life=_version(9))
    from_three = RowChange("t", "2", _version(3), {"big": B}, life=_version(13))
    assert merge(state, from_one) is state
    assert merge(state, from_three).row == {"id": 2, "big": B}


def test_a_key_change_that_comes_late_ends_the_earlier_life_of_its_key() -> None:
    """The row's later update came first and had no large column; that of an earlier row with this key is not its."""
    missing = ("big",)
    early = _after(RowChange("t", "2", _version(12), {"id": 2}, missing), _put(2, id=2, big=A))
    assert (early.row or {})["big"] == A

    put = RowChange("t", "2", _version(9), {"id": 2}, missing, moved_from="1")
    state = merge(early, put)
    assert state.row == {"id": 2}
    assert merge(state, RowChange("t", "2", _version(4), {"big": B}, life=_version(9))).row == {"id": 2, "big": B}
