"""The changes of an example as the records that DMS writes for them (PostgreSQL, the settings nearview asks for)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from contract.keys import key_text
from contract.mapping import Mapping, Table
from worker.examples.model import Change, Example
from worker.mapping.problems import Problem
from worker.records.envelope import Operation
from worker.records.rows import raw_number

_FIRST_COMMIT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_POSITION_STEP: Final = 0x100

RowId = tuple[str, str]
Columns = dict[str, Any]


def make_records(example: Example, mapping: Mapping) -> tuple[list[bytes], list[Problem]]:
    """One record for each change, positions rising; or what makes no sense in the source."""
    source = _Source(mapping)
    records: list[bytes] = []
    problems: list[Problem] = []
    for number, change in enumerate(example.changes, start=1):
        try:
            data, before = source.images(change)
        except _Impossible as problem:
            at, message = change.at, f"example {example.name}: {problem}"
            problems.append(Problem(at.path, at.line, at.column, message))
        else:
            records.append(_record(change, data, before, number))
    return records, problems


class _Impossible(Exception):
    """No source database makes such a change."""


class _Source:
    """The rows as they stand in the source, to complete what a change leaves out: DMS sends whole rows."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rows: dict[RowId, Columns] = {}
        self.changed: set[RowId] = set()

    def images(self, change: Change) -> tuple[Columns, Columns | None]:
        """After and before image of a change. Raises _Impossible."""
        table = self.mapping.tables[change.table]
        if change.operation is Operation.UPDATE:
            return self.update(change, table)
        key = _key(change.row, table)
        row_id = (table.name, key)
        if change.operation is Operation.DELETE:
            if row_id not in self.rows:
                raise _Impossible(f"delete: there is no row {key} of {table.name}: insert or load it before")
            del self.rows[row_id]
            self.changed.add(row_id)
            # what PostgreSQL logs of a deleted row is its key
            return {**self.empty(table), **{column: change.row[column] for column in table.key}}, None
        row = {**self.empty(table), **change.row}
        if change.operation is Operation.INSERT:
            if row_id in self.rows and row_id in self.changed:
                raise _Impossible(f"insert: the row {key} of {table.name} is there already")
            self.changed.add(row_id)
            self.rows[row_id] = row
        elif row_id not in self.changed:  # a load that comes late shows an older state
            self.rows[row_id] = row
        return row, None

    def update(self, change: Change, table: Table) -> tuple[Columns, Columns]:
        old_key = _key({**change.row, **change.before}, table)
        if (table.name, old_key) not in self.rows:
            raise _Impossible(
                f"update: there is no row {old_key} of {table.name}: insert or load it before (of a changed key,"
                " `before` has the old one)"
            )
        row = {**self.rows.pop((table.name, old_key)), **change.row}
        key = _key(row, table)
        if (table.name, key) in self.rows:
            raise _Impossible(f"update: another row has the key {key} of {table.name}")
        self.rows[table.name, key] = row
        self.changed |= {(table.name, old_key), (table.name, key)}
        if twice := sorted(set(change.unchanged) & change.row.keys()):
            raise _Impossible(f"update: {', '.join(twice)} cannot be in `row` and be unchanged")
        before = {
            column: change.before[column]
            for column in table.key
            if column in change.before and _key(row, table) != old_key
        }
        return {column: value for column, value in row.items() if column not in change.unchanged}, before

    def empty(self, table: Table) -> Columns:
        """All columns that mappings name, NULL."""
        return dict.fromkeys((*table.columns, *self.mapping.policies.get(table.name, {})))


def _key(columns: Columns, table: Table) -> str:
    if missing := [column for column in table.key if columns.get(column) is None]:
        raise _Impossible(f"the row needs its key: {', '.join(missing)} is not given")
    return key_text(columns[column] for column in table.key)


def _record(change: Change, data: Columns, before: Columns | None, number: int) -> bytes:
    schema, _, table = change.table.partition(".")
    commit = _FIRST_COMMIT + timedelta(seconds=number)
    metadata: dict[str, Any] = {
        "timestamp": _instant(commit + timedelta(milliseconds=5)),
        "record-type": "data",
        "operation": str(change.operation),
        "partition-key-type": "primary-key",
        "schema-name": schema,
        "table-name": table,
    }
    if change.operation is not Operation.LOAD:
        position = f"{number * _POSITION_STEP:08X}"
        metadata |= {
            "transaction-id": number,
            "transaction-record-id": 1,
            "commit-timestamp": _instant(commit),
            "stream-position": f"00000001/{position}.3.00000001/{position}",
        }
    images = {"data": data} if before is None else {"before-image": before, "data": data}
    return orjson.dumps({**images, "metadata": metadata}, default=raw_number)


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
