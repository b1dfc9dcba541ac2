"""What a row's image becomes when a change meets it: the newest version wins, column by column. Pure.

A change record may lack a column: an unchanged large value (PostgreSQL does not log it again). Absent means unchanged,
not NULL. So every column has a version: that of the row, unless the image says an older one. A late record still
fills the columns that are older than itself; a delete empties all columns up to its own version.

A primary-key change is a put of the new key and a delete of the old one. What the put lacks, the old key's tombstone
keeps; it names the new key, so that records of the old key that come late follow it.

A column that the image was written without, because no mapping kept it then, is not seen: it is filled by the row's own
version or a newer one. An older record may hold a value that the row no longer has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import orjson

from worker.records.errors import TableLacks
from worker.records.rows import MAX_ROW_BYTES, Row, RowChange, raw_number, row_body
from worker.records.version import NEVER, just_below

SHORTEST_LARGE_VALUE: Final = 32
"""A value as short as this is never stored out of line, so its column cannot be absent because it is unchanged."""


SHORTEST_WIDE_NUMBER: Final = 19
"""A whole number of so many digits may leave 64 bits, which orjson cannot write."""


@dataclass(frozen=True, slots=True)
class RowState:
    """One row as stored. `row` is None for a deleted one (or one never seen: version NEVER).

    `older`: versions of columns that are older than the row's. For a column not seen yet (absent in `row`) it says what
    a version must exceed to fill it, NEVER mostly.
    `deleted`: changes of this row up to that version belong to an earlier life of its key and fill nothing; of a row
    that came from another key it is the version of that key change.
    `moved_to`, `kept`: of a tombstone that a key change left: the new key, and what its put lacked, with versions.
    """

    version: str = NEVER
    row: Row | None = field(default=None, hash=False)
    older: dict[str, str] = field(default_factory=dict, hash=False)
    deleted: str = NEVER
    moved_to: str | None = None
    kept: dict[str, tuple[str, Any]] = field(default_factory=dict, hash=False)


def merge(state: RowState, change: RowChange) -> RowState:
    """The state after a change, in whatever order changes come; the same object when it has no effect.

    Raises TableLacks when an absent column cannot be an unchanged large value.
    """
    if change.life:
        return _handed_on(state, change)
    if change.row is None:
        return _delete(state, change)
    if state.moved_to is not None and change.version < state.version:
        return _keep(_reborn(state, change), change)
    if change.version <= _dead_until(state) and not (change.moved_from and change.version == state.version):
        return state
    known = _with_bounds(state, change)
    if change.version > state.version:
        return _newest(known, change)
    born = _reborn(known, change)
    filled = _fill(born, change)
    return state if filled is known else filled


def _reborn(state: RowState, change: RowChange) -> RowState:
    """A key change that put this row comes late: what is older than it belongs to an earlier life of the key."""
    if change.moved_from is None or not change.missing or change.version <= state.deleted:
        return state
    return _end_life(state, change.version)


def _end_life(state: RowState, version: str) -> RowState:
    """Columns and kept columns up to that version are empty, and nothing up to it fills them any more."""
    gone = {column for column, at in state.older.items() if at <= version}
    row = None if state.row is None else {column: value for column, value in state.row.items() if column not in gone}
    kept = {column: (NEVER, None) if entry[0] <= version else entry for column, entry in state.kept.items()}
    return replace(state, row=row, older={**state.older, **dict.fromkeys(gone, NEVER)}, deleted=version, kept=kept)


def _with_bounds(state: RowState, change: RowChange) -> RowState:
    """The state with a bound for each column that was not kept when the image was written."""
    if state.row is None or change.row is None or (not change.missing and change.row.keys() <= state.row.keys()):
        return state
    carried = (*change.row, *change.missing)
    unseen = [column for column in carried if column not in state.row and column not in state.older]
    if not unseen:
        return state
    return replace(state, older={**state.older, **dict.fromkeys(unseen, just_below(state.version))})


def forwards(table: str, state: RowState) -> Iterable[RowChange]:
    """What a moved row's tombstone has to hand on to the new key."""
    if state.moved_to is None:
        return
    for column, (version, value) in state.kept.items():
        if version != NEVER:
            yield RowChange(table, state.moved_to, version, {column: value}, life=state.version)


def _dead_until(state: RowState) -> str:
    return state.version if state.row is None else state.deleted


def _newest(state: RowState, change: RowChange) -> RowState:
    row, older = dict(change.row or {}), {}
    for column in change.missing:
        inherits = state.row is not None and change.moved_from is None
        if state.row is not None and inherits and column in state.row:
            _require_large(change, column, state.row[column])
            row[column] = state.row[column]
        older[column] = state.older.get(column, state.version) if inherits else NEVER
    if older and len(row_body(row)) > MAX_ROW_BYTES:  # one item cannot hold both: its documents wait, and say so
        row = dict(change.row or {})
        older = dict.fromkeys(older, NEVER)
    deleted = NEVER
    if older:  # a moved row's own key has no past; its columns come from the old key
        deleted = change.version if change.moved_from is not None else _dead_until(state)
    return RowState(change.version, row, older, deleted)


def _fill(state: RowState, change: RowChange) -> RowState:
    columns = {c: v for c, v in (change.row or {}).items() if c in state.older and state.older[c] < change.version}
    return _filled(state, columns, change.version)


def _handed_on(state: RowState, change: RowChange) -> RowState:
    """A column of the old key: it belongs to the life that began with that key change, and to no other."""
    if state.deleted != change.life:
        return state
    if state.moved_to is not None:
        return _kept_of(state, change)
    return _fill(state, change) if state.row is not None else state


def _filled(state: RowState, columns: Row, version: str) -> RowState:
    if not columns:
        return state
    row = {**(state.row or {}), **columns}
    if len(row_body(row)) > MAX_ROW_BYTES:
        return state
    older = {column: at for column, at in state.older.items() if column not in columns}
    if version != state.version:
        older |= dict.fromkeys(columns, version)
    return replace(state, row=row, older=older)


def _keep(state: RowState, change: RowChange) -> RowState:
    """A late change of a key that has moved on."""
    return state if change.version <= state.deleted else _kept_of(state, change)


def _kept_of(state: RowState, change: RowChange) -> RowState:
    late = {
        column: (change.version, value)
        for column, value in (change.row or {}).items()
        if column in state.kept and state.kept[column][0] < change.version
    }
    return replace(state, kept={**state.kept, **late}) if late else state


def _delete(state: RowState, change: RowChange) -> RowState:
    if change.version > state.version:
        if change.moved_to is None or not change.missing:
            return RowState(change.version)
        kept = {column: _column(state, column) for column in change.missing}
        born = state.deleted if state.row is not None else NEVER
        return RowState(change.version, deleted=born, moved_to=change.moved_to, kept=kept)
    if change.version <= state.deleted or change.version == state.version:
        return state
    return _end_life(state, change.version) if state.older or state.kept else state


def _column(state: RowState, column: str) -> tuple[str, Any]:
    if state.row is None or column not in state.row:
        return NEVER, None
    return state.older.get(column, state.version), state.row[column]


def _require_large(change: RowChange, column: str, value: Any) -> None:
    if isinstance(value, str) and len(value) > SHORTEST_LARGE_VALUE:
        return
    raise TableLacks(
        change.table,
        f"column {column} is missing in change records, and it holds no large value that could be left out as"
        " unchanged: set IncludeNullAndEmpty=true on the DMS Kinesis endpoint (NULL is left out otherwise)",
    )


def lag_text(state: RowState) -> str:
    """Canonical text of what is not simply `the row at its version`; "" for the ordinary row."""
    if not state.older and state.moved_to is None:
        return ""
    parts = {"columns": state.older, "deleted": state.deleted, "moved_to": state.moved_to, "kept": state.kept}
    return orjson.dumps(parts, default=raw_number, option=orjson.OPT_SORT_KEYS).decode()


def parse_state(version: str, body: str, lag: str) -> RowState:
    """The state that `row_body` and `lag_text` wrote."""
    row: Row | None = read_stored(body) if body else None
    if not lag:
        return RowState(version, row)
    parts = read_stored(lag)
    kept = {column: (entry[0], entry[1]) for column, entry in parts["kept"].items()}
    return RowState(version, row, parts["columns"], parts["deleted"], parts["moved_to"], kept)


def read_stored(text: str) -> Any:
    """Stored columns as they were decoded: fractions, and whole numbers beyond 64 bits, are Decimals."""
    return json.loads(text, parse_float=Decimal, parse_int=_whole_number)


def _whole_number(text: str) -> int | Decimal:
    return int(text) if len(text) < SHORTEST_WIDE_NUMBER else Decimal(text)
