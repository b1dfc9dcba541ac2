"""Change events to row changes: keys, versions, the kept columns. A primary-key update becomes a put and a delete."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson

from contract.keys import key_reader, key_text
from contract.mapping import Table
from worker.records.envelope import ChangeEvent, Operation
from worker.records.errors import PoisonRecord, Reason, TableLacks
from worker.records.positions import POSTGRESQL_ORDER, Order
from worker.records.protect import TOKEN_PREFIX, is_rounded
from worker.value import Value

MAX_ROW_BYTES: Final = 380_000
"""A row image is one DynamoDB item (400 KB) together with its keys and former parents."""

# an enum's members are slow to look up in its class
_DELETE: Final = Operation.DELETE
_UPDATE: Final = Operation.UPDATE

_SHORT_KEY: Final = 100
"""Letters and digits of ASCII up to there are their own key text."""

_PLAIN_KEYS: Final = frozenset({int, str})
"""Of these equal values are the same key: no two ways to write one, nothing rounded."""

Row = dict[str, Any]


RowId = tuple[str, str]
"""Table and key text."""


class RowChange(Value, frozen=True):
    """The state of one row at one version: its kept columns, None where it was deleted.

    `missing`: kept columns that an update record does not carry (unchanged large values). Of a primary-key change, the
    put has `moved_from` and the delete `moved_to`, when columns are missing. `life`: of columns that a row's old key
    hands on, the version of the key change ("" of every other change). `new`: the record says that its key was free
    before; only a hint, for another record may have come first. `held`: no record but what a document held of the row,
    all that was known of it until then.
    """

    table: str
    key: str
    version: str
    row: Row | None
    missing: tuple[str, ...] = ()
    moved_from: str | None = None
    moved_to: str | None = None
    life: str = ""
    new: bool = False
    held: bool = False


class RowReader:
    """Reads the changes of one table out of its events; what it needs of the table is looked up once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._key_text = key_reader(table.key)
        self._only: Any = table.key[0] if len(table.key) == 1 else None  # no column has that name
        self._columns = table.columns
        self._names = frozenset(table.columns)
        self._references = tuple({column: None for reference in table.references for column in reference.columns})

    def changes(self, event: ChangeEvent, version: str) -> tuple[RowChange, ...]:
        """The row changes in an event, put before delete; two of them for a changed primary key.

        Raises PoisonRecord for this record, TableLacks when the table's records lack what every record of it needs.
        """
        table, data, operation = self._table, event.data, event.operation
        key = data.get(self._only)
        if type(key) is not str or len(key) > _SHORT_KEY or not (key.isascii() and key.isalnum() and event.plain_bytes):
            key = self._key(event)
        if operation is _DELETE:
            return (RowChange(table.name, key, version, None),)
        missing: tuple[str, ...] = ()
        if data.keys() == self._names:
            row = data
        else:
            try:
                row = {column: data[column] for column in self._columns}
            except KeyError:
                row, missing = _kept(event, table)
        for column in self._references:
            value = row.get(column)
            if type(value) is not int and value is not None:
                _require_exact(value, column, table)
        if not 0 < event.plain_bytes <= MAX_ROW_BYTES:
            _require_storable(row, table)
        if operation is not _UPDATE:
            return (RowChange(table.name, key, version, row, missing, new=True),)
        old_key = key if self._keeps_key(event) else _old_key(event, table, key)
        if old_key == key:
            return (RowChange(table.name, key, version, row, missing),)
        return (
            RowChange(table.name, key, version, row, missing, moved_from=old_key if missing else None, new=True),
            RowChange(table.name, old_key, version, None, missing, moved_to=key if missing else None),
        )

    def _keeps_key(self, event: ChangeEvent) -> bool:
        """Whether the before image is there and says no other key, as most do; else one has to look closer."""
        before = event.before
        if not before:
            return before is not None
        for column in self._table.key:
            old, now = before.get(column), event.data[column]
            if old is not None and (type(old) not in _PLAIN_KEYS or type(old) is not type(now) or old != now):
                return False
        return True

    def _key(self, event: ChangeEvent) -> str:
        """`row_key`, without a look at each value where all of them are whole numbers or text without a prefix."""
        data = event.data
        if not event.plain_bytes:
            return row_key(data, self._table)
        for column in self._table.key:
            value = data.get(column)
            if type(value) is not int and (type(value) is not str or value.startswith(TOKEN_PREFIX)):
                return row_key(data, self._table)
        return self._key_text(data) or ""


def row_changes(
    event: ChangeEvent, table: Table, incarnation: int, order: Order = POSTGRESQL_ORDER
) -> tuple[RowChange, ...]:
    """What a RowReader reads out of one event. Raises PoisonRecord and TableLacks."""
    return RowReader(table).changes(event, order.version(event, incarnation))


def row_key(columns: dict[str, Any], table: Table) -> str:
    """Key text of a row. Raises PoisonRecord when a key column is absent, null, rounded or no scalar."""
    values = []
    for column in table.key:
        value = columns.get(column)
        if value is None:
            raise PoisonRecord(Reason.MISSING_KEY, f"key column {column} is missing or null", table.name)
        _require_exact(value, column, table)
        values.append(value)
    key = key_text(values)
    if not _is_unicode(key):
        raise PoisonRecord(Reason.BAD_VALUE, "a key column holds text that is not Unicode", table.name)
    return key


def _is_unicode(text: str) -> bool:
    """Whether a store can hold it: JSON can spell a lone surrogate, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parent_key(row: Row, columns: tuple[str, ...]) -> str | None:
    """Key text of the row that these foreign-key columns point at; None when one is NULL (as SQL's MATCH SIMPLE)."""
    return key_reader(columns)(row)


def _kept(event: ChangeEvent, table: Table) -> tuple[Row, tuple[str, ...]]:
    """The kept columns of a record, and those it lacks; only an update may lack any."""
    missing = tuple(column for column in table.columns if column not in event.data)
    if missing and event.operation is not Operation.UPDATE:
        raise TableLacks(
            event.table,
            f"{event.operation} records lack column {', '.join(missing)}: set IncludeNullAndEmpty=true on the DMS"
            " Kinesis endpoint (NULL is left out otherwise), or mend the mapping if there is no such column",
        )
    row = {column: event.data[column] for column in table.columns if column in event.data}
    for reference in table.references:
        for column in reference.columns:
            if row.get(column) is not None:
                _require_exact(row[column], column, table)
    return row, missing


_ENCODER: Final = msgspec.json.Encoder(order="sorted", decimal_format="number")


def row_body(row: Row) -> bytes:
    """Canonical JSON of the kept columns, numbers with the very digits they came with. Raises TypeError, ValueError."""
    try:
        body = _ENCODER.encode(row)
    except (ValueError, TypeError, RecursionError):
        return _defined_body(row)
    return body if body.find(b"{", 1) < 0 and body.find(b"[") < 0 else _defined_body(row)


def _defined_body(row: Row) -> bytes:
    """The same bytes, but for what is nested: how deep it may be, and what is raised."""
    return orjson.dumps(row, default=raw_number, option=orjson.OPT_SORT_KEYS)


def _require_storable(row: Row, table: Table) -> None:
    try:
        body = row_body(row)
    except (TypeError, ValueError):  # a lone surrogate: no UTF-8, so no store can hold it
        raise PoisonRecord(Reason.BAD_VALUE, "a column holds text that is not Unicode", table.name) from None
    if len(body) > MAX_ROW_BYTES:
        raise PoisonRecord(
            Reason.ROW_TOO_LARGE, f"the kept columns take {len(body)} bytes, at most {MAX_ROW_BYTES} fit", table.name
        )


def raw_number(value: Any) -> orjson.Fragment:
    """orjson's form of a Decimal: its own digits."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError


def _old_key(event: ChangeEvent, table: Table, key: str) -> str:
    if event.before is None:
        raise TableLacks(
            event.table,
            "update records have no before image, so a changed primary key would leave the old row behind: set"
            ' BeforeImageSettings {"EnableBeforeImage": true, "FieldName": "before-image", "ColumnFilter": "pk-only"}'
            " in the DMS task, or add-before-image-columns to its table mappings (NEARVIEW_BEFORE_COLUMN_PREFIX)",
        )
    # PostgreSQL sends only changed key columns there, others all of them
    old = _key_part(event.before, table)
    return row_key({**{column: event.data.get(column) for column in table.key}, **old}, table) if old else key


def _key_part(before: Row, table: Table) -> Row:
    return {column: before[column] for column in table.key if before.get(column) is not None}


def _require_exact(value: Any, column: str, table: Table) -> None:
    if isinstance(value, (dict, list)):
        raise PoisonRecord(Reason.BAD_VALUE, f"key column {column} holds an object or a list", table.name)
    if is_rounded(value):
        raise PoisonRecord(
            Reason.ROUNDED_KEY,
            f"key column {column} came in scientific notation, so DMS has rounded it: set UseLargeIntegerValue=true on"
            " the DMS Kinesis endpoint",
            table.name,
        )
