"""The notes on the source: a list of incarnations that only grows, ledgers that several workers add to."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.worker.conftest import Tables
from worker.errors import TransientError
from worker.log import Log
from worker.parked.items import list_parked
from worker.patience import Patience
from worker.records.drift import Drift, Ledger, What
from worker.records.incarnations import Incarnations
from worker.source_notes import SourceNotes

FIRST_SIGHT = [Drift(What.APPEARED, "id", 5, "", "number"), Drift(What.APPEARED, "note", 5, "", "text")]
FRESH = Drift(What.APPEARED, "fresh", 9, "1/2", "boolean")


def _notes(tables: Tables, client: Any = None) -> SourceNotes:
    patience = Patience("the parking table", Log("error", io.StringIO()), sleep=lambda _: None, attempts=3)
    return SourceNotes(client or tables.client, tables.parked, patience)


def test_the_list_of_incarnations_grows_in_order(tables: Tables) -> None:
    notes = _notes(tables)
    assert notes.incarnations() == Incarnations()

    assert notes.raise_incarnation(100, "a restore")
    assert notes.raise_incarnation(300, "")

    assert notes.incarnations() == Incarnations((100, 300))
    assert [(entry.number, entry.why) for entry in notes.raised()] == [(2, "a restore"), (3, "")]


def test_of_two_who_raise_at_once_one_is_told_so(tables: Tables) -> None:
    notes, other = _notes(tables), _notes(tables)
    other.raised = list  # type: ignore[method-assign]  # it looked before the first one wrote

    assert notes.raise_incarnation(100, "mine")
    assert not other.raise_incarnation(200, "theirs")
    assert notes.incarnations() == Incarnations((100,))


def test_a_ledger_is_made_at_first_sight_and_keeps_what_is_new(tables: Tables) -> None:
    notes = _notes(tables)

    first, nothing = notes.note("s.t", FIRST_SIGHT)
    second, added = notes.note("s.t", [FRESH])
    again, nothing_again = notes.note("s.t", [FRESH])

    assert first.columns == {"id": "number", "note": "text"}
    assert (nothing, added, nothing_again) == ([], [FRESH], [])
    assert second == again
    assert notes.ledgers() == {"s.t": second}
    assert second == Ledger({**first.columns, "fresh": "boolean"}, (FRESH,), 2)


def test_two_shards_add_to_one_ledger(tables: Tables) -> None:
    """Whoever comes second reads again."""
    _notes(tables).note("s.t", FIRST_SIGHT)
    gone = Drift(What.VANISHED, "note", 10, "")

    class Racing:
        """Lets another shard write between this one's read and its write."""

        exceptions = tables.client.exceptions

        def __init__(self) -> None:
            self.raced = False

        def query(self, **request: Any) -> Any:
            return tables.client.query(**request)

        def put_item(self, **request: Any) -> Any:
            if not self.raced:
                self.raced = True
                _notes(tables).note("s.t", [FRESH])
            return tables.client.put_item(**request)

    ledger, added = _notes(tables, Racing()).note("s.t", [gone])

    assert added == [gone]
    assert ledger.events == (FRESH, gone)
    assert _notes(tables).ledgers() == {"s.t": ledger}


def test_a_table_of_absurd_names_has_no_ledger_and_stops_nothing(tables: Tables) -> None:
    """DynamoDB would refuse the item for ever."""
    drift = [Drift(What.APPEARED, f"{n:04}" + "\U0001f9ff" * 124, 5, "", "text") for n in range(1_000)]

    ledger, _ = _notes(tables).note("s.t", drift)

    assert len(ledger.columns) == 1_000
    assert _notes(tables).ledgers() == {}


def test_notes_are_nothing_parked(tables: Tables) -> None:
    notes = _notes(tables)
    notes.raise_incarnation(100, "x")
    notes.note("s.t", FIRST_SIGHT)

    assert list(list_parked(tables.client, tables.parked)) == []


def test_with_limited_attempts_it_gives_up(tables: Tables) -> None:
    class Down:
        def query(self, **_: Any) -> Any:
            raise OSError

    with pytest.raises(TransientError, match="the parking table: OSError"):
        _notes(tables, Down()).incarnations()
