"""Changed keys that lack a large column: in whatever order records come, the row is right in the end, or it waits."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.projection.images import fold
from worker.projection.merge import MOST_MOVES, RowState, forwards, lag_text, merge, parse_state, storable
from worker.records.rows import RowChange, row_body
from worker.records.version import change_version, load_version, position_of

KEYS = ("1", "2", "3")
Record = tuple[RowChange, ...]


def _value(number: int) -> str:
    return f"{number:040d}"


def _put(number: int, key: str, big: str | None, moved_from: str | None = None) -> RowChange:
    row: dict[str, Any] = {"id": key, "small": number} | ({} if big is None else {"big": big})
    missing = () if big is not None else ("big",)
    return RowChange("t", key, change_version(1, number, 1), row, missing, moved_from if missing else None)


def _gone(number: int, key: str, moved_to: str | None = None) -> RowChange:
    return RowChange("t", key, change_version(1, number, 1), None, ("big",) if moved_to else (), moved_to=moved_to)


def _move(number: int, old: str, new: str) -> Record:
    return _put(number, new, None, moved_from=old), _gone(number, old, moved_to=new)


def _load(key: str, big: str, built: int = 1) -> Record:
    return (RowChange("t", key, load_version(1, built), {"id": key, "small": 0, "big": big}),)


@dataclass
class Source:
    """A table whose rows are changed, and everything that was recorded of it."""

    live: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    number: int = 0
    moved_away: set[str] = field(default_factory=set)

    def change(self, draw: random.Random) -> None:
        """One statement."""
        self.number += 1
        key = draw.choice(KEYS)
        if key not in self.live:
            self.live[key] = _value(self.number)
            self.records.append((_put(self.number, key, self.live[key]),))
            return
        kind = draw.choice(("delete", "update", "same", "move", "move", "move"))
        free = [other for other in KEYS if other not in self.live]
        if kind == "delete":
            del self.live[key]
            self.records.append((_gone(self.number, key),))
        elif kind == "move" and free:
            new = draw.choice(free)
            self.live[new] = self.live.pop(key)
            self.moved_away.add(key)
            self.records.append(_move(self.number, key, new))
        elif kind == "update":
            self.live[key] = _value(self.number)
            self.records.append((_put(self.number, key, self.live[key]),))
        else:
            self.records.append((_put(self.number, key, None),))

    def load(self) -> None:
        """The full load reads the table, after changes that are recorded as well: row by row, in a moment each.

        Not the rows whose key another row had before: what a load reads of them could be of either.
        """
        for key in KEYS:
            if key in self.live and key not in self.moved_away:
                self.records.append(_load(key, self.live[key]))


class Table:
    """The images of a table's rows, as batches in any order make them."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, RowState] = defaultdict(RowState)

    def batch(self, records: Iterable[Record]) -> None:
        """What the engine does with a batch: puts of changed keys first, then all else, then what is handed on."""
        rows = fold(change for record in records for change in record)
        first = {row: folded for row, folded in rows.items() if any(c.moved_from for c in folded.changes)}
        for part in (first, {row: folded for row, folded in rows.items() if row not in first}):
            while part:
                onward: list[RowChange] = []
                for (_, key), folded in part.items():
                    state = self.rows[key]
                    for change in folded.changes:
                        state = merge(state, change)
                    onward += forwards("t", state, folded.changes)
                    self.rows[key] = _stored(storable(state))
                part = fold(onward)


def _stored(state: RowState) -> RowState:
    body = "" if state.row is None else row_body(state.row).decode()
    return parse_state(state.version, body, lag_text(state))


def _batches(records: Sequence[Record], draw: random.Random) -> list[list[Record]]:
    batches, at = [], 0
    while at < len(records):
        size = draw.choice((1, 1, 2, 3, 8))
        batches.append(list(records[at : at + size]))
        at += size
    return batches


def _source(seed: int, *, loaded: bool) -> Source:
    draw = random.Random(seed)
    source = Source()
    steps = draw.randint(2, 9)
    at = draw.randint(0, steps) if loaded else steps + 1
    for step in range(steps + 1):
        if step == at:
            source.load()
        if step < steps:
            source.change(draw)
    return source


def _outcome(source: Source, table: Table) -> tuple[list[str], list[str]]:
    """The keys whose rows are wrong, and those that wait."""
    wrong, waiting = [], []
    for key in KEYS:
        row = table.rows[key].row
        if (row is None) != (key not in source.live):
            wrong.append(key)
        elif row is not None and "big" not in row:
            waiting.append(key)
        elif row is not None and row["big"] != source.live[key]:
            wrong.append(key)
    return wrong, waiting


def _play(source: Source, arrival: Sequence[Record], draw: random.Random) -> tuple[list[str], list[str]]:
    table = Table()
    for batch in _batches(arrival, draw):
        table.batch(batch)
    return _outcome(source, table)


@pytest.mark.parametrize("loaded", [False, True])
@given(seed=st.integers(0, 1 << 40))
@settings(max_examples=1_000, deadline=None)
def test_in_any_order_a_row_is_right_or_waits(loaded: bool, seed: int) -> None:
    """Every record arrives at least once, in any order and in any batches; the load may have read the table late."""
    draw = random.Random(seed)
    source = _source(seed, loaded=loaded)
    arrival = list(source.records)
    draw.shuffle(arrival)
    if draw.random() < 0.5:  # a rewind
        arrival += arrival[draw.randint(0, len(arrival)) :]

    wrong, _ = _play(source, arrival, draw)

    assert wrong == []


@pytest.mark.parametrize("loaded", [False, True])
@given(seed=st.integers(0, 1 << 40))
@settings(max_examples=500, deadline=None)
def test_in_their_own_order_no_row_waits(loaded: bool, seed: int) -> None:
    """The load first, then the changes, as one shard has them; with rewinds, in any batches, keys taken again."""
    draw = random.Random(seed)
    source = _source(seed, loaded=loaded)
    arrival = sorted(source.records, key=lambda record: position_of(record[0].version) > 0)
    again = draw.randint(0, len(arrival))
    arrival = arrival[:again] + arrival[draw.randint(0, again) :]

    assert _play(source, arrival, draw) == ([], [])


# histories that have shown a wrong row when one of the rules is missing, each in every order
WHOLE = (_put(1, "1", _value(1)),)
TELLING: dict[str, list[Record]] = {
    "the key is taken again": [WHOLE, _move(2, "1", "2"), (_put(3, "1", _value(3)),)],
    "an earlier life of the old key": [WHOLE, (_gone(2, "1"),), (_put(3, "1", _value(3)),), _move(4, "1", "2")],
    "and a row came there": [
        (_put(1, "3", _value(5)),), WHOLE, (_gone(2, "1"),), _move(3, "3", "1"), _move(4, "1", "2"),
    ],
    "keys exchanged": [
        WHOLE, (_put(2, "2", _value(2)),), _move(3, "1", "3"), _move(4, "2", "1"), _move(5, "3", "2"),
    ],
    "read by the load after its key changed": [_move(2, "1", "2"), _load("2", _value(1))],
    "the load read an earlier row": [WHOLE, _load("2", _value(9)), (_gone(2, "2"),), _move(3, "1", "2")],
    "read between two changed keys": [_move(2, "1", "2"), _load("2", _value(1)), _move(3, "2", "3")],
}  # fmt: skip
ENDS = {
    "the key is taken again": {"1": _value(3), "2": _value(1)},
    "an earlier life of the old key": {"2": _value(3)},
    "and a row came there": {"2": _value(5)},
    "keys exchanged": {"1": _value(2), "2": _value(1)},
    "read by the load after its key changed": {"2": _value(1)},
    "the load read an earlier row": {"2": _value(1)},
    "read between two changed keys": {"3": _value(1)},
}


@pytest.mark.parametrize("name", TELLING)
def test_every_order_of_a_telling_history(name: str) -> None:
    source = Source(live=ENDS[name], records=TELLING[name])
    outcomes = [_play(source, order, random.Random(0)) for order in itertools.permutations(source.records)]

    assert [wrong for wrong, _ in outcomes if wrong] == []
    assert ([], []) in outcomes


def test_the_load_of_an_earlier_row_is_taken_back() -> None:
    """The load fills a row whose key another one may have had; the delete of that one tells that it was not its."""
    table = Table()
    table.batch([_move(3, "1", "2"), _load("2", _value(9))])
    assert (table.rows["2"].row or {})["big"] == _value(9)

    table.batch([(_gone(2, "2"),)])
    assert "big" not in (table.rows["2"].row or {})
    table.batch([_load("2", _value(9)), (_put(1, "1", _value(1)),)])
    assert (table.rows["2"].row or {})["big"] == _value(1)


def test_a_key_remembers_its_newest_moves_only() -> None:
    table = Table()
    for number in range(1, 40, 2):
        table.batch([(_put(number, "1", _value(number)),), _move(number + 1, "1", f"new{number}")])

    assert [move.moved_to for move in table.rows["1"].moves] == [f"new{n}" for n in range(1, 40, 2)][-MOST_MOVES:]


def test_what_a_move_keeps_leaves_room_for_the_row() -> None:
    """An item holds 400 KB: the move is forgotten, once it has handed on, before the row cannot be stored."""
    table = Table()
    table.batch([(_put(1, "1", "a" * 200_000),), _move(2, "1", "2"), (_put(3, "1", "b" * 200_000),)])

    assert (table.rows["2"].row or {})["big"] == "a" * 200_000
    assert table.rows["1"].moves == ()
