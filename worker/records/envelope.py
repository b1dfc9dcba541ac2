"""Bytes of a DMS record to a change event: JSON, metadata, operation. Knows nothing of mappings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from worker.records.errors import PoisonRecord, Reason
from worker.records.limits import MAX_DEPTH, check
from worker.value import Value

MAX_NUMBER_EXPONENT: Final = 1000
"""Beyond it a number's plain text would not fit in memory; no database sends such a one."""

MAX_NUMBER_CHARACTERS: Final = 20_000
"""PostgreSQL's longest fraction has 16,383 digits."""

MAX_RECORD_NUMBER: Final = 1 << 55
"""A version has 14 hexadecimal digits for it."""

MAX_MICROS: Final = 1 << 56
"""The version of a loaded row has 14 hexadecimal digits for its time, and no sign: until the year 4253."""

PROTECTED_MARK: Final = "nearview-protected"
"""In the metadata of a parked record: what is sensitive in it is tokens already."""

INTERNAL_TABLE_PREFIX: Final = "awsdms_"
_DOCUMENT: Final = "_doc"
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class Operation(StrEnum):
    """What happened to a row."""

    LOAD = "load"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


_OPERATIONS: Final = {operation.value: operation for operation in Operation}


class ChangeEvent(Value, frozen=True):
    """One row change as DMS wrote it. Times are epoch microseconds; `before` is None when the record has none.

    `transaction`: the source's id of it, as text. `protected`: sensitive columns are tokens already. `plain_bytes`: if
    not 0, the columns are scalars, their text is Unicode, and as canonical JSON they take no more bytes than that.
    """

    table: str
    operation: Operation
    data: dict[str, Any]
    before: dict[str, Any] | None
    stream_position: str | None
    record_number: int | None
    commit_micros: int | None
    built_micros: int
    transaction: str | None = None
    protected: bool = False
    plain_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """DDL or a table's load starting. Never destructive: a drop-table mostly means that a load starts again.

    What stands in its body is not read: of changed tables its form is not known.
    """

    table: str
    operation: str
    built_micros: int = 0


@dataclass(frozen=True, slots=True)
class InternalEvent:
    """A row of DMS's own awsdms_* tables."""

    table: str


@dataclass(frozen=True, slots=True)
class BeforeColumns:
    """How a transformation rule `add-before-image-columns` names a column's old value inside `data`."""

    prefix: str = ""
    suffix: str = ""

    def original(self, name: str) -> str | None:
        """The column whose old value this is, None if it is a column of its own."""
        if len(name) <= len(self.prefix) + len(self.suffix) or not (self.prefix or self.suffix):
            return None
        if not name.startswith(self.prefix) or not name.endswith(self.suffix):
            return None
        return name[len(self.prefix) : len(name) - len(self.suffix)]


NO_BEFORE_COLUMNS: Final = BeforeColumns()


def decode(
    data: bytes, before_image_field: str, before_columns: BeforeColumns = NO_BEFORE_COLUMNS
) -> ChangeEvent | ControlEvent | InternalEvent:
    """The event in a record's payload. Raises PoisonRecord for whatever is not a DMS record, never anything else."""
    document = parse(data)
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "no metadata object: is this stream written by DMS?")
    schema, name = metadata.get("schema-name"), metadata.get("table-name")
    if not isinstance(schema, str) or not isinstance(name, str):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "metadata has no schema-name or no table-name")
    table = f"{schema}.{name}" if schema else name
    if name.startswith(INTERNAL_TABLE_PREFIX):
        return InternalEvent(table)
    kind, operation = metadata.get("record-type"), metadata.get("operation")
    if kind == "control":
        return ControlEvent(table, str(operation), _control_micros(metadata))
    if kind != "data":
        raise PoisonRecord(Reason.BAD_ENVELOPE, "record-type is neither data nor control", table)
    if not isinstance(operation, str) or operation not in _OPERATIONS:
        raise PoisonRecord(Reason.UNKNOWN_OPERATION, "operation is none of load, insert, update, delete", table)
    row = _row(document, "data", table)
    before = _row(document, before_image_field, table) if before_image_field in document else None
    if before_columns.prefix or before_columns.suffix:
        row, before = split_columns(row, before, before_columns)
    return ChangeEvent(
        table=table,
        operation=_OPERATIONS[operation],
        data=row,
        before=before,
        stream_position=_typed(metadata, "stream-position", str, table),
        record_number=_record_number(metadata, table),
        commit_micros=_micros(metadata, "commit-timestamp", table),
        built_micros=_micros(metadata, "timestamp", table) or 0,
        transaction=_transaction(metadata),
        protected=metadata.get(PROTECTED_MARK) is True,
    )


def _row(document: dict[str, Any], name: str, table: str) -> dict[str, Any]:
    """The columns of an image; map-record-to-document puts them into a document below it."""
    row = _object(document, name, table)
    inner = row.get(_DOCUMENT)
    if not isinstance(inner, dict):  # a column's own JSON value comes as text
        return row
    return {**{column: value for column, value in row.items() if column != _DOCUMENT}, **inner}


def split_columns(
    row: dict[str, Any], before: dict[str, Any] | None, columns: BeforeColumns
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Old values that stand beside the new ones become the before image; they are no columns of the table."""
    now: dict[str, Any] = {}
    old: dict[str, Any] = {}
    for name, value in row.items():
        original = columns.original(name)
        if original is None:
            now[name] = value
        else:
            old[original] = value
    return now, {**old, **(before or {})} if old or before is not None else None


def _transaction(metadata: dict[str, Any]) -> str | None:
    value = metadata.get("transaction-id")
    return str(value) if isinstance(value, (int, str, Decimal)) else None


def _control_micros(metadata: dict[str, Any]) -> int:
    """When DMS built a control record; 0 if it does not say: of these nothing may stop anything."""
    try:
        return _micros(metadata, "timestamp", "") or 0
    except PoisonRecord:
        return 0


def parse(data: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The JSON object in a payload, numbers with the digits they came with. Raises PoisonRecord."""
    check(data, max_depth)
    try:
        document = _DECODER.decode(data.decode("utf-8"))
    except _LongNumber:
        raise PoisonRecord(Reason.OVER_LIMIT, _LONG_NUMBER) from None
    except (ValueError, RecursionError, ArithmeticError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise PoisonRecord(Reason.NOT_JSON, "the record is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise PoisonRecord(Reason.BAD_ENVELOPE, "the record is JSON, but not an object")
    return document


_LONG_NUMBER: Final = (
    f"a number has more than {MAX_NUMBER_EXPONENT} digits before its point or takes more than {MAX_NUMBER_CHARACTERS}"
    " characters"
)


class _LongNumber(ValueError):
    """Written out it would take more memory than anybody has meant it to."""


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise _LongNumber
    number = Decimal(text)  # from the raw text: a float would round
    if abs(number.adjusted()) > MAX_NUMBER_EXPONENT:
        raise _LongNumber
    return number


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < 19 else _decimal(text)  # longer ones leave 64 bits


def _refuse_constant(_: str) -> Any:
    raise ValueError  # NaN and Infinity are not JSON


# made once: json.loads would make one for every record
_DECODER: Final = json.JSONDecoder(parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant)


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
        micros = seconds(match.group(1)) * 1_000_000 + int((match.group(2) or "0").ljust(6, "0")[:6])
        if not 0 <= micros < MAX_MICROS:
            raise ValueError
    except ValueError:
        raise PoisonRecord(Reason.BAD_ENVELOPE, f"metadata {name} is not a UTC time", table) from None
    return micros


@lru_cache(maxsize=64)
def seconds(text: str) -> int:
    """Epoch seconds of a UTC time. Raises ValueError. Neighbours in a stream are mostly of the same second."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
