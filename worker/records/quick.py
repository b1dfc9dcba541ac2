"""Ordinary change records read fast. `worker.records.envelope.decode` is the definition, and reads all others. Pure.

Ordinary: a data record with the members that DMS writes; its columns strings, numbers, booleans and NULL. msgspec is as
strict as the standard decoder and hands over a fraction as text; what it takes otherwise (whole numbers of many digits,
whatever a second member of the same name hides) is left to the definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded, Subnormal, Underflow
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec

from worker.records.envelope import (
    INTERNAL_TABLE_PREFIX,
    MAX_MICROS,
    MAX_RECORD_NUMBER,
    BeforeColumns,
    ChangeEvent,
    Operation,
    seconds,
    split_columns,
)
from worker.records.limits import NARROW_BYTES, is_wide

# each a little less than what the definition takes (MAX_NUMBER_EXPONENT), also of a zero with an exponent
_EXACTLY: Final = Context(
    prec=450, Emin=-450, Emax=450, traps=[Clamped, Inexact, InvalidOperation, Overflow, Rounded, Subnormal, Underflow]
)
"""Makes the Decimal that `Decimal` makes of a text, or raises ArithmeticError."""

_SHORT: Final = 1_000
"""A payload without so many bytes has neither a number nor a depth that the definition refuses."""
_LONG_NUMBER: Final = re.compile(rb"[0-9]{900}")
_STRIDE: Final = 450
_TWO_DIGITS: Final = re.compile(rb"[0-9]{2}")
"""Wherever a long number stands, two neighbours of every 450th byte are in it; looking at all bytes takes longer."""
_MOST_OPENED: Final = 400

_BODY_PER_BYTE: Final = 2
"""Canonical JSON is no longer than the record, but for numbers with an exponent: `1e-6` is `0.000001`."""

_SCALARS: Final = frozenset({str, bool, Decimal, type(None)})
_LEAST_INTEGER: Final = -(10**17)
_GREATEST_INTEGER: Final = 10**18
"""Between them (exclusive) a whole number is an int, beyond it is a Decimal."""

_SECOND: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.")

_Id = int | str | None
_Number = Annotated[int, msgspec.Meta(ge=0, lt=MAX_RECORD_NUMBER)]


class _Metadata(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="kebab"):
    """What DMS writes there; a record with anything else is not ordinary."""

    schema_name: str
    table_name: str
    record_type: Literal["data"]
    operation: Operation
    timestamp: str | None = None
    stream_position: str | None = None
    commit_timestamp: str | None = None
    transaction_id: _Id = None
    transaction_record_id: _Number | None = None
    partition_key_type: str | None = None
    partition_key_value: str | None = None
    prev_transaction_id: _Id = None
    prev_transaction_record_id: _Id = None
    nearview_protected: bool | None = None


class QuickReader:
    """Reads the records of one source; the settings are those of `decode`."""

    def __init__(self, before_image_field: str, before_columns: BeforeColumns) -> None:
        self._columns = before_columns if before_columns.prefix or before_columns.suffix else None
        self._decode = _envelope_decoder(before_image_field)
        self._committed: tuple[str | None, int | None] = (None, None)

    def read(self, data: bytes) -> ChangeEvent | None:
        """The event that `decode` makes of a payload; None of whatever is not ordinary, also of what is wrong."""
        if len(data) >= _SHORT and _is_suspect(data):
            return None
        try:
            document = self._decode(data)
            metadata: _Metadata = document.metadata
            built = metadata.timestamp
            built_micros = 0 if built is None else _micros(built)
            committed, commit_micros = self._committed
            if metadata.commit_timestamp != committed:  # else the neighbour is of the same transaction
                committed = metadata.commit_timestamp
                commit_micros = None if committed is None else _micros(committed)
                self._committed = committed, commit_micros
        except (ValueError, ArithmeticError, RecursionError):  # what msgspec raises is a ValueError
            return None
        row: dict[str, Any] = document.data
        before: dict[str, Any] | None = document.before
        table = _table(metadata.schema_name, metadata.table_name)
        if table is None or not _is_plain(row) or (before and not _is_plain(before)):
            return None
        if self._columns is not None:
            row, before = split_columns(row, before, self._columns)
        transaction = metadata.transaction_id
        return ChangeEvent(
            table,
            metadata.operation,
            row,
            before,
            metadata.stream_position,
            metadata.transaction_record_id,
            commit_micros,
            built_micros,
            None if transaction is None else str(transaction),
            metadata.nearview_protected is True,
            _BODY_PER_BYTE * len(data),
        )


@lru_cache(maxsize=1024)
def _table(schema: str, name: str) -> str | None:
    """As `decode` names it; None for DMS's own."""
    if name.startswith(INTERNAL_TABLE_PREFIX):
        return None
    return f"{schema}.{name}" if schema else name


def _envelope_decoder(before_image_field: str) -> Callable[[bytes], Any]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("data", dict[str, Any]),
        ("metadata", _Metadata),
        ("before", dict[str, Any], None),  # a default is not checked: None is what is not there, not what is null
    ]
    try:
        envelope = msgspec.defstruct(
            "Envelope", fields, rename={"before": before_image_field}, forbid_unknown_fields=True, gc=False
        )
    except ValueError:  # two members of one name, or a name that JSON escapes: the definition takes any
        return _decode_nothing
    return msgspec.json.Decoder(envelope, float_hook=_EXACTLY.create_decimal).decode


def _decode_nothing(_: bytes) -> Any:
    raise ValueError


def _is_suspect(data: bytes) -> bool:
    return (
        data.count(b"[") + data.count(b"{") > _MOST_OPENED
        or (_TWO_DIGITS.search(data[::_STRIDE]) is not None and _LONG_NUMBER.search(data) is not None)
        or (len(data) > NARROW_BYTES and is_wide(data))
    )


def _is_plain(row: dict[str, Any]) -> bool:
    """Whether all values are scalars; numbers become what the definition makes of them."""
    return _SCALARS.issuperset(map(type, row.values())) or _is_plain_with_numbers(row)


def _is_plain_with_numbers(row: dict[str, Any]) -> bool:
    for value in row.values():
        kind = type(value)
        if kind is int:
            if not _LEAST_INTEGER < value < _GREATEST_INTEGER:
                return _widen(row)
        elif kind not in _SCALARS:
            return False
    return True


def _widen(row: dict[str, Any]) -> bool:
    for name, value in row.items():
        if type(value) is int and not _LEAST_INTEGER < value < _GREATEST_INTEGER:
            row[name] = Decimal(value)
    return _is_plain(row)


def _micros(text: str) -> int:
    """Of the form that DMS writes. Raises ValueError for any other."""
    fraction = text[20:26]
    if text[26:] != "Z" or not fraction.isdigit():
        raise ValueError
    return _second(text[:20]) + int(fraction)


@lru_cache(maxsize=256)
def _second(text: str) -> int:
    """Microseconds of a whole second, the point behind it included. Raises ValueError."""
    if _SECOND.fullmatch(text) is None:
        raise ValueError
    micros = seconds(text[:-1]) * 1_000_000
    if not 0 <= micros < MAX_MICROS - 1_000_000:
        raise ValueError
    return micros
