"""What the source's catalog says of tables, as far as a proposal depends on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `type` is the base type's name in pg_type, arrays begin with `_`. `size`: characters, or digits."""

    name: str
    type: str
    nullable: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` of this table hold `parent_columns` of the parent, in pairs. `owned`: deleted with the parent."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    owned: bool


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table (`schema.table`); `key` is its primary key in its order, empty without one."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    comment: str
    replica_identity: str

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of the chosen schemas by name, and how the server writes its log."""

    tables: dict[str, SourceTable]
    wal_level: str
