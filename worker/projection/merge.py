"""What a row's image becomes when a change meets it: the newest version wins, column by column. Pure.

A change record may lack a column: an unchanged large value (PostgreSQL does not log it again). Absent means unchanged,
not NULL. So every column has a version: that of the row, unless the image says an older one. A late record still
fills the columns that are older than itself; a delete empties all columns up to its own version.

A primary-key change is a put of the new key and a delete of the old one. What the put lacks, the old key keeps as a
move; it names the new key, so that records of the old key that come late follow it, also when the key is taken again.

A column that the image was written without, because no mapping kept it then, is not seen: it is filled by the row's own
version or a newer one. An older record may hold a value that the row no longer has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson
from msgspec.structs import asdict, replace

from worker.projection.lives import (
    L,
    Life,
    Move,
    begun,
    ended,
    filled,
    handed_on,
    handing_on,
    is_load_beside,
    read_by_load,
)
from worker.records.errors import TableLacks
from worker.records.rows import MAX_ROW_BYTES, Row, RowChange, raw_number, row_body
from worker.records.version import NEVER, just_below

SHORTEST_LARGE_VALUE: Final = 32
"""A value as short as this is never stored out of line, so its column cannot be absent because it is unchanged."""

SHORTEST_WIDE_NUMBER: Final = 19
"""A whole number of so many digits may leave 64 bits, which orjson cannot write."""

MOST_MOVES: Final = 8
"""Moves that a key remembers, the newest ones. Of an older one late records are not handed on: the row waits."""


class RowState(Life, frozen=True):
    """One row as stored. `row` is None for a deleted one (or one never seen: version NEVER).

    `moves`: earlier lives of the key that ended with a changed key, oldest first, and what to hand on of each.
    """

    moves: tuple[Move, ...] = ()


NOT_SEEN: Final = RowState()
"""A row nobody has seen."""


def merge(state: RowState, change: RowChange) -> RowState:
    """The state after a change, in whatever order changes come; the same object when it has no effect.

    Raises TableLacks when an absent column cannot be an unchanged large value.
    """
    if change.row is None:
        after = _delete(state, change)
    elif not change.life and change.version > state.version:
        return _newest(state, change)
    else:
        after = _fill(state, change)
    return state if after == state else after


def forwards(table: str, state: RowState, changes: Iterable[RowChange]) -> Iterator[RowChange]:
    """What the moves of a key have to hand on after these changes, old ones and what was handed on to it among them.

    Also if they changed nothing: whoever stored them may have died before handing on. What was itself handed on goes
    on along the same row only; the versions of its moves rise, so it ends, even if keys were exchanged in a circle.
    """
    if not state.moves:
        return
    lives = {change.life for change in changes if change.life}
    oldest = min((change.version for change in changes if not change.life), default=None)
    for move in state.moves:
        if move.birth in lives or (oldest is not None and oldest <= move.version):
            yield from handing_on(table, move)


def storable(state: RowState) -> RowState:
    """The state with as many of its moves, the newest, as an item holds beside the row."""
    while state.moves and (len(state.moves) > MOST_MOVES or _bytes(state) > MAX_ROW_BYTES):
        state = replace(state, moves=state.moves[1:])
    return state


def _bytes(state: RowState) -> int:
    kept = [move.row for move in state.moves if move.row]
    return sum(len(row_body(row)) for row in (state.row or {}, *kept))


def _newest(state: RowState, change: RowChange) -> RowState:
    if not change.missing:
        return RowState(change.version, change.row, moves=state.moves)
    if change.moved_from is not None:
        return _born(state, change)
    row, older = dict(change.row or {}), {}
    known = _with_bounds(state, change)
    for column in change.missing:
        if known.row is not None and column in known.row and _is_large(change, column, known.row[column]):
            row[column] = known.row[column]
        older[column] = NEVER if known.row is None else known.older.get(column, known.version)
    if len(row_body(row)) > MAX_ROW_BYTES:  # one item cannot hold both: its documents wait, and say so
        row = dict(change.row or {})
    if known.row is None:
        return RowState(change.version, row, older, ended=state.version, moves=state.moves)
    return RowState(change.version, row, older, state.ended, state.birth, state.moves)


def _born(state: RowState, change: RowChange) -> RowState:
    """A row under its new key, which has no past: what its record lacks comes from the old key.

    Unless all that is known of the new key was read by the load beside this change: perhaps it read this very row.
    """
    older = dict.fromkeys(change.missing, NEVER)
    row = RowState(change.version, dict(change.row or {}), older, state.version, change.version, state.moves)
    if state.row is None or not is_load_beside(state.version, change.version):
        return row
    load = RowChange(change.table, change.key, state.version, state.row)
    return _limited(row, read_by_load(replace(row, ended=state.ended), load))


def _with_bounds(state: RowState, change: RowChange) -> RowState:
    """The state with a bound for each column that was not kept when the image was written."""
    if state.row is None or change.row is None or (not change.missing and change.row.keys() <= state.row.keys()):
        return state
    carried = (*change.row, *change.missing)
    unseen = [column for column in carried if column not in state.row and column not in state.older]
    if not unseen:
        return state
    return replace(state, older={**state.older, **dict.fromkeys(unseen, just_below(state.version))})


def _fill(state: RowState, change: RowChange) -> RowState:
    """A change that comes late, or what a former key hands on, fills what is older, of its own life."""
    if state.moves:
        state = replace(state, moves=tuple(_fill_life(move, change) for move in state.moves))
    if state.row is None:
        return state
    known = _with_bounds(state, change)
    after = _limited(known, _fill_life(known, change))
    if after == known:
        return state
    older = {c: rank for c, rank in after.older.items() if c not in (after.row or {}) or rank != after.version}
    if not older:
        return replace(after, older=older, ended=NEVER, birth=NEVER)
    return replace(after, older=older)


def _fill_life(life: L, change: RowChange) -> L:
    if change.life:
        return handed_on(life, change)
    if change.version > life.version or not life.older:
        return life
    if change.moved_from is not None and change.missing:
        life = begun(life, change.version)
    if change.version > life.dead or change.version == life.birth:
        return filled(life, change.row or {}, change.version)
    return read_by_load(life, change)


def _limited(before: RowState, after: RowState) -> RowState:
    """The later of the two, unless its row is more than an item holds."""
    return before if after.row and len(row_body(after.row)) > MAX_ROW_BYTES else after


def _delete(state: RowState, change: RowChange) -> RowState:
    moves = [ended(move, change.version) if change.version < move.version else move for move in state.moves]
    if change.moved_to is not None and change.version not in {move.version for move in moves}:
        moves = sorted([*moves, *_moved(state, change)], key=lambda move: move.version)
    if change.version > state.version:
        return RowState(change.version, moves=tuple(moves))
    state = replace(state, moves=tuple(moves))
    return ended(state, change.version) if state.older and change.version < state.version else state


def _moved(state: RowState, change: RowChange) -> Iterator[Move]:
    """The life that a changed key ends, with what the put of the new key lacks.

    If the key was taken again before, only what the later life still has, or has never seen, of this one.
    """
    version, to = change.version, change.moved_to or ""
    if state.row is None:
        if version > state.version and change.missing:
            older = dict.fromkeys(change.missing, NEVER)
            yield Move(version, {}, older, ended=state.version, moved_to=to)
        return
    unseen = just_below(state.version)
    ranks = {c: state.older.get(c, state.version if c in state.row else unseen) for c in change.missing}
    ranks = {column: rank for column, rank in ranks.items() if rank < version}
    if ranks and state.dead < version:
        row = {column: state.row[column] for column in ranks if column in state.row}
        yield Move(version, row, ranks, state.ended, state.birth, to)


def _is_large(change: RowChange, column: str, value: Any) -> bool:
    """Whether it is this value that a record left out as unchanged.

    Of a column with text or NULL it may be another one: a record between the two has made it large and comes later, so
    the column is not seen yet. A number is never large: raises TableLacks.
    """
    if value is None or isinstance(value, str):
        return value is not None and len(value) > SHORTEST_LARGE_VALUE
    raise TableLacks(
        change.table,
        f"column {column} is missing in change records, and it holds no large value that could be left out as"
        " unchanged: set IncludeNullAndEmpty=true on the DMS Kinesis endpoint (NULL is left out otherwise)",
    )


def lag_text(state: RowState) -> str:
    """Canonical text of what is not simply `the row at its version`; "" for the ordinary row."""
    if not (state.older or state.moves):
        return ""
    moves = [asdict(move) for move in state.moves]
    parts = {"columns": state.older, "ended": state.ended, "birth": state.birth, "moves": moves}
    return orjson.dumps(parts, default=raw_number, option=orjson.OPT_SORT_KEYS).decode()


def parse_state(version: str, body: str, lag: str) -> RowState:
    """The state that `row_body` and `lag_text` wrote."""
    row: Row | None = read_stored(body) if body else None
    if not lag:
        return RowState(version, row)
    parts = read_stored(lag)
    moves = tuple(Move(**move) for move in parts["moves"])
    return RowState(version, row, parts["columns"], parts["ended"], parts["birth"], moves)


def _whole_number(text: str) -> int | Decimal:
    return int(text) if len(text) < SHORTEST_WIDE_NUMBER else Decimal(text)


_STORED: Final = json.JSONDecoder(parse_float=Decimal, parse_int=_whole_number)  # making one costs as much as a row
_QUICK: Final = msgspec.json.Decoder(float_hook=Decimal)
_LEAST_NARROW: Final = -(10 ** (SHORTEST_WIDE_NUMBER - 2))
_GREATEST_NARROW: Final = 10 ** (SHORTEST_WIDE_NUMBER - 1)


def read_stored(text: str) -> Any:
    """Stored columns as they were decoded: fractions, and whole numbers beyond 64 bits, are Decimals."""
    found = _QUICK.decode(text)
    return found if _is_narrow(found.values()) else _STORED.decode(text)


def _is_narrow(values: Iterable[Any]) -> bool:
    """Whether every whole number is one that the definition, too, reads as an int."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not _LEAST_NARROW < value < _GREATEST_NARROW:
                return False
        elif (kind is dict and not _is_narrow(value.values())) or (kind is list and not _is_narrow(value)):
            return False
    return True
