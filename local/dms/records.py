"""Builds DMS data records: rows and changes of one table, as bytes with their Kinesis partition key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.dms.errors import DmsError
from local.dms.layout import layout
from local.dms.pgoutput import UNCHANGED, Value
from local.dms.settings import Settings
from local.dms.tables import Table
from local.dms.values import converter, quote

PARTITION_KEY_CHARACTERS = 256  # the most that Kinesis takes
INSERT, UPDATE, DELETE = 3, 2, 2  # the middle number of a position, as seen per operation
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EMPTY = ("null", '""')


@dataclass(frozen=True, slots=True)
class Record:
    """One Kinesis record; `table` serves error messages only."""

    partition_key: str
    data: bytes
    table: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change stands in the source's log; `previous` is the change delivered before it."""

    xid: int
    number: int
    committed: str
    lsn: int
    previous: tuple[int, int] | None


def timestamp(moment: datetime) -> str:
    """DMS's metadata form: UTC, always six digits."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def commit_timestamp(commit_micros: int) -> str:
    """The text of a commit time given in microseconds since 2000-01-01."""
    return timestamp(_POSTGRES_EPOCH + timedelta(microseconds=commit_micros))


def log_address(lsn: int) -> str:
    """A log position as DMS writes it: zero padded."""
    return f"{lsn >> 32:08X}/{lsn & 0xFFFFFFFF:08X}"


def stream_position(lsn: int, operation: int) -> str:
    """The position of a change: its log address, twice."""
    address = log_address(lsn)
    return f"{address}.{operation}.{address}"


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
        places = {column.name: number for number, column in enumerate(table.columns)}
        is_key = {places[name] for name in table.key}
        small = {number for number, column in enumerate(table.columns) if number in is_key or not column.is_lob}
        kept = [number for number in range(len(table.columns)) if settings.support_lobs or number in small]
        self._columns = [
            (n, self._layout.key(table.columns[n].name), converter(table.columns[n], settings)) for n in kept
        ]
        self._key = [(places[name], converter(table.columns[places[name]], settings)) for name in table.key]
        before = settings.before_image_filter
        self._before_columns = [
            (n, key, convert)
            for n, key, convert in self._columns
            if n in is_key or (before != "pk-only" and n in small)
        ]
        self._names = (
            self._member("schema-name", quote(table.schema)),
            self._member("table-name", quote(table.name)),
        )
        mapped = settings.table_mappings.partition_key_type(table.schema, table.name)
        by_key = settings.parallel_apply_threads > 0
        self._load_by_key = (mapped or "primary-key") == "primary-key"
        self._change_by_key = (mapped or ("primary-key" if by_key else "schema-table")) == "primary-key"

    def load(self, row: Sequence[Value], now: datetime) -> Record:
        """The record of a row read by the full load: it has no position."""
        key = self._partition_key(row) if self._load_by_key else None
        metadata = self._metadata("load", key, now)
        return self._record(key, [self._data(row)], metadata)

    def insert(self, row: Sequence[Value], place: Place, now: datetime) -> Record:
        """The record of a new row."""
        return self._change("insert", INSERT, row, [self._data(row)], place, now)

    def update(
        self, old: Sequence[Value] | None, old_is_key: bool, row: Sequence[Value], place: Place, now: datetime
    ) -> Record:
        """The record of a changed row; a key that changed goes by its new value."""
        sections = [self._data(row)]
        if self._settings.before_image:
            sections.append(self._before_image(old, old_is_key))
        return self._change("update", UPDATE, row, sections, place, now)

    def delete(self, old: Sequence[Value], place: Place, now: datetime) -> Record:
        """The record of a deleted row: what the log carries of it, all else NULL."""
        return self._change("delete", DELETE, old, [self._data(old)], place, now)

    def _change(
        self, operation: str, code: int, row: Sequence[Value], sections: list[str], place: Place, now: datetime
    ) -> Record:
        key = self._partition_key(row) if self._change_by_key else None
        metadata = self._metadata(operation, key, now)
        metadata.append(self._member("transaction-id", str(place.xid)))
        if self._settings.include_transaction_details:
            metadata.append(self._member("transaction-record-id", str(place.number)))
            if place.previous is not None:
                metadata.append(self._member("prev-transaction-id", str(place.previous[0])))
                metadata.append(self._member("prev-transaction-record-id", str(place.previous[1])))
            metadata.append(self._member("commit-timestamp", f'"{place.committed}"'))
            metadata.append(self._member("stream-position", f'"{stream_position(place.lsn, code)}"'))
        return self._record(key, sections, metadata)

    def _record(self, key: str | None, sections: list[str], metadata: list[str]) -> Record:
        sections.append(self._member("metadata", self._layout.object(metadata, 2)))
        name = self.table.full_name
        return Record((key or name)[:PARTITION_KEY_CHARACTERS], self._layout.record(sections), name)

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
            parts.insert(0, self.table.full_name)
        return ".".join(parts)

    @staticmethod
    def _key_text(value: Value, converted: str) -> str:
        return str(value) if converted.startswith('"') else converted

    def _data(self, row: Sequence[Value]) -> str:
        keep_empty = self._settings.include_null_and_empty
        members = []
        for number, key, convert in self._columns:
            value = row[number]
            if value is None:
                text = "null"
            elif value is UNCHANGED:
                if not self._settings.unchanged_as_null:
                    continue
                text = "null"
            else:
                text = convert(value)
            if keep_empty or text not in _EMPTY:
                members.append(key + text)
        return self._member("data", self._layout.object(members, 2))

    def _before_image(self, old: Sequence[Value] | None, old_is_key: bool) -> str:
        members = []
        for number, key, convert in self._before_columns if old is not None else ():
            value = old[number] if old is not None else None
            if isinstance(value, str):
                members.append(key + convert(value))
            elif value is None and not old_is_key and self._settings.include_null_and_empty:
                members.append(key + "null")
        return self._member(self._settings.before_image_field, self._layout.object(members, 2))

    def _member(self, name: str, value: str) -> str:
        return self._layout.key(name) + value
