"""Builds DMS data records: rows and changes of one table, as bytes with their Kinesis partition key."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from local.dms.dialects import timestamp
from local.dms.errors import DmsError
from local.dms.layout import layout
from local.dms.pgoutput import UNCHANGED, Value
from local.dms.settings import Settings
from local.dms.tables import Table
from local.dms.transformations import CHANGE_SEQUENCE, COMMIT_TIME, STREAM_POSITION, has_old_value
from local.dms.values import converter, quote

PARTITION_KEY_CHARACTERS = 256  # the most that Kinesis takes
_EMPTY = ("null", '""')


@dataclass(frozen=True, slots=True)
class Record:
    """One Kinesis record; `table` serves error messages only."""

    partition_key: str
    data: bytes
    table: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change stands in the source's log, in its engine's words; `previous` is the change delivered before.

    `sequence` is the value of `$AR_H_CHANGE_SEQ`.
    """

    transaction_id: int
    number: int
    committed: str
    position: str
    previous: tuple[int, int] | None
    sequence: str = ""


def refuse_large_keys(tables: Iterable[Table], settings: Settings) -> None:
    """Raise DmsError, a line for each table, if DMS may leave the old value of a changed key out of before images.

    Nobody has seen what DMS does with such a key. Without its old value the worker would take it for unchanged and
    keep the old row for ever, so silence is not an option.
    """
    lines = [
        f"table {table.full_name}: key column {column.name} is of type {column.lob_type}, a large object to DMS, so a "
        'changed key may lose its old value: use varchar(n), or set StandIn.LargeKeys to "send" in the task file to '
        "go on as if DMS sent it"
        for table in tables
        for column in table.large_keys[:1]
    ]
    if lines and not settings.send_large_keys:
        raise DmsError("\n".join(lines))


class TableRecords:
    """Makes the records of one table; rows are sequences of texts in the order of the table's columns."""

    def __init__(self, table: Table, settings: Settings) -> None:
        """Raises DmsError if the table's key is a large object and the settings do not allow that."""
        refuse_large_keys((table,), settings)
        self.table = table
        self._settings = settings
        self._layout = layout(tabbed=settings.tabbed)
        self._shuffle = random.Random(0).shuffle if settings.shuffle_members else None
        self._shown = settings.table_mappings.shown(table)
        self._is_document = settings.table_mappings.is_document(table)
        self._name_columns(table, settings)
        self._names = (
            self._member("schema-name", quote(self._shown.schema)),
            self._member("table-name", quote(self._shown.name)),
        )
        mapped = settings.table_mappings.partition_key_type(table.schema, table.name)
        by_key = settings.parallel_apply_threads > 0
        self._load_by_key = (mapped or "primary-key") == "primary-key"
        self._change_by_key = (mapped or ("primary-key" if by_key else "schema-table")) == "primary-key"

    def _name_columns(self, table: Table, settings: Settings) -> None:
        names = self._shown.names
        places = {column.name: number for number, column in enumerate(table.columns)}
        self._key = [(places[name], converter(table.columns[places[name]], settings)) for name in table.key]
        self._key_places = frozenset(number for number, _ in self._key)
        self._columns = [
            (number, self._layout.key(names[column.name]), converter(column, settings))
            for number, column in enumerate(table.columns)
            if column.name in names and (settings.support_lobs or column.name in table.key or not column.is_lob)
        ]
        old = {n for n, c in enumerate(table.columns) if has_old_value(c, table, settings.before_image_filter)}
        self._before_columns = [entry for entry in self._columns if entry[0] in old]
        before = self._shown.before
        self._old_value_columns = [
            (number, self._layout.key(f"{before.prefix}{names[table.columns[number].name]}{before.suffix}"), convert)
            for number, _, convert in self._columns
            if before is not None and has_old_value(table.columns[number], table, before.column_filter)
        ]

    def load(self, row: Sequence[Value], now: datetime) -> Record:
        """The record of a row read by the full load: it has no position."""
        key = self._partition_key(row) if self._load_by_key else None
        metadata = self._metadata("load", key, now)
        return self._record(key, [self._data(row, None, None)], metadata)

    def insert(self, row: Sequence[Value], place: Place, now: datetime) -> Record:
        """The record of a new row."""
        return self._change("insert", row, [self._data(row, None, place)], place, now)

    def update(
        self, old: Sequence[Value] | None, old_is_key: bool, row: Sequence[Value], place: Place, now: datetime
    ) -> Record:
        """The record of a changed row; a key that changed goes by its new value."""
        if old is None and self._settings.source_shape != "postgresql":
            # the other engines log the key always; PostgreSQL only when it has changed
            old, old_is_key = row, True
        sent = self._changed_only(old, row) if self._settings.partial_updates and not old_is_key else row
        sections = [self._data(sent, old, place, old_is_key)]
        if self._settings.before_image:
            sections.append(self._before_image(old, old_is_key))
        return self._change("update", row, sections, place, now)

    def delete(self, old: Sequence[Value], old_is_key: bool, place: Place, now: datetime) -> Record:
        """The record of a deleted row: what the log carries of it; what it does not is NULL or absent."""
        kind = self._settings.unlogged_of_deleted
        sent = old
        if kind == "key-only" or (kind == "absent" and old_is_key):
            sent = [value if number in self._key_places else UNCHANGED for number, value in enumerate(old)]
        return self._change("delete", old, [self._data(sent, None, place, absent=kind != "null")], place, now)

    def _changed_only(self, old: Sequence[Value] | None, row: Sequence[Value]) -> Sequence[Value]:
        if old is None:
            return row
        return [
            UNCHANGED if value == old[number] and number not in self._key_places else value
            for number, value in enumerate(row)
        ]

    def _change(self, operation: str, row: Sequence[Value], sections: list[str], place: Place, now: datetime) -> Record:
        key = self._partition_key(row) if self._change_by_key else None
        metadata = self._metadata(operation, key, now)
        metadata.append(self._member("transaction-id", str(place.transaction_id)))
        if self._settings.include_transaction_details:
            metadata.append(self._member("transaction-record-id", str(place.number)))
            if place.previous is not None:
                metadata.append(self._member("prev-transaction-id", str(place.previous[0])))
                metadata.append(self._member("prev-transaction-record-id", str(place.previous[1])))
            metadata.append(self._member("commit-timestamp", f'"{place.committed}"'))
            metadata.append(self._member("stream-position", f'"{place.position}"'))
        return self._record(key, sections, metadata)

    def _record(self, key: str | None, sections: list[str], metadata: list[str]) -> Record:
        sections.append(self._member("metadata", self._object(metadata, 2)))
        if self._shuffle:
            self._shuffle(sections)
        name = self._shown.full_name
        return Record((key or name)[:PARTITION_KEY_CHARACTERS], self._layout.record(sections), self.table.full_name)

    def _metadata(self, operation: str, key: str | None, now: datetime) -> list[str]:
        members = [
            self._member("timestamp", f'"{timestamp(now)}"'),
            self._member("record-type", '"data"'),
            self._member("operation", f'"{operation}"'),
            self._member("partition-key-type", '"schema-table"' if key is None else '"primary-key"'),
        ]
        if key is not None and self._settings.include_partition_value:
            members.append(self._member("partition-key-value", quote(key)))
        members.extend(self._names)
        return members

    def _partition_key(self, row: Sequence[Value]) -> str:
        parts = [self._key_text(row[number], convert(str(row[number]))) for number, convert in self._key]
        if self._settings.partition_include_schema_table:
            parts.insert(0, self._shown.full_name)
        return ".".join(parts)

    @staticmethod
    def _key_text(value: Value, converted: str) -> str:
        return str(value) if converted.startswith('"') else converted

    def _data(
        self,
        row: Sequence[Value],
        old: Sequence[Value] | None,
        place: Place | None,
        old_is_key: bool = False,
        *,
        absent: bool = False,
    ) -> str:
        """The row as `data`; `absent`: what the row does not carry is left out whatever UnchangedLargeValue says."""
        unchanged = "" if absent or not self._settings.unchanged_as_null else "null"
        keep_empty = self._settings.include_null_and_empty
        members = []
        for number, key, convert in self._columns:
            value = row[number]
            if value is None:
                text = "null"
            elif value is UNCHANGED:
                text = unchanged
                if not text:
                    continue
            else:
                text = convert(value)
            if keep_empty or text not in _EMPTY:
                members.append(key + text)
        members += self._old_values(old, old_is_key) + self._added(place)
        if self._is_document:
            return self._member("data", self._object([self._member("_doc", self._object(members, 3))], 2))
        return self._member("data", self._object(members, 2))

    def _added(self, place: Place | None) -> list[str]:
        """The columns that rules add: of a load, which has no place, they are empty texts."""
        members = []
        for name, expression in self._shown.added:
            text = ""
            if place is not None:
                values = {
                    CHANGE_SEQUENCE: place.sequence,
                    STREAM_POSITION: place.position,
                    COMMIT_TIME: place.committed,
                }
                text = values[expression]
            if text or self._settings.include_null_and_empty:
                members.append(self._member(name, quote(text)))
        return members

    def _old_values(self, old: Sequence[Value] | None, old_is_key: bool) -> list[str]:
        members = []
        for number, key, convert in self._old_value_columns:
            value = None if old is None or (old_is_key and number not in self._key_places) else old[number]
            if isinstance(value, str):
                members.append(key + convert(value))
            elif self._settings.include_null_and_empty:
                members.append(key + "null")
        return members

    def _before_image(self, old: Sequence[Value] | None, old_is_key: bool) -> str:
        members = []
        for number, key, convert in self._before_columns if old is not None else ():
            value = old[number] if old is not None else None
            if old_is_key and number not in self._key_places:
                continue
            if isinstance(value, str):
                members.append(key + convert(value))
            elif value is None and not old_is_key and self._settings.include_null_and_empty:
                members.append(key + "null")
        return self._member(self._settings.before_image_field, self._object(members, 2))

    def _object(self, members: list[str], depth: int) -> str:
        if self._shuffle:
            self._shuffle(members)
        return self._layout.object(members, depth)

    def _member(self, name: str, value: str) -> str:
        return self._layout.key(name) + value
