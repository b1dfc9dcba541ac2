"""The column types of random schemas, each with few values, so that rows meet, filters match and columns toggle."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How change records deliver a column's values."""

    NUMBER = "number"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BINARY = "binary"
    JSON = "json"


@dataclass(frozen=True)
class ColumnType:
    """One SQL type. `values` are texts that PostgreSQL reads; `fits` are field types that take each of them.

    `strange` are values that some field type or the order of text does not take; they come only into columns that
    are neither keys nor ordered by. `keys` are more values for columns that are keys: their rows must differ.
    """

    sql: str
    kind: Kind
    values: tuple[str, ...]
    fits: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


_NUMBERS: Final = tuple(map(str, range(10, 26)))
_TEXTS: Final = (
    "", " ", "a", "A", "b", "null", "ä", "\u0061\u0308", "日本", "😀", "it's", '"', "back\\slash", "\x01", "\x7f",
    "\u2028", "\ufeff", "\U0010ffff", "\ud7ff", "7", "007", "1e3", "true", "a|b", "a#b", "a%7Cb", "{}",
    "line\nbreak", "tab\t", "~",
)  # fmt: skip
_ODD_KEYS: Final = ("", "a", "A", "ä", "a|b", "a#b", "a%7Cb", "it's", "007", "7", "日本😀", "k" * 600)
_MISFITS: Final = ("integer", "decimal", "boolean", "date", "timestamp", "timestamptz", "json")

SMALLINT: Final = ColumnType(
    "smallint", Kind.NUMBER, ("0", "1", "2", "-32768", "32767"), ("text", "integer", "decimal")
)
INTEGER: Final = ColumnType(
    "integer",
    Kind.NUMBER,
    ("0", "1", "2", "3", "-1", "2147483647"),
    ("text", "integer", "decimal"),
    ("boolean", "date"),
    keys=_NUMBERS,
)
BIGINT: Final = ColumnType(
    "bigint",
    Kind.NUMBER,
    ("0", "1", "2", "9007199254740993", "-9223372036854775808", "9223372036854775807"),
    ("text", "integer", "decimal"),
    ("boolean",),
    keys=_NUMBERS,
)
WIDE: Final = ColumnType(
    "numeric(20,0)",
    Kind.NUMBER,
    ("0", "1", "2", "12345678901234567890", "-99999999999999999999"),
    ("text", "integer", "decimal"),
    keys=_NUMBERS,
)
MONEY: Final = ColumnType(
    "numeric(12,3)", Kind.NUMBER, ("0", "1", "1.5", "-2.125", "999999999.999", "10"), ("text", "decimal"), ("integer",)
)
NUMERIC: Final = ColumnType(
    "numeric",
    Kind.NUMBER,
    ("0", "0.1", "-0.0000000001", "12345678901234567890123456789.123456789", "1.50", "100"),
    ("text", "decimal"),
    ("integer",),
    ("NaN", "Infinity", "1234567890123456789012345678901234567890", "1e-140"),
)
LONG_NUMERIC: Final = ColumnType("numeric(45,2)", Kind.TEXT, ("0.00", "12.50", "-1.00"), ("text", "decimal"))
BOOLEAN: Final = ColumnType("boolean", Kind.BOOLEAN, ("true", "false"), ("text", "boolean"), ("integer", "date"))
REAL: Final = ColumnType(
    "real", Kind.FLOAT, ("0", "0.1", "2.2", "-1.5e-7", "16777216", "3.4e38"), ("decimal",), (), ("NaN", "Infinity")
)
DOUBLE: Final = ColumnType(
    "double precision",
    Kind.FLOAT,
    ("0", "0.1", "-2.5", "1e100", "1.7976931348623157e-100", "123456789.123456789"),
    ("decimal",),
    (),
    ("NaN", "-Infinity", "1e300", "5e-324"),
)
VARCHAR: Final = ColumnType("varchar(700)", Kind.TEXT, _TEXTS, ("text",), _MISFITS)
KEY_VARCHAR: Final = ColumnType("varchar(700)", Kind.TEXT, _ODD_KEYS, ("text",), keys=tuple(f"k-{n}" for n in range(9)))
CHAR: Final = ColumnType("char(5)", Kind.TEXT, ("", "a", "A", "ab c", "éé", "12345"), ("text",), ("integer",))
TEXT: Final = ColumnType("text", Kind.TEXT, _TEXTS, ("text",), _MISFITS)
UUID: Final = ColumnType(
    "uuid",
    Kind.TEXT,
    (
        "00000000-0000-4000-8000-000000000000",
        "10000000-0000-4000-8000-000000000001",
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
    ),
    ("text",),
    keys=tuple(f"{n}0000000-0000-4000-8000-00000000000{n}" for n in "23456789abcdef"),
)
DATE: Final = ColumnType(
    "date",
    Kind.DATE,
    ("2020-02-29", "1999-12-31", "0001-01-01", "9999-12-31"),
    ("text", "date", "timestamp"),
    ("integer",),
    ("infinity", "-infinity", "0044-03-15 BC", "10000-01-01"),
    tuple(f"2021-01-{day}" for day in range(10, 26)),
)
TIMESTAMP: Final = ColumnType(
    "timestamp",
    Kind.TIMESTAMP,
    ("2020-02-29 12:00:00", "2020-02-29 12:00:00.5", "2020-02-29 12:00:00.000001", "1999-12-31 23:59:59.999999"),
    ("text", "timestamp", "timestamptz"),
    ("date",),
    ("infinity", "-infinity", "0044-03-15 01:02:03 BC", "12020-01-01 00:00:00"),
)
TIMESTAMPTZ: Final = ColumnType(
    "timestamptz",
    Kind.TIMESTAMP,
    ("2020-02-29 12:00:00+02", "2020-02-29 10:00:00.5+00", "1999-12-31 23:59:59.999-11:30", "2021-03-28 02:30:00+01"),
    ("text", "timestamp", "timestamptz"),
    ("date",),
    ("infinity", "-infinity"),
)
BYTEA: Final = ColumnType("bytea", Kind.BINARY, ("\\x", "\\x00", "\\xdeadbeef", "\\x0a5c27"), ("text", "binary"))
JSONB: Final = ColumnType(
    "jsonb",
    Kind.JSON,
    ("null", "1", '"a"', '{"a": [1, 2.50, null], "ä": "😀"}', "[]", '{"n": 12345678901234567890}', "true"),
    ("text", "json"),
    (),
    ('{"big": 1e200}',),
)
JSON: Final = ColumnType(
    "json", Kind.JSON, ('{"b":1, "a":2}', '{ "a" : 1.0 }', '["\\u00e9"]', '{"a": 1, "a": 2}'), ("text", "json")
)
INTEGERS: Final = ColumnType("integer[]", Kind.TEXT, ("{}", "{1,2}", "{NULL,3}"), ("text",))
TEXTS: Final = ColumnType("text[]", Kind.TEXT, ("{}", '{"a b",c}', '{"it\'s",NULL,"x,y"}'), ("text",))
TIME: Final = ColumnType("time", Kind.TEXT, ("12:00:00", "23:59:59.5", "00:00:00"), ("text",))
INTERVAL: Final = ColumnType("interval", Kind.TEXT, ("1 day", "-01:00:00", "1 mon 2 days 03:04:05.6"), ("text",))

KEY_TYPES: Final = (
    INTEGER, INTEGER, BIGINT, KEY_VARCHAR, KEY_VARCHAR, WIDE, UUID, DATE, CHAR, SMALLINT, MONEY, BOOLEAN, TIMESTAMPTZ,
)  # fmt: skip
DATA_TYPES: Final = (
    SMALLINT, INTEGER, INTEGER, BIGINT, WIDE, MONEY, MONEY, NUMERIC, LONG_NUMERIC, BOOLEAN, BOOLEAN, REAL, DOUBLE,
    VARCHAR, VARCHAR, CHAR, TEXT, UUID, DATE, TIMESTAMP, TIMESTAMPTZ, BYTEA, JSONB, JSON, INTEGERS, TEXTS, TIME,
    INTERVAL,
)  # fmt: skip
LARGE_TYPES: Final = (TEXT, TEXT, BYTEA, JSONB)

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789äöü日本語😀'\"\\"


def large(rng: random.Random, kind: Kind) -> str:
    """A value that PostgreSQL keeps out of line: an update that does not touch it leaves it out of the log."""
    size = rng.randint(2_100, 3_500)
    if kind is Kind.BINARY:
        return "\\x" + rng.randbytes(size).hex()
    if kind is Kind.JSON:
        return '{"large": "' + "".join(rng.choices("abcdefgh 0123456789", k=size)) + '"}'
    return "".join(rng.choices(_LETTERS, k=size))


def literal(value: str | None) -> str:
    """A constant of any type."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'
