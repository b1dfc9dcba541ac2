"""Random histories of the source, the records that report them, and what SQL would say at their end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.model.mapping import TARGETS, VALUES, Mapping, Node
from tests.model.partial import UNSEEN, Change
from tests.model.store import RowId

SourceRow = dict[str, Any]
Record = tuple[Change, ...]
"""One change record; a changed key is two row changes of one version, the put first."""

INCARNATION: Final = 1_000_000
FIRST_CHANGE: Final = 100_000
"""Versions are incarnation, then position: a load's below every change's. All are even: `version - 1` is free."""


@dataclass(slots=True)
class Source:
    """The source's tables, and the records of everything that happened to them."""

    rng: random.Random
    tables: tuple[str, ...]
    keys: int
    lacks: tuple[str, ...]
    """Columns that a record leaves out when they stay the same."""
    live: dict[RowId, SourceRow] = field(default_factory=dict)
    past: dict[tuple[str, str, str], set[Any]] = field(default_factory=dict)
    incarnation: int = 1
    position: int = 0
    moving: float = 0.15
    reuse: bool = True
    """Whether a key that a row has left, lacking columns, may be taken again: only in one log that keeps its order."""
    left: set[RowId] = field(default_factory=set)

    def version(self, *, load: bool = False) -> int:
        """The next version of a change, or of a row of a load."""
        self.position += 2
        return self.incarnation * INCARNATION + self.position + (0 if load else FIRST_CHANGE)

    def change(self, *, complete_moves: bool = False) -> Record:
        """One random change. Few keys and values, so that rows come back and move back often."""
        rng = self.rng
        table = rng.choice(self.tables)
        row = (table, self._key(table))
        if row in self.left and not self.reuse:
            return self.change(complete_moves=complete_moves) if len(self.tables) > 1 else ()
        old = self.live.get(row)
        if old is not None and rng.random() < 0.2:
            del self.live[row]
            return (Change(*row, self.version(), None),)
        new = self._row(table)
        if old is not None:  # most columns stay, so that a record may leave them out
            new = {column: old[column] if rng.random() < 0.5 else value for column, value in new.items()}
        key = self._key(table)
        free = (table, key) not in self.live and (self.reuse or (table, key) not in self.left)
        if old is not None and free and rng.random() < self.moving:
            return self._move(row, (table, key), old, new, complete=complete_moves)
        self._set(row, new)
        return (self._record(row, new, old),)

    def load(self) -> list[Record]:
        """A full load: every row of one moment, complete."""
        return [(Change(*row, self.version(load=True), dict(body)),) for row, body in self.live.items()]

    def _move(self, old_row: RowId, row: RowId, old: SourceRow, new: SourceRow, *, complete: bool) -> Record:
        del self.live[old_row]
        self._set(row, new)
        put = self._record(row, new, None if complete else old)
        if not put.missing:
            return put, Change(*old_row, put.version, None)
        self.left.add(old_row)
        moved = Change(*row, put.version, put.row, put.missing, moved_from=old_row[1])
        return moved, Change(*old_row, put.version, None, put.missing, moved_to=row[1])

    def _record(self, row: RowId, new: SourceRow, old: SourceRow | None) -> Change:
        unchanged = [c for c in self.lacks if c in new and old is not None and old[c] == new[c]]
        missing = tuple(column for column in unchanged if self.rng.random() < 0.7)
        sent = {column: value for column, value in new.items() if column not in missing}
        return Change(*row, self.version(), sent, missing)

    def _set(self, row: RowId, body: SourceRow) -> None:
        self.live[row] = body
        for column in VALUES:
            self.past.setdefault((*row, column), set()).add(body[column])

    def _key(self, table: str) -> str:
        return f"{table[:2]}{table[-1]}{self.rng.randrange(self.keys)}"

    def _row(self, table: str) -> SourceRow:
        row: SourceRow = {"val": self.rng.randint(0, 1), "big": self.rng.choice("ab"), "extra": self.rng.choice("xy")}
        for column, target in TARGETS[table].items():
            name = "v" if "@" in target else f"{target[:2]}{target[-1]}"
            row[column] = self.rng.choice([None, *(f"{name}{i}" for i in range(self.keys))])
        return row


def differences(
    source: Source, mapping: Mapping, shown: dict[tuple[str, str], Any], *, copies_wait: bool = False
) -> list[tuple[str, str]]:
    """Documents that are not the join of the source's rows. `copies_wait`: rows to copy may still be incomplete."""
    wrong = []
    for aggregate in mapping.aggregates.values():
        keys = {key for table, key in source.live if table == aggregate.root.table}
        keys |= {key for name, key in shown if name == aggregate.name}
        wrong += [
            (aggregate.name, key)
            for key in sorted(keys)
            if not _equal(source, aggregate.root, key, shown.get((aggregate.name, key)), copies_wait)
        ]
    return wrong


def _equal(source: Source, node: Node, key: str | None, body: Any, wait: bool) -> bool:
    row = source.live.get((node.table, key)) if key is not None else None
    if row is None or (node.only is not None and row["val"] != node.only):
        return body is None
    if body is None or any(body.get(column, UNSEEN) != row[column] for column in node.shows):
        return False
    return all(
        _relation(source, child, row, key, body.get(name, UNSEEN), wait) for name, child in node.children.items()
    )


def _relation(source: Source, node: Node, row: SourceRow, key: str | None, body: Any, wait: bool) -> bool:
    if body == UNSEEN:
        return False
    if node.kind == "many":
        return _elements(source, node, key, body, wait)
    target = row[node.column]
    if node.virtual:
        return bool(body is None if target is None else _elements(source, node.children["rows"], target, body, wait))
    if not node.copied:
        return _equal(source, node, target, body, wait)
    if body is None:
        return wait or target is None or (node.table, target) not in source.live
    if target is None:
        return False
    return all(body[c] in {UNSEEN, *source.past.get((node.table, target, c), ())} for c in node.shows)


def _elements(source: Source, node: Node, key: str | None, body: dict[str, Any], wait: bool) -> bool:
    pointing = [k for (table, k), row in source.live.items() if table == node.table and row[node.column] == key]
    standing = {k for k in pointing if node.only is None or source.live[node.table, k]["val"] == node.only}
    return set(body) == standing and all(_equal(source, node, k, body[k], wait) for k in standing)


def spread(
    rng: random.Random, records: list[Record], shards: int, *, two: bool, seen: set[RowId], disorder: Callable[[], bool]
) -> list[list[Record]]:
    """Records on their shards. `two`: a row's first record comes by another shard than the rest."""
    logs: list[list[Record]] = [[] for _ in range(shards)]
    for record in filter(None, records):
        row = (record[-1].table, record[-1].key)
        logs[(sum(map(ord, row[0] + row[1])) + (two and row not in seen)) % shards].append(record)
        seen.add(row)
    for log in logs:
        for at in range(len(log) - 1):
            if disorder():
                log[at], log[at + 1] = log[at + 1], log[at]
    return logs
