"""Bytes of a DMS record to a change event: JSON, metadata, operation. Knows nothing of mappings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from worker.records.errors import PoisonRecord, Reason

MAX_NUMBER_EXPONENT: Final = 1000
"""Beyond it a number's plain text would not fit in memory; no database sends such a one."""

MAX_RECORD_NUMBER: Final = 1 << 55
"""A version has 14 hexadecimal digits for it."""

_INTERNAL_TABLE_PREFIX: Final = "awsdms_"
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class Operation(StrEnum):
    """What happened to a row."""

    LOAD = "load"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


_OPERATIONS: Final = frozenset(Operation)


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One row change as DMS wrote it. Times are epoch microseconds; `before` is None when the record has none."""

    table: str
    operation: Operation
    data: dict[str, Any]
    before: dict[str, Any] | None
    stream_position: str | None
    record_number: int | None
    commit_micros: int | None
    built_micros: int


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """DDL or a table's load starting. Never destructive: a drop-table mostly means that a load starts again."""

    table: str
    operation: str


@dataclass(frozen=True, slots=True)
class InternalEvent:
    """A row of DMS's own awsdms_* tables."""

    table: str


def decode(data: bytes, before_image_field: str) -> ChangeEvent | ControlEvent | InternalEvent:
    """The event in a record's payload. Raises PoisonRecord for whatever is not a DMS record, never anything else."""
    document = _parse(data)
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "no metadata object: is this stream written by DMS?")
    schema, name = metadata.get("schema-name"), metadata.get("table-name")
    if not isinstance(schema, str) or not isinstance(name, str):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "metadata has no schema-name or no table-name")
    table = f"{schema}.{name}" if schema else name
    if name.startswith(_INTERNAL_TABLE_PREFIX):
        return InternalEvent(table)
    kind, operation = metadata.get("record-type"), metadata.get("operation")
    if kind == "control":
        return ControlEvent(table, str(operation))
    if kind != "data":
        raise PoisonRecord(Reason.BAD_ENVELOPE, "record-type is neither data nor control", table)
    if not isinstance(operation, str) or operation not in _OPERATIONS:
        raise PoisonRecord(Reason.UNKNOWN_OPERATION, "operation is none of load, insert, update, delete", table)
    return ChangeEvent(
        table=table,
        operation=Operation(operation),
        data=_object(document, "data", table),
        before=_object(document, before_image_field, table) if before_image_field in document else None,
        stream_position=_typed(metadata, "stream-position", str, table),
        record_number=_record_number(metadata, table),
        commit_micros=_micros(metadata, "commit-timestamp", table),
        built_micros=_micros(metadata, "timestamp", table) or 0,
    )


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(
            data.decode("utf-8"), parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError, ArithmeticError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise PoisonRecord(Reason.NOT_JSON, "the record is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "the record is JSON, but not an object")
    return document


def _decimal(text: str) -> Decimal:
    number = Decimal(text)  # from the raw text: a float would round
    if abs(number.adjusted()) > MAX_NUMBER_EXPONENT:
        raise ValueError
    return number


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < 19 else _decimal(text)  # longer ones leave 64 bits


def _refuse_constant(_: str) -> Any:
    raise ValueError  # NaN and Infinity are not JSON


def _object(document: dict[str, Any], name: str, table: str) -> dict[str, Any]:
    value = document.get(name)
    if isinstance(value, dict):
        return value
    raise PoisonRecord(Reason.BAD_ENVELOPE, f"{name} is not an object", table)


def _record_number(metadata: dict[str, Any], table: str) -> int | None:
    number: int | None = _typed(metadata, "transaction-record-id", int, table)
    if number is None or 0 <= number < MAX_RECORD_NUMBER:
        return number
    raise PoisonRecord(Reason.BAD_ENVELOPE, "metadata transaction-record-id is out of range", table)


def _typed(metadata: dict[str, Any], name: str, kind: type, table: str) -> Any:
    value = metadata.get(name)
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise PoisonRecord(Reason.BAD_ENVELOPE, f"metadata {name} has the wrong type", table)


def _micros(metadata: dict[str, Any], name: str, table: str) -> int | None:
    text = _typed(metadata, name, str, table)
    if text is None:
        return None
    match = _INSTANT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        seconds = int(datetime.fromisoformat(match.group(1)).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise PoisonRecord(Reason.BAD_ENVELOPE, f"metadata {name} is not a UTC time", table) from None
    return seconds * 1_000_000 + int((match.group(2) or "0").ljust(6, "0")[:6])
