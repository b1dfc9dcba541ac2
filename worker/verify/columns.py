"""What the source's catalog says of tables and columns, as far as rendering and comparing them depends on it."""

from __future__ import annotations

from collections.abc import Mapping as PolicyMapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contract.mapping import Policy


class Category(StrEnum):
    """Kinds of column types that change records deliver alike."""

    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT4 = "float4"
    FLOAT8 = "float8"
    BOOLEAN = "boolean"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    BYTEA = "bytea"
    BARE_BYTEA = "bytea without 0x"
    JSON = "json"
    OTHER = "other"


MAX_NUMBER_DIGITS: Final = 38
"""A numeric declared with more digits is delivered as text."""

NUMBERS: Final = frozenset({Category.INTEGER, Category.NUMERIC, Category.FLOAT4, Category.FLOAT8})
FLOATS: Final = frozenset({Category.FLOAT4, Category.FLOAT8})

_BY_TYPE: Final = {
    "int2": Category.INTEGER,
    "int4": Category.INTEGER,
    "int8": Category.INTEGER,
    "oid": Category.INTEGER,
    "numeric": Category.NUMERIC,
    "float4": Category.FLOAT4,
    "float8": Category.FLOAT8,
    "bool": Category.BOOLEAN,
    "date": Category.DATE,
    "timestamp": Category.TIMESTAMP,
    "timestamptz": Category.TIMESTAMPTZ,
    "bytea": Category.BYTEA,
    "json": Category.JSON,
    "jsonb": Category.JSON,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `type_name` is the base type of a domain, with its schema outside pg_catalog.

    `precise`: declared with a number of digits. `tokened`: documents show a keyed token of its value. `beyond`: SQL
    that holds for values that DMS cannot carry, `{0}` being the column; empty when it carries all.
    """

    name: str
    type_name: str
    category: Category
    nullable: bool
    precise: bool = False
    tokened: bool = False
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table: its columns by name, and those of its unique indexes (the primary key's first), in their order."""

    name: str
    columns: dict[str, Column]
    unique: tuple[tuple[str, ...], ...]

    def is_key(self, columns: tuple[str, ...]) -> bool:
        """Whether at most one row has given values of these columns."""
        return any(set(unique) <= set(columns) for unique in self.unique)

    def in_index_order(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """The columns of a key as an index has them, so that rows can be read in that order without sorting."""
        first = next((unique for unique in self.unique if set(unique) <= set(key)), ())
        return tuple(dict.fromkeys((*first, *key)))


Catalog = dict[str, SourceTable]


def with_policies(catalog: Catalog, policies: PolicyMapping[str, PolicyMapping[str, Policy]]) -> Catalog:
    """The catalog with its tokened columns marked."""
    found = dict(catalog)
    for name in policies.keys() & catalog.keys():
        tokened = {column for column, policy in policies[name].items() if policy is Policy.TOKEN}
        columns = {c.name: replace(c, tokened=c.name in tokened) for c in catalog[name].columns.values()}
        found[name] = replace(catalog[name], columns=columns)
    return found


def category_of(schema: str, type_name: str, type_category: str, type_modifier: int) -> Category:
    """Category of a base type as pg_type names it (`typcategory` S: text, varchar, char, citext ...)."""
    if schema == "pg_catalog" and type_name in _BY_TYPE:
        digits = (type_modifier - 4) >> 16 & 0xFFFF if type_modifier >= 4 else 0
        too_long = type_name == "numeric" and digits > MAX_NUMBER_DIGITS
        return Category.OTHER if too_long else _BY_TYPE[type_name]
    return Category.TEXT if type_category == "S" else Category.OTHER
