"""What is noticed about the columns of a table: names and kinds, each once, nothing from replays and partial rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from worker.records.drift import MAX_COLUMNS, MAX_EVENTS, MAX_NAME, TYPES_EVERY, Drift, DriftWatch, Ledger, What, kind
from worker.records.envelope import ChangeEvent, ControlEvent, Operation

KNOWN = Ledger({"id": "number", "note": "text", "old": ""})


def _event(at: int = 100, operation: Operation = Operation.INSERT, **data: Any) -> ChangeEvent:
    return _with(data, at, operation)


def _with(data: dict[str, Any], at: int = 100, operation: Operation = Operation.INSERT) -> ChangeEvent:
    return ChangeEvent("s.t", operation, data, {}, "1/2", 1, 1, at)


def _watch(ledger: Ledger = KNOWN) -> DriftWatch:
    watch = DriftWatch()
    watch.know({"s.t": ledger})
    return watch


def test_the_first_record_of_a_table_tells_its_columns_and_is_no_event() -> None:
    found = DriftWatch().see(_event(id=1, note=None))

    assert Ledger().with_drift(found) == Ledger({"id": "number", "note": ""})


def test_the_columns_that_are_known_are_nothing_new() -> None:
    watch = _watch()

    assert [watch.see(_event(id=1, note="x", old=None)) for _ in range(3)] == [[], [], []]


def test_a_new_column_is_told_once() -> None:
    watch = _watch()
    event = _event(id=1, note="x", old=None, fresh=True)

    assert watch.see(event) == [Drift(What.APPEARED, "fresh", 100, "1/2", "boolean")]
    assert watch.see(event) == []


def test_a_position_that_no_item_can_hold_is_noted_as_far_as_one_can() -> None:
    event = structs.replace(_event(id=1, note="x", old=None, fresh=True), stream_position="1/2.\ud800\n" + "9" * 500)

    (drift,) = _watch().see(event)

    assert drift.position == "1/2.??" + "9" * (MAX_NAME - 6)


def test_a_column_missing_from_a_whole_row_has_vanished() -> None:
    for operation in (Operation.INSERT, Operation.LOAD):
        assert _watch().see(_event(100, operation, id=1, note="x")) == [Drift(What.VANISHED, "old", 100, "1/2")]


def test_a_partial_row_and_a_delete_show_no_missing_column() -> None:
    """An update leaves unchanged large values out, a delete has its key."""
    assert _watch().see(_event(100, Operation.UPDATE, id=1)) == []
    assert _watch().see(_event(100, Operation.DELETE, id=1, strange=2)) == []


def test_a_changed_kind_is_told_with_both_kinds() -> None:
    watch = _watch()

    assert watch.see(_event(id="1", note=None, old=None)) == [Drift(What.RETYPED, "id", 100, "1/2", "number -> text")]


def test_the_first_value_of_a_column_that_was_null_is_no_event() -> None:
    found = _watch().see(_event(id=1, note="x", old=Decimal(2)))
    ledger = KNOWN.with_drift(found)

    assert (ledger.columns["old"], ledger.events) == ("number", ())


def test_kinds_are_looked_at_in_every_sixteenth_record() -> None:
    """A changed type stays."""
    watch = _watch()
    seen = [watch.see(_event(id=1, note="x", old=None)) for _ in range(1)]
    seen += [watch.see(_event(id="1", note="x", old=None)) for _ in range(TYPES_EVERY)]

    assert [len(found) for found in seen] == [0] * TYPES_EVERY + [1]


def test_a_record_older_than_the_last_note_shows_nothing() -> None:
    """A replay has the columns that it had."""
    ledger = KNOWN.with_drift([Drift(What.VANISHED, "old", 100, "")])

    assert _watch(ledger).see(_event(100, id=1, note="x", old=None)) == []
    assert _watch(ledger).see(_event(101, id=1, note="x", old=None)) == [Drift(What.APPEARED, "old", 101, "1/2")]


def test_a_column_that_comes_and_goes_is_told_three_times_at_most() -> None:
    """NULLs are left out of the records."""
    watch, ledger = _watch(), KNOWN
    for at in range(200, 260):
        found = watch.see(_with({"id": 1, "note": "x", **({"old": 1} if at % 2 else {})}, at))
        ledger = ledger.with_drift(found)
        watch.know({"s.t": ledger})

    assert len([event for event in ledger.events if event.what is What.VANISHED]) == 3
    assert len(ledger.events) <= 7


def test_what_another_shard_has_noted_is_nothing_new() -> None:
    drift = [Drift(What.APPEARED, "fresh", 100, "1/2", "text")]
    ledger = KNOWN.with_drift(drift)

    assert ledger.with_drift([Drift(What.APPEARED, "fresh", 105, "1/9", "text")]) is ledger
    assert ledger.with_drift([Drift(What.VANISHED, "never", 105, "")]) is ledger


@pytest.mark.parametrize("operation", ["add-column", "rename-table", "something-new\n"])
def test_a_control_record_is_noted_once_whatever_it_says(operation: str) -> None:
    watch = _watch()
    found = watch.control(ControlEvent("s.t", operation, 100))
    watch.know({"s.t": KNOWN.with_drift(found)})

    assert [(one.what, one.name.isprintable()) for one in found] == [(What.CONTROL, True)]
    assert watch.control(ControlEvent("s.t", operation, 100)) == []


@pytest.mark.parametrize("operation", ["create-table", "drop-table"])
def test_that_a_table_is_made_is_said_at_every_start(operation: str) -> None:
    assert _watch().control(ControlEvent("s.t", operation, 100)) == []


def test_a_ledger_is_bounded() -> None:
    ledger = KNOWN
    for at in range(2 * MAX_EVENTS):
        ledger = ledger.with_drift([Drift(What.CONTROL, "add-column", at, "")])
    many = DriftWatch().see(_with({**{f"c{n}": n for n in range(MAX_COLUMNS + 5)}, "x" * 200: 1, "\x00": 2}))

    assert len(ledger.events) == MAX_EVENTS
    assert len(Ledger().with_drift(many).columns) == MAX_COLUMNS


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, ""), (True, "boolean"), (1, "number"), (Decimal(1), "number"), ("", "text"), ({}, "object"), ([], "list")],
)
def test_kinds(value: Any, name: str) -> None:
    assert kind(value) == name
