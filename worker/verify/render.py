"""SQL expressions that show one column the way change records and field types show it. Pure.

An expression gives SQL NULL for a NULL column. Where a value is not of its field's type, it gives what the caller says
instead of an error, so that one sick row does not hide all the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from contract.mapping import FieldType
from worker.verify.columns import FLOATS, NUMBERS, Category, Column
from worker.verify.compare import Leaf

# PostgreSQL functions take at most 100 arguments, a name and a value for each attribute
_PAIRS_A_CALL: Final = 50
_NOT_FINITE: Final = "('NaN', 'Infinity', '-Infinity')"
_NUMBER: Final = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE: Final = rf"^{_DAY}([T ]00:00:00(\.0+)?Z?)?$"
_MOMENT: Final = rf"^{_DAY}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,9}})?Z?$"
_HEX: Final = r"^(0x)?([0-9a-fA-F]{2})*$"
_BARE_DAY: Final = rf"^{_DAY}$"
_OFFSET: Final = (
    r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3])(:[0-5][0-9]){2}"
    r"(\.[0-9]{1,9})?[+-][0-9]{2}(:?[0-9]{2})?$"
)
# the days that a document's four-digit year can show
_SHOWABLE: Final = "{0} >= '0001-01-01' AND {0} < '10000-01-01'"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A jsonb expression, and what its attribute needs when it is compared."""

    sql: str
    leaf: Leaf | None = None


def literal(text: str) -> str:
    """A string constant (with standard_conforming_strings on)."""
    return "'" + text.replace("'", "''") + "'"


def is_number(text: str) -> bool:
    """Whether a text is read as a number."""
    return re.fullmatch(_NUMBER.strip("^$"), text) is not None


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def json_object(pairs: list[tuple[str, str]]) -> str:
    """jsonb of an object, from names and expressions."""
    texts = [f"{literal(name)}, {value}" for name, value in pairs]
    chunks = [texts[start : start + _PAIRS_A_CALL] for start in range(0, len(texts), _PAIRS_A_CALL)] or [[]]
    return " || ".join(f"jsonb_build_object({', '.join(chunk)})" for chunk in chunks)


def field(column: Column, reference: str, field_type: FieldType, misfit: str) -> Rendered:
    """The document value of a column (`reference` is its SQL name) under a field type.

    `misfit` is the jsonb expression that stands for a value not of the type; texts of JSON are read by the caller.
    """
    leaf = _leaf(column.category, field_type)
    if field_type is FieldType.DELIVERED:
        return Rendered(delivered(column, reference), leaf)
    if field_type is FieldType.TEXT or leaf is Leaf.JSON_TEXT:
        return Rendered(f"to_jsonb({text(column, reference)})", leaf)
    if field_type is FieldType.JSON:  # numbers and booleans are JSON values as they are
        return Rendered(delivered(column, reference), leaf)
    value = _typed(column, reference, field_type)
    # a CASE without ELSE gives NULL where the value does not fit: tell it from a NULL column
    shown = text(column, reference)
    return Rendered(f"CASE WHEN {shown} IS NOT NULL THEN coalesce({value}, {misfit}) END", leaf)


def _leaf(category: Category, field_type: FieldType) -> Leaf | None:
    if field_type is FieldType.JSON and category not in NUMBERS and category is not Category.BOOLEAN:
        return Leaf.JSON_TEXT
    if category in FLOATS:
        return Leaf.FLOAT4 if category is Category.FLOAT4 else Leaf.FLOAT8
    return None


def delivered(column: Column, reference: str) -> str:
    """jsonb as change records have it: numbers, booleans and text; NaN and infinities are no JSON number, so NULL."""
    if column.category in NUMBERS:
        return f"to_jsonb({number(column, reference)})"
    if column.category is Category.BOOLEAN:
        return f"to_jsonb({reference})"
    return f"to_jsonb({text(column, reference)})"


def number(column: Column, reference: str) -> str:
    """A finite number or NULL."""
    if column.category is Category.INTEGER:
        return reference
    return f"CASE WHEN {reference}::text NOT IN {_NOT_FINITE} THEN {reference} END"


def text(column: Column, reference: str) -> str:
    """The delivered value as text, numbers in plain digits: also what keys and filters compare."""
    match column.category:
        case Category.NUMERIC:
            return f"trim_scale({number(column, reference)})::text"
        case Category.FLOAT4:  # nine digits, as change records have them
            return f"trim_scale(to_char(({number(column, reference)})::float8, '9.99999999EEEE')::numeric)::text"
        case Category.FLOAT8:
            return f"trim_scale(({number(column, reference)})::text::numeric)::text"
        case Category.DATE:
            return (
                f"CASE {reference} WHEN 'infinity' THEN '9999-12-31' WHEN '-infinity' THEN '4713-01-01 BC'"
                f" ELSE {reference}::text END"
            )
        case Category.TIMESTAMP:
            return _moment(reference)
        case Category.TIMESTAMPTZ:
            return _moment(_in_utc(reference))
        case Category.BYTEA:
            return f"'0x' || encode({reference}, 'hex')"
        case Category.BARE_BYTEA:
            return f"encode({reference}, 'hex')"
        case _:
            return f"{reference}::text"


def _in_utc(reference: str) -> str:
    return f"({reference} AT TIME ZONE 'UTC')"


def _moment(timestamp: str) -> str:
    """Six digits of a fraction or none, and a `Z` in any case."""
    return (
        f"CASE {timestamp} WHEN 'infinity' THEN '9999-12-31T23:59:59Z'"
        f" WHEN '-infinity' THEN '4713-01-01T00:00:00Z BC'"
        f" ELSE to_char({timestamp}, 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        f" || CASE to_char({timestamp}, 'US') WHEN '000000' THEN '' ELSE to_char({timestamp}, '.US') END"
        f" || CASE WHEN {timestamp} < '0001-01-01' THEN 'Z BC' ELSE 'Z' END END"
    )


def sort_keys(column: Column, reference: str) -> str:
    """How a `many` is ordered: numbers and points in time by value, all other types as text by code point."""
    category = column.category
    if category in NUMBERS:
        key = number(column, reference)
    elif category in (Category.BOOLEAN, Category.DATE, Category.TIMESTAMP, Category.TIMESTAMPTZ):
        key = reference
    else:
        key = f'({text(column, reference)}) COLLATE "C"'
    return f"{key} NULLS LAST"


def equal(mine: Column, my_reference: str, other: Column, other_reference: str) -> str:
    """A join condition; columns of unlike types meet by their text, as keys do."""
    whole = {Category.INTEGER, Category.NUMERIC}
    alike = {mine.category, other.category} <= whole or (
        mine.type_name == other.type_name or (mine.category is other.category is Category.TEXT)
    )
    if alike and mine.category is not Category.JSON:
        return f"{my_reference} = {other_reference}"
    return f"({text(mine, my_reference)}) = ({text(other, other_reference)})"


def equal_to(column: Column, reference: str, key_part: str) -> str:
    """Whether a column has a value, given as key text: by the source's own index where that text is one of its type."""
    if column.category is Category.INTEGER and re.fullmatch(r"-?[0-9]{1,18}", key_part):
        return f"{reference} = {literal(key_part)}::int8"
    if column.category is Category.NUMERIC and re.fullmatch(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", key_part):
        return f"{reference} = {literal(key_part)}::numeric"
    part = literal(key_part.replace("\0", ""))  # no text of PostgreSQL has it
    if column.category is Category.TEXT:
        return f"{reference} = {part}"
    return f'({text(column, reference)}) COLLATE "C" = {part}'


def _typed(column: Column, reference: str, field_type: FieldType) -> str:
    """jsonb under a type; NULL where the value does not fit."""
    match field_type:
        case FieldType.INTEGER if column.category is Category.INTEGER:
            return f"to_jsonb({reference})"  # trunc() of a bigint would go through a double
        case FieldType.INTEGER:
            value = _as_number(column, reference)
            return f"CASE WHEN {value} = trunc({value}) THEN to_jsonb(trunc({value})) END"
        case FieldType.DECIMAL:
            return f"to_jsonb({_as_number(column, reference)})"
        case FieldType.BOOLEAN:
            return (
                f"CASE lower({text(column, reference)}) WHEN 'true' THEN to_jsonb(true) WHEN 't' THEN to_jsonb(true)"
                " WHEN '1' THEN to_jsonb(true) WHEN 'false' THEN to_jsonb(false) WHEN 'f' THEN to_jsonb(false)"
                " WHEN '0' THEN to_jsonb(false) END"
            )
        case FieldType.DATE:
            shown = text(column, reference)
            return f"CASE WHEN ({shown}) ~ {literal(_DATE)} THEN to_jsonb(left(({shown}), 10)) END"
        case FieldType.TIMESTAMP:
            return f"to_jsonb({_as_timestamp(column, reference)})"
        case FieldType.BINARY:
            return f"to_jsonb({_as_base64(column, reference)})"
        case _:
            return f"to_jsonb({_as_timestamptz(column, reference)} || 'Z')"


def _as_base64(column: Column, reference: str) -> str:
    """The bytes that a text of hex digits stands for; numbers and booleans are no such text."""
    if column.category in NUMBERS or column.category is Category.BOOLEAN:
        return "NULL::text"
    shown = f"({text(column, reference)})"
    hexed = f"CASE WHEN {shown} ~ {literal(_HEX)} THEN regexp_replace({shown}, '^0x', '') END"
    return f"translate(encode(decode({hexed}, 'hex'), 'base64'), chr(10), '')"


def _as_number(column: Column, reference: str) -> str:
    if column.category in NUMBERS:
        return f"({number(column, reference)})"
    shown = f"({text(column, reference)})"
    return f"CASE WHEN length({shown}) < 1000 AND {shown} ~ {literal(_NUMBER)} THEN btrim({shown})::numeric END"


def _as_timestamp(column: Column, reference: str) -> str:
    """Text of a naive point in time; NULL where it is none that four digits of a year can show."""
    if column.category in (Category.TIMESTAMP, Category.TIMESTAMPTZ):
        moment = reference if column.category is Category.TIMESTAMP else _in_utc(reference)
        return (
            f"CASE WHEN {moment} = 'infinity' THEN '9999-12-31T23:59:59'"
            f" WHEN {_SHOWABLE.format(moment)} THEN to_jsonb({moment}) #>> '{{}}' END"
        )
    shown = f"({text(column, reference)})"
    trimmed = f"regexp_replace({shown}, '(\\.[0-9]*[1-9])0*Z?$|(\\.0+)?Z?$', '\\1')"
    return (
        f"CASE WHEN {shown} ~ {literal(_MOMENT)} THEN overlay({trimmed} placing 'T' from 11 for 1)"
        f" WHEN {shown} ~ {literal(_BARE_DAY)} THEN {shown} || 'T00:00:00' END"
    )


def _as_timestamptz(column: Column, reference: str) -> str:
    """Text of a point in time in UTC, without its `Z`; a text may have an offset of its own."""
    naive = _as_timestamp(column, reference)
    if column.category in (Category.TIMESTAMP, Category.TIMESTAMPTZ):
        return f"({naive})"
    shown = f"({text(column, reference)})"
    day = f"(concat(left({shown}, 8), '01')::date + (substr({shown}, 9, 2)::int - 1))"
    offset = f"substring({shown} from '[+-][0-9]{{2}}:?[0-9]{{0,2}}$')"
    minutes = (
        f"(concat(left({offset}, 1), '1')::int"
        f" * (substr({offset}, 2, 2)::int * 60 + concat('0', substr(replace({offset}, ':', ''), 4))::int))"
    )
    moment = f"({day} + substr({shown}, 12, 8)::time - make_interval(mins => {minutes}))"
    fraction = f"rtrim(rtrim(coalesce(substring({shown} from '\\.[0-9]+'), ''), '0'), '.')"
    return (
        f"CASE WHEN {shown} !~ {literal(_OFFSET)} THEN {naive}"
        f" WHEN to_char({day}, 'MM') = substr({shown}, 6, 2) AND {_SHOWABLE.format(moment)}"
        f" THEN to_char({moment}, 'YYYY-MM-DD\"T\"HH24:MI:SS') || {fraction} END"
    )
