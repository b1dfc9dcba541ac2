"""Turns PostgreSQL's text of a value into the JSON text that DMS writes for it."""

import struct
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from json.encoder import encode_basestring

from local.dms.settings import Settings
from local.dms.tables import (
    BOOL,
    BPCHAR,
    BYTEA,
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    NUMERIC,
    OID,
    TIMESTAMP,
    TIMESTAMPTZ,
    Column,
)

Convert = Callable[[str], str]
quote: Convert = encode_basestring

_DOUBLE_INTEGER_DIGITS = 16  # longer integers leave DMS in scientific notation
_LARGE_INTEGER_DIGITS = 18  # what UseLargeIntegerValue keeps exactly
_NUMERIC_DIGITS = 38  # a NUMERIC declared longer is sent as a string
_SIX_DECIMALS = Decimal("0.000001")
_NOT_A_NUMBER = frozenset(("NaN", "Infinity", "-Infinity"))
_LOB_CHARACTERS_PER_KB = 512  # DMS counts two bytes for each character of a text LOB


def converter(column: Column, settings: Settings) -> Convert:
    """The function that turns the source's text of this column (never NULL) into JSON text."""
    convert = _by_type(column, settings)
    if not column.is_lob:
        return convert
    if column.type_oid == BYTEA:
        return _limited(convert, 2 + 2 * 1024 * settings.lob_max_kb)  # \x and two hex digits a byte
    return _limited(convert, _LOB_CHARACTERS_PER_KB * settings.lob_max_kb)


def _by_type(column: Column, settings: Settings) -> Convert:
    kind = column.type_oid
    if kind in (INT2, INT4, OID):
        return str
    if kind == INT8:
        return _integer(settings)
    if kind == NUMERIC:
        return _numeric(column, settings)
    if kind == BOOL and settings.boolean_as_number:
        return _boolean_number
    if kind == BOOL:
        return _boolean if settings.map_boolean_as_boolean else _boolean_text
    if kind == BPCHAR and settings.trim_space_in_char:
        return _trimmed
    if kind == BYTEA:
        return _hex_plain if settings.no_hex_prefix else _hex
    if kind in (TIMESTAMP, TIMESTAMPTZ) and settings.timestamp_digits != "source":
        return _fixed_fraction(int(settings.timestamp_digits))
    return _BY_OID.get(kind, quote)


def _limited(convert: Convert, characters: int) -> Convert:
    return lambda text: convert(text if len(text) <= characters else text[:characters])


def _integer(settings: Settings) -> Convert:
    exact = _LARGE_INTEGER_DIGITS if settings.use_large_integer_value else _DOUBLE_INTEGER_DIGITS
    if settings.use_large_integer_value and settings.lossless_numerics:
        return str
    return lambda text: text if len(text.lstrip("-")) < exact else _long_integer(text, exact)


def _long_integer(text: str, exact: int) -> str:
    if len(text.lstrip("-")) > exact:
        return f"{float(text):.16e}"
    return text if exact == _LARGE_INTEGER_DIGITS else f"{float(text):.0f}"


def _numeric(column: Column, settings: Settings) -> Convert:
    precision = column.numeric_precision
    if precision is not None and precision > _NUMERIC_DIGITS:
        return quote
    if settings.lossless_numerics:
        return _numeric_exact
    return _numeric_by_double if precision is not None else _numeric_truncated


def _numeric_exact(text: str) -> str:
    if text in _NOT_A_NUMBER:
        return "null"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _numeric_by_double(text: str) -> str:
    return _double(text)


def _numeric_truncated(text: str) -> str:
    if text in _NOT_A_NUMBER:
        return "null"
    return _double(str(Decimal(text).quantize(_SIX_DECIMALS, ROUND_DOWN)))


def _double(text: str) -> str:
    if text in _NOT_A_NUMBER:
        return "null"
    number = float(text)
    short = f"{number:.15g}"
    return short if float(short) == number else f"{number:.17g}"


def _float(text: str) -> str:
    if text in _NOT_A_NUMBER:
        return "null"
    return f"{struct.unpack('f', struct.pack('f', float(text)))[0]:.9g}"


def _boolean(text: str) -> str:
    return "true" if text == "t" else "false"


def _boolean_text(text: str) -> str:
    return '"true"' if text == "t" else '"false"'


def _boolean_number(text: str) -> str:
    return "1" if text == "t" else "0"


def _trimmed(text: str) -> str:
    return quote(text.rstrip(" "))


def _hex(text: str) -> str:
    return f'"0x{text[2:]}"'


def _hex_plain(text: str) -> str:
    return f'"{text[2:]}"'


def _date(text: str) -> str:
    if text.endswith("infinity"):
        return '"4713-01-01 BC"' if text[0] == "-" else '"9999-12-31"'
    return f'"{text}"'


def _timestamp(text: str) -> str:
    if text.endswith("infinity"):
        return '"4713-01-01T00:00:00Z BC"' if text[0] == "-" else '"9999-12-31T23:59:59Z"'
    date, _, clock = text.partition(" ")
    clock, _, era = clock.partition(" ")
    clock, _, _utc = clock.partition("+")
    seconds, point, fraction = clock.partition(".")
    suffix = f" {era}" if era else ""
    return f'"{date}T{seconds}{point}{fraction:0<6}Z{suffix}"' if point else f'"{date}T{seconds}Z{suffix}"'


def _fixed_fraction(digits: int) -> Convert:
    def convert(text: str) -> str:
        seconds, _, rest = _timestamp(text).partition("Z")
        seconds, _, fraction = seconds.partition(".")
        point = "." if digits else ""
        return f"{seconds}{point}{fraction[:digits]:0<{digits}}Z{rest}"

    return convert


_BY_OID: dict[int, Convert] = {
    FLOAT4: _float,
    FLOAT8: _double,
    DATE: _date,
    TIMESTAMP: _timestamp,
    TIMESTAMPTZ: _timestamp,
}
