"""What a row becomes when a change meets it, column by column: the independent statement of the rules of partial rows.

Every column of a row is a cell: the version that last carried it, and its value, or UNSEEN. A cell is replaced by any
change that is newer than the cell, however old it is beside the row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

NEVER: Final = 0
UNSEEN: Final = "?"


class Cell(NamedTuple):
    """A column's value and the version that carried it; of an UNSEEN one, the version up to which nothing may fill."""

    version: int
    value: Any


Cells = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Change:
    """A row at one version: its columns (None: deleted) without those the record lacks.

    A changed key is a put with `moved_from` and a delete with `moved_to`. `life`: of columns handed on from an old key,
    the version of the move that they belong to.
    """

    table: str
    key: str
    version: int
    row: dict[str, Any] | None
    missing: tuple[str, ...] = ()
    moved_from: str | None = None
    moved_to: str | None = None
    life: int = NEVER


@dataclass(frozen=True, slots=True)
class Move:
    """A life of the key that ended with a changed key: the new key and the cells that its put lacked, to hand on.

    It stays when the key is taken again; changes of that life (after `dead`, before `version`) still fill it.
    """

    version: int
    dead: int
    to: str
    kept: Cells


@dataclass(frozen=True, slots=True)
class State:
    """A row as stored: `cells` is None for a tombstone.

    `dead`: changes of this key up to that version belong to an earlier life of it (of a row that came by a changed key:
    the version of that change).
    """

    version: int = NEVER
    cells: Cells | None = None
    dead: int = NEVER
    moves: tuple[Move, ...] = ()

    @property
    def end(self) -> int:
        """Up to here changes belong to earlier lives of the key."""
        return self.version if self.cells is None else self.dead


def known_to(state: State, columns: Collection[str], broken: Collection[str] = ()) -> State:
    """The state as a writer of other columns than the last one's sees it: what was not kept is bounded, not old."""
    if state.cells is None or not (lacking := columns - state.cells.keys()):
        return state
    bound = NEVER if "unseen_filled_by_older" in broken else state.version - 1
    return replace(state, cells={**state.cells, **dict.fromkeys(lacking, Cell(bound, UNSEEN))})


def merge(state: State, change: Change, columns: Collection[str], broken: Collection[str] = ()) -> State:
    """The state after a change; the same object when the change has no effect."""
    if change.life:
        return _handed_on(state, change, broken)
    if "absent_is_null" in broken and change.row is not None:
        change = replace(change, row={**dict.fromkeys(change.missing), **change.row}, missing=())
    if change.row is None:
        return _delete(state, change, columns, broken)
    if change.version > state.version:
        return _newest(state, change, columns, broken)
    if change.moved_from is not None and "late_birth_ignored" not in broken:
        state = _ended(state, change.version, fill=change)
    return _fill(state, change, broken)


def handed_on(state: State, table: str, changes: Collection[Change]) -> Iterator[Change]:
    """What the lives of a key that ended with a changed key hand on to the new keys, after these changes.

    What was itself handed on goes on along the same row only: the versions of its moves rise, so it ends.
    """
    lives = {change.life for change in changes}
    for move in state.moves:
        if NEVER not in lives and move.dead not in lives:
            continue
        for column, cell in move.kept.items():
            if cell.value != UNSEEN:
                yield Change(table, move.to, cell.version, {column: cell.value}, life=move.version)


def _newest(state: State, change: Change, columns: Collection[str], broken: Collection[str]) -> State:
    assert change.row is not None
    cells = {c: Cell(change.version, change.row[c]) for c in columns if c in change.row}
    inherits = (state.cells or {}) if change.moved_from is None else {}
    for column in columns:
        if column in change.missing:
            cells[column] = inherits.get(column, Cell(NEVER, UNSEEN))
            if "bound_not_inherited" in broken and cells[column].value == UNSEEN:
                cells[column] = Cell(NEVER, UNSEEN)
    dead = state.end
    if change.moved_from is not None and "own_past_fills_moved" not in broken:
        dead = change.version  # a moved row's own key has no past
    return State(change.version, cells, dead, () if "moves_end_with_tombstone" in broken else state.moves)


def _fill(state: State, change: Change, broken: Collection[str]) -> State:
    """A change that comes late fills the cells older than itself, of its own life."""
    if "stale_does_not_fill" in broken and change.version < state.version:
        return state
    moves = tuple(
        replace(move, kept=_filled(move.kept, change))
        if (move.dead < change.version or "earlier_life_fills_kept" in broken) and change.version < move.version
        else move
        for move in state.moves
    )
    birth = change.moved_from is not None and change.version == state.dead
    ours = state.cells is not None and (change.version > state.dead or birth)
    cells = _filled(state.cells, change) if state.cells is not None and ours else state.cells
    return _changed(state, replace(state, cells=cells, moves=moves))


def _filled(cells: Cells, change: Change) -> Cells:
    row = change.row or {}
    late = {c: Cell(change.version, row[c]) for c, cell in cells.items() if c in row and cell.version < change.version}
    return {**cells, **late}


def _changed(before: State, after: State) -> State:
    return before if before == after else after


def _handed_on(state: State, change: Change, broken: Collection[str]) -> State:
    """Columns of the old key fill the life that began with that move, and no other."""
    any_life = "handed_to_any_life" in broken
    moves = tuple(
        replace(move, kept=_filled(move.kept, change)) if any_life or move.dead == change.life else move
        for move in state.moves
    )
    fits = state.cells is not None and (any_life or state.dead == change.life)
    cells = _filled(state.cells, change) if state.cells is not None and fits else state.cells
    return _changed(state, replace(state, cells=cells, moves=moves))


def _delete(state: State, change: Change, columns: Collection[str], broken: Collection[str]) -> State:
    lacking = [c for c in change.missing if c in columns] if change.moved_to is not None else []
    moves = state.moves
    if lacking and "tombstone_keeps_nothing" not in broken and change.version not in {m.version for m in moves}:
        cells = {c: cell for c, cell in (state.cells or {}).items() if cell.version < change.version}
        kept = {c: cells.get(c, Cell(NEVER, UNSEEN)) for c in lacking}
        dead = state.end if state.end < change.version else NEVER
        moves = (*moves, Move(change.version, dead, change.moved_to or "", kept))
    if change.version > state.version:
        return State(change.version, moves=moves)
    late = replace(state, moves=moves)
    return _changed(state, late if "late_delete_empties_nothing" in broken else _ended(late, change.version))


def _ended(state: State, end: int, fill: Change | None = None) -> State:
    """A life of the key ended at that version: nothing of it remains in later lives, and nothing may come back.

    `fill`: the change of key with which the next life began at the very same version.
    """

    def emptied(cells: Cells) -> Cells:
        left = {c: Cell(NEVER, UNSEEN) if cell.version <= end else cell for c, cell in cells.items()}
        return _filled(left, fill) if fill is not None else left

    moves = tuple(
        replace(move, kept=emptied(move.kept), dead=end) if move.dead < end < move.version else move
        for move in state.moves
    )
    if state.cells is None or not state.dead < end < state.version:
        return replace(state, moves=moves)
    return replace(state, cells=emptied(state.cells), dead=end, moves=moves)
