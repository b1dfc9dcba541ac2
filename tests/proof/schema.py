"""Random schemas: tables with keys of any shape, foreign keys of all kinds, columns of all types, strange names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tests.proof import values
from tests.proof.values import ColumnType, Kind, identifier

_TABLE_NAMES: Final = (
    "Order",
    "größe",
    'we"ird',
    "it's",
    "UPPER",
    "select",
    "a|b",
    "b%25",
    "semi;colon",
    "back\\s",
    "名",
    "do.t",
)
_COLUMN_NAMES: Final = (
    "Mixed",
    "with space",
    'quo"te',
    "it's",
    "größe",
    "select",
    "semi;colon",
    "p|pe",
    "%s",
    "back\\s",
    "名",
    "co:lon",
)


class Rule(StrEnum):
    """What the source does about a foreign key; NONE is no constraint at all: rows may point at nothing."""

    NONE = "none"
    RESTRICT = "restrict"
    CASCADE = "cascade"
    SET_NULL = "set null"
    DEFERRED = "deferred"


@dataclass(frozen=True)
class Column:
    """One column; `large` ones hold values that the log leaves out when they stay the same.

    `policy`: `drop` or `token` if it must not leave the source as it is.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    large: bool = False
    strange: bool = False
    policy: str = ""


@dataclass(frozen=True)
class Reference:
    """`columns` of `table` hold `target` columns (its key or other unique ones) of `parent`."""

    table: str
    columns: tuple[str, ...]
    parent: str
    target: tuple[str, ...]
    rule: Rule


@dataclass
class Table:
    """One table of a schema; `unique` are its other keys."""

    name: str
    key: tuple[str, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    unique: list[tuple[str, ...]] = field(default_factory=list)
    full_identity: bool = False

    @property
    def has_large(self) -> bool:
        """Whether an update may leave out a column."""
        return any(column.large for column in self.columns.values())


@dataclass
class Schema:
    """Everything of one case; `name` is the PostgreSQL schema."""

    name: str
    tables: dict[str, Table] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)

    def qualified(self, table: str) -> str:
        """The table's name in SQL."""
        return f"{identifier(self.name)}.{identifier(table)}"

    def of(self, table: str) -> list[Reference]:
        """The foreign keys of a table."""
        return [reference for reference in self.references if reference.table == table]

    def statements(self) -> Iterator[str]:
        """The DDL."""
        yield f"CREATE SCHEMA {identifier(self.name)}"
        for table in self.tables.values():
            yield self._create(table)
            for column in table.columns.values():
                if column.large:  # random text is compressible, and compressed it would stay in line
                    altered = f"ALTER TABLE {self.qualified(table.name)} ALTER {identifier(column.name)}"
                    yield f"{altered} SET STORAGE EXTERNAL"
            if table.full_identity:
                yield f"ALTER TABLE {self.qualified(table.name)} REPLICA IDENTITY FULL"
        for reference in self.references:
            if reference.rule is not Rule.NONE:
                yield self._constraint(reference)

    def _create(self, table: Table) -> str:
        parts = [
            f"{identifier(c.name)} {c.type.sql}{'' if c.nullable else ' NOT NULL'}" for c in table.columns.values()
        ]
        parts.append(f"PRIMARY KEY ({_names(table.key)})")
        parts += [f"UNIQUE ({_names(columns)})" for columns in table.unique]
        return f"CREATE TABLE {self.qualified(table.name)} ({', '.join(parts)})"

    def _constraint(self, reference: Reference) -> str:
        actions = {
            Rule.RESTRICT: "ON UPDATE CASCADE",
            Rule.CASCADE: "ON UPDATE CASCADE ON DELETE CASCADE",
            Rule.SET_NULL: "ON UPDATE CASCADE ON DELETE SET NULL",
            Rule.DEFERRED: "DEFERRABLE INITIALLY DEFERRED",
        }
        return (
            f"ALTER TABLE {self.qualified(reference.table)} ADD FOREIGN KEY ({_names(reference.columns)})"
            f" REFERENCES {self.qualified(reference.parent)} ({_names(reference.target)}) {actions[reference.rule]}"
        )


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(map(identifier, columns))


def make_schema(rng: random.Random, name: str) -> Schema:
    """Two to seven tables."""
    schema = Schema(name)
    plain = rng.random() < 0.6
    taken = rng.sample(_TABLE_NAMES, len(_TABLE_NAMES))
    for number in range(rng.randint(2, 7)):
        _add_table(rng, schema, f"t{number}" if plain or rng.random() < 0.5 else taken.pop(), plain)
    for _ in range(rng.choice((0, 0, 1, 2))):  # back to a later table, or one more to an earlier one
        child, parent = rng.choice(list(schema.tables.values())), rng.choice(list(schema.tables.values()))
        _add_reference(rng, schema, child, parent, (), Rule.NONE if rng.random() < 0.5 else Rule.DEFERRED)
    return schema


def _add_table(rng: random.Random, schema: Schema, name: str, plain: bool) -> None:
    earlier = list(schema.tables.values())
    table = Table(name, full_identity=rng.random() < 0.2)
    schema.tables[name] = table
    parents = [rng.choice(earlier) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))] if earlier else []
    identifying = [parent for parent in parents if rng.random() < 0.35][:2]
    key: tuple[str, ...] = ()
    for parent in identifying:
        key = tuple(dict.fromkeys((*key, *_add_reference(rng, schema, table, parent, key, None, in_key=True))))
    wanted = rng.choices((1, 2, 3, 4), (55, 25, 12, 8))[0]
    if len(key) < wanted and not (len(identifying) == 2 and rng.random() < 0.6):
        for _ in range(max(1, min(wanted, 4) - len(key))):
            key = (*key, _add_column(rng, table, rng.choice(values.KEY_TYPES), plain, nullable=False))
    table.key = tuple(rng.sample(key, len(key))) if rng.random() < 0.2 else key
    for parent in [p for p in parents if p not in identifying]:
        _add_reference(rng, schema, table, parent, (), None)
    if rng.random() < 0.25:
        _add_reference(rng, schema, table, table, (), None)
    for _ in range(rng.randint(1, 5)):
        _add_column(rng, table, rng.choice(values.DATA_TYPES), plain, strange=rng.random() < 0.15)
    if rng.random() < 0.35:
        _add_column(rng, table, rng.choice(values.LARGE_TYPES), plain, nullable=rng.random() < 0.8, large=True)
    if rng.random() < 0.35:
        _add_unique(rng, table, plain)


def _add_column(
    rng: random.Random,
    table: Table,
    column_type: ColumnType,
    plain: bool = True,
    *,
    nullable: bool | None = None,
    large: bool = False,
    strange: bool = False,
) -> str:
    name = f"c{len(table.columns)}"
    if not plain and rng.random() < 0.4:
        free = [candidate for candidate in _COLUMN_NAMES if candidate not in table.columns]
        name = rng.choice(free) if free else name
    is_nullable = rng.random() < 0.7 if nullable is None else nullable
    table.columns[name] = Column(name, column_type, is_nullable, large, strange and bool(column_type.strange))
    return name


def _add_unique(rng: random.Random, table: Table, plain: bool) -> None:
    nullable = rng.random() < 0.4
    types = [rng.choice(values.KEY_TYPES) for _ in range(rng.choice((1, 1, 2)))]
    table.unique.append(tuple(_add_column(rng, table, kind, plain, nullable=nullable) for kind in types))


def _add_reference(
    rng: random.Random,
    schema: Schema,
    table: Table,
    parent: Table,
    used: tuple[str, ...],
    rule: Rule | None,
    *,
    in_key: bool = False,
) -> tuple[str, ...]:
    """Add a foreign key with its columns; some may be shared with another one (a tenant in several keys)."""
    target = rng.choice(parent.unique) if parent.unique and not in_key and rng.random() < 0.4 else parent.key
    if rule is None:
        rule = rng.choice(
            (Rule.NONE, Rule.NONE, Rule.RESTRICT, Rule.CASCADE, Rule.CASCADE, Rule.SET_NULL, Rule.DEFERRED)
        )
    if in_key and rule is Rule.SET_NULL:
        rule = Rule.CASCADE
    columns: list[str] = []
    for number, name in enumerate(target):
        wanted = parent.columns[name].type
        alike = [c for c in (used or table.columns) if table.columns[c].type is wanted and c not in columns]
        if number < len(target) - 1 and alike and table is not parent and rng.random() < 0.4:
            columns.append(rng.choice(alike))
            continue
        if rule is Rule.NONE and not in_key and rng.random() < 0.15:
            wanted = _unlike(wanted)
        columns.append(_add_column(rng, table, wanted, nullable=False if in_key else rng.random() < 0.85 or None))
    schema.references.append(Reference(table.name, tuple(columns), parent.name, target, rule))
    return tuple(columns)


def _unlike(column_type: ColumnType) -> ColumnType:
    """Another type that holds the same values, as old schemas do without constraints."""
    if column_type in (values.SMALLINT, values.INTEGER, values.BIGINT, values.WIDE):
        numbers = column_type.values
        return replace(values.NUMERIC, sql="numeric(30,0)", values=numbers, strange=())
    return replace(values.KEY_VARCHAR, values=column_type.values) if column_type is values.UUID else column_type


def protect(rng: random.Random, schema: Schema) -> None:
    """Make columns sensitive: some are dropped, some tokened, keys together with all that points at them."""
    joined = {(r.table, c) for r in schema.references for c in r.columns}
    joined |= {(r.parent, c) for r in schema.references for c in r.target}
    for table in schema.tables.values():
        for name, column in table.columns.items():
            alone = (table.name, name) not in joined and name not in table.key and column.type.kind is not Kind.FLOAT
            if alone and rng.random() < 0.2:
                table.columns[name] = replace(column, policy=rng.choice(("drop", "token")))
    starts = sorted((table.name, name) for table in schema.tables.values() for name in table.key)
    for table_name, name in _together(schema, rng.choice(starts)) if rng.random() < 0.5 else ():
        columns = schema.tables[table_name].columns
        columns[name] = replace(columns[name], policy="token")


def _together(schema: Schema, start: tuple[str, str]) -> set[tuple[str, str]]:
    """All columns that joins compare with one, directly or not."""
    found = {start}
    while True:
        more = {
            pair
            for r in schema.references
            for mine, theirs in zip(r.columns, r.target, strict=True)
            for pair in ((r.table, mine), (r.parent, theirs))
            if {(r.table, mine), (r.parent, theirs)} & found
        }
        if more <= found:
            return found
        found |= more
