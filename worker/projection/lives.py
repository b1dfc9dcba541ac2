"""One life of a row's key: what is known of its columns, and which changes may still fill them. Pure.

Every column has a *rank*, and only what has a greater one replaces it; ranks are compared as text. Mostly it is the
version of the change that carried the column. Two kinds are lower than every change of the life itself:

- `birth/rank`: handed on by the row's former key, where the column had that rank in the life that began at `birth` (or
  after it). It has the birth in front because what the former key learns late about its lives, that an earlier one had
  ended, takes back what it handed on before.
- `rank!00load`: read by a full load, that of the former key being known up to `rank`. A load beside changes may have
  read this life or, before the key change, one that had the key until then; of the latter a delete will tell. The
  number counts how often it was handed on: what was read of a former key, with more of them, is preferred.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

from msgspec import field
from msgspec.structs import replace

from worker.records.rows import Row, RowChange
from worker.records.version import NEVER, position_of
from worker.value import Value

LONGEST_WAY: Final = 32
"""Over how many keys a value is handed on; after that the row waits for a record with the column."""

_READ: Final = "!00"
_HANDED: Final = "/"
_INCARNATION_WIDTH: Final = 4


class Life(Value, frozen=True):
    """What is known of a row under one key, from one insert or changed key to its end.

    `older`: ranks of columns that are older than `version`, the newest change's. Of a column not seen yet (absent in
    `row`) it says what a rank must exceed to fill it, NEVER mostly.
    `ended`: changes up to that version belong to an earlier life of the key and fill nothing. `birth`: the changed key
    that this life began with, NEVER if it is not known to have begun with one.
    """

    version: str = NEVER
    row: Row | None = None
    older: dict[str, str] = field(default_factory=dict)
    ended: str = NEVER
    birth: str = NEVER

    @property
    def dead(self) -> str:
        """Up to here changes of the key are of earlier lives."""
        return max(self.ended, self.birth)


class Move(Life, frozen=True):
    """A life that ended with a changed key: `row` and `older` have the columns that the put of the new key lacks.

    `version` is that of the changed key. It stays when the key is taken again, for late changes may still fill it.
    """

    moved_to: str = ""


L = TypeVar("L", bound=Life)


def filled(life: L, columns: Row, rank: str) -> L:
    """The life with those columns that are of a lower rank."""
    late = {column: value for column, value in columns.items() if column in life.older and life.older[column] < rank}
    if not late:
        return life
    return replace(life, row={**(life.row or {}), **late}, older={**life.older, **dict.fromkeys(late, rank)})


def ended(life: L, end: str) -> L:
    """The life once a delete of its key is known: nothing up to it is of this life."""
    if end <= life.ended:
        return life
    if end < life.birth:  # what held the key before: a load from before that end has not read this row
        read = {column: rank for column, rank in life.older.items() if _READ in rank and _load(rank) < end}
        ranks = {column: f"{_bound(rank)}{_READ}{end}" for column, rank in read.items()}
        return replace(_without(life, ranks), ended=end)
    gone = {column: NEVER for column, rank in life.older.items() if rank <= end}
    return replace(_without(life, gone), ended=end, birth=NEVER)


def begun(life: L, birth: str) -> L:
    """The life once it is known to have begun with a changed key: what is older is of the key's earlier lives."""
    if birth <= life.dead:
        return life
    gone = {column: NEVER for column, rank in life.older.items() if rank <= birth}
    read = {
        column: f"{_READ}{life.older[column]}"
        for column in gone
        if column in (life.row or {}) and life.ended < life.older[column] and is_load_beside(life.older[column], birth)
    }
    kept = {column: value for column, value in (life.row or {}).items() if column in read}
    empty = _without(life, gone)
    return replace(empty, row={**(empty.row or {}), **kept}, older={**empty.older, **read}, birth=birth)


def read_by_load(life: L, load: RowChange) -> L:
    """The life, begun with a changed key, after a load of its key that is not known to be of an earlier life."""
    if load.version <= life.ended or not is_load_beside(load.version, life.birth):
        return life
    for column, value in (load.row or {}).items():
        rank = life.older.get(column)
        if rank is None or (column in (life.row or {}) and _READ not in rank) or _bound(rank) > life.birth:
            continue
        life = filled(life, {column: value}, f"{_bound(rank)}{_READ}{load.version}")
    return life


def handed_on(life: L, change: RowChange) -> L:
    """The life after what a former key knows; it fills the life that began with that very changed key, no other."""
    if not change.life or life.birth != change.life:
        return life
    back = {}
    for column in change.missing:  # the former key has learned that it handed on what was not this row's
        rank = life.older.get(column)
        if rank is not None and _bound(rank) < change.version and rank < change.version:
            back[column] = f"{change.version}{_READ}{_load(rank)}" if _READ in rank else change.version
    kept = {column: value for column, value in (life.row or {}).items() if column in back and _READ in back[column]}
    if back:
        empty = _without(life, back)
        life = replace(empty, row={**(empty.row or {}), **kept})
    return filled(life, change.row or {}, change.version)


def handing_on(table: str, move: Move) -> list[RowChange]:
    """What the old key's life tells the new key, column by column."""
    told = []
    for column, rank in move.older.items():
        onward = f"{move.dead}{_HANDED}{re.sub('!([0-9]{2})', _once_more, rank)}"
        if onward == _HANDED or onward.count(_HANDED) > LONGEST_WAY:
            continue
        known = move.row is not None and column in move.row
        row = {column: move.row[column]} if move.row is not None and known else {}
        told.append(RowChange(table, move.moved_to, onward, row, () if known else (column,), life=move.version))
    return told


def is_load_beside(version: str, change: str) -> bool:
    """Whether it is the version of a full load that a change's incarnation began with."""
    incarnation = change[:_INCARNATION_WIDTH]
    return len(version) == len(change) and version.startswith(incarnation) and position_of(version) == 0


def _once_more(found: re.Match[str]) -> str:
    return f"!{int(found[1]) + 1:02d}"


def _bound(rank: str) -> str:
    return rank.partition(_READ)[0]


def _load(rank: str) -> str:
    return rank.partition(_READ)[2]


def _without(life: L, ranks: dict[str, str]) -> L:
    """The life without these columns, which are unseen then, up to these ranks."""
    if not ranks:
        return life
    row = {column: value for column, value in (life.row or {}).items() if column not in ranks}
    return replace(life, row=row, older={**life.older, **ranks})
