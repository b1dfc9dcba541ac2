"""Column values, as delivered, to document values of a declared type."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from contract.keys import scalar_text
from contract.mapping import FieldType

_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):?(\d\d)?)?)?", re.ASCII
)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00:00(?:\.0+)?Z?)?", re.ASCII)
# as SQL writes numbers: Python's own reader takes `1_000` and the digits of every script, too
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)
_HEX: Final = re.compile(r"(?:0[xX])?((?:[0-9a-fA-F]{2})*)", re.ASCII)
MAX_NUMBER_CHARACTERS: Final = 1000
"""DynamoDB holds 38 digits; numbers are bounded here, so that nothing behind ever writes out an enormous one."""

_BOOLEANS: Final[dict[str, bool]] = {
    "true": True,
    "t": True,
    "1": True,
    "false": False,
    "f": False,
    "0": False,
}


class DoesNotFit(ValueError):
    """A value is not of its field's type. The text never holds the value."""


def convert(value: Any, field_type: FieldType) -> Any:
    """The document value; NULL stays None whatever the type. Raises DoesNotFit."""
    return None if value is None else _CONVERSIONS[field_type](value)


def conversion(field_type: FieldType) -> Callable[[Any], Any]:
    """How a delivered value becomes a document's; NULL stays None. The function raises DoesNotFit."""
    converted, kinds = _CONVERSIONS[field_type], _AS_THEY_ARE.get(field_type, frozenset())
    return lambda value: value if value is None or type(value) in kinds else converted(value)


def _delivered(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise DoesNotFit("an object or a list is no text")
    return scalar_text(value)


def _decimal(value: Any) -> int | Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) >= MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(value):
        raise DoesNotFit("not a number")
    return Decimal(value)


def _integer(value: Any) -> int:
    number = _decimal(value)
    if isinstance(number, Decimal) and (number.adjusted() > 40 or number != number.to_integral_value()):
        raise DoesNotFit("not a whole number")
    return int(number)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(scalar_text(value).lower()) if isinstance(value, (str, int, Decimal)) else None
    if known is None:
        raise DoesNotFit("neither true nor false")
    return known


def _date(value: Any) -> str:
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise DoesNotFit("not a date")
    return match.group(1)


def _timestamp(value: Any) -> str:
    """Without a zone: DMS puts a `Z` behind naive times, too, so it says nothing."""
    match = _match_timestamp(value)
    if match.group(5):
        raise DoesNotFit("a timestamp with an offset; declare it as timestamptz")
    return f"{_moment(match)}{_fraction(match)}"


def _timestamptz(value: Any) -> str:
    match = _match_timestamp(value)
    moment = _moment(match)
    if match.group(5):
        offset = timedelta(hours=int(match.group(6)), minutes=int(match.group(7) or 0))
        try:
            local = datetime.fromisoformat(moment).replace(tzinfo=UTC)
            local = local - offset if match.group(5) == "+" else local + offset
        except (ValueError, OverflowError):
            raise DoesNotFit("not a point in time") from None
        moment = local.replace(tzinfo=None).isoformat()  # strftime would write the year 999 with three digits
    return f"{moment}{_fraction(match)}Z"


def _match_timestamp(value: Any) -> re.Match[str]:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise DoesNotFit("not a timestamp")
    return match


def _moment(match: re.Match[str]) -> str:
    return f"{match.group(1)}T{match.group(2) or '00:00:00'}"  # a date is its midnight


def _fraction(match: re.Match[str]) -> str:
    digits = (match.group(3) or "").rstrip("0")
    return f".{digits}" if digits else ""


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=_json_number, parse_constant=_no_constant)
    except DoesNotFit:
        raise
    except (ValueError, RecursionError):
        raise DoesNotFit("not JSON (was it cut at LobMaxSize?)") from None


def _json_number(text: str) -> Decimal:
    if len(text) >= MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        raise DoesNotFit("a number in the JSON is out of range")
    return Decimal(text)


def _no_constant(_: str) -> Any:
    raise ValueError


def _binary(value: Any) -> str:
    """DMS renders binary as hex, with `0x` unless NoHexPrefix; documents have it as base64 with padding (RFC 4648)."""
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise DoesNotFit("not binary as hex text")
    return base64.b64encode(bytes.fromhex(match.group(1))).decode()


_CONVERSIONS: Final[dict[FieldType, Callable[[Any], Any]]] = {
    FieldType.DELIVERED: _delivered,
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIMESTAMP: _timestamp,
    FieldType.TIMESTAMPTZ: _timestamptz,
    FieldType.JSON: _json,
    FieldType.BINARY: _binary,
}

# what these leave as it is anyway
_AS_THEY_ARE: Final[dict[FieldType, frozenset[type]]] = {
    FieldType.TEXT: frozenset({str}),
    FieldType.INTEGER: frozenset({int}),
    FieldType.DECIMAL: frozenset({int, Decimal}),
    FieldType.BOOLEAN: frozenset({bool}),
}
