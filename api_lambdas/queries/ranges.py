"""Bounds on the first sort attribute of an index, as bounds on the text it is sorted by. Pure.

A sort key is `contract.keys.index_sort`: the text of each value, \\x01 between them, then \\x00 and the document's key.
So all keys of one value lie between its text and its text with \\x02 behind it, and no key is equal to either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from api_lambdas.queries.catalog import NUMBERS, Index
from api_lambdas.shared.http import Kind, Problem
from contract.keys import MAX_SORT_VALUE_BYTES, Scalar, sortable_text

LOWER: Final = ("from", "after")
UPPER: Final = ("to", "before")
BOUNDS: Final = (*LOWER, *UPPER)
_BEHIND_ALL: Final = "\x02"
_LAST: Final = "\U0010ffff"
_NUMBER: Final = re.compile(r"-?\d{1,60}(\.\d{1,60})?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
WANTED: Final = {
    "integer": "a number",
    "decimal": "a number",
    "boolean": "true or false",
    "date": "a date like 2026-03-01",
    "timestamp": "a time like 2026-03-01T08:00:00 without a zone",
    "timestamptz": "a time like 2026-03-01T08:00:00Z or one with an offset like +02:00",
}


@dataclass(frozen=True, slots=True)
class Between:
    """Sort keys from `low` to `high`; none can be equal to either."""

    low: str
    high: str


def between(index: Index, parameters: Mapping[str, str]) -> Between | None:
    """The bounds that a list's parameters name; None without any. Raises Problem."""
    lower, upper = _one_of(LOWER, parameters), _one_of(UPPER, parameters)
    if lower is None and upper is None:
        return None
    if not index.sort:
        raise Problem(Kind.INVALID_REQUEST, f"{lower or upper}: index {index.name} has no sort attribute")
    if not index.range_type:
        detail = f"{lower or upper}: the mapping declares no type for {index.sort[0]}, so it cannot be compared"
        raise Problem(Kind.INVALID_REQUEST, detail)
    low = "" if lower is None else _text(index, lower, parameters[lower])
    high = _LAST if upper is None else _text(index, upper, parameters[upper])
    return Between(
        low + _BEHIND_ALL if lower == "after" else low or "\x00",  # a key value is never empty
        high + _BEHIND_ALL if upper == "to" else high,
    )


def _one_of(names: tuple[str, str], parameters: Mapping[str, str]) -> str | None:
    found = [name for name in names if name in parameters]
    if len(found) > 1:
        raise Problem(Kind.INVALID_REQUEST, f"use {names[0]} or {names[1]}, not both")
    return found[0] if found else None


def _text(index: Index, name: str, text: str) -> str:
    value = _value(index.range_type, text)
    if value is None:
        raise Problem(Kind.INVALID_REQUEST, f"{name} must be {WANTED[index.range_type]}")
    return sortable_text(value, MAX_SORT_VALUE_BYTES // len(index.sort))


def _value(kind: str, text: str) -> Scalar | None:
    """The value as a document would have it; None if the text is none of its type."""
    if kind in NUMBERS:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text)
    if kind == "date":
        return text if _DATE.fullmatch(text) else None
    if kind in ("timestamp", "timestamptz"):
        return _time(text, zoned=kind == "timestamptz")
    return text


def _time(text: str, *, zoned: bool) -> str | None:
    """Without a `Z`, which sort keys do not have, and without zeros at the end of a second's fraction."""
    match = _TIME.fullmatch(text)
    if match is None or (match[3] is not None) != zoned:
        return None
    moment = match[1]
    if zoned and match[3] != "Z":
        try:
            moment = datetime.fromisoformat(moment + match[3]).astimezone(UTC).replace(tzinfo=None).isoformat()
        except (ValueError, OverflowError):
            return None
    fraction = (match[2] or "").rstrip("0")
    return f"{moment}.{fraction}" if fraction else moment
