"""What a mapping file uses, and where: what only shows when all files are read is checked on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Spot(NamedTuple):
    """A place in a file, as an editor counts."""

    path: str
    line: int
    column: int


class Use(NamedTuple):
    """A column that a mapping consults; `plain`: in a way that needs its value as it is, so no token will do."""

    table: str
    column: str
    spot: Spot
    plain: str = ""


class Pair(NamedTuple):
    """Two columns that a join compares."""

    one: tuple[str, str]
    other: tuple[str, str]
    spot: Spot


class TableKey(NamedTuple):
    """What a mapping calls a table's key."""

    table: str
    key: tuple[str, ...]
    spot: Spot


class ForeignKey(NamedTuple):
    """A foreign key with the spread that is declared for it."""

    table: str
    columns: tuple[str, ...]
    parent: str
    spread: int
    spot: Spot


@dataclass(slots=True)
class Facts:
    """All of one file."""

    uses: list[Use] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    keys: list[TableKey] = field(default_factory=list)
    spreads: list[ForeignKey] = field(default_factory=list)
    sensitive: dict[tuple[str, str], Spot] = field(default_factory=dict)
    tables: dict[str, Spot] = field(default_factory=dict)
    spots: dict[tuple[str, ...], Spot] = field(default_factory=dict)

    def spot(self, *path: str) -> Spot:
        """Where a relation, an index or a top-level key stands; what `depth` repeats stands where it is declared."""
        while path not in self.spots and path:
            path = path[:-1]
        return self.spots.get(path, Spot("?", 1, 1))
