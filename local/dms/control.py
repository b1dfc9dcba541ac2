"""Builds DMS control records and the data records of its own awsdms_ tables."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local.dms import own_tables
from local.dms.dialects import timestamp
from local.dms.layout import layout, render
from local.dms.records import PARTITION_KEY_CHARACTERS, Record
from local.dms.settings import Settings
from local.dms.tables import (
    BOOL,
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
    UUID,
    Column,
    Table,
)

_SERVER = "local"
_ZERO_TIME = "1970-01-01T00:00:00Z"
_TYPES = {
    INT2: "INT16",
    INT4: "INT32",
    INT8: "INT64",
    OID: "INT64",
    FLOAT4: "FLOAT",
    FLOAT8: "DOUBLE",
    BYTEA: "BYTES",
    DATE: "DATE32",
    TIMESTAMP: "TIMESTAMP",
    TIMESTAMPTZ: "TIMESTAMP",
}


def task_resource_id(name: str) -> str:
    """The identifier that DMS would give the task: 26 letters and digits, made from its name."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()[:26]


class TaskRecords:
    """Makes the records that speak of the task and of table definitions, not of rows."""

    def __init__(self, task_id: str, settings: Settings) -> None:
        self._task_id = task_id
        self._settings = settings
        self._layout = layout(tabbed=settings.tabbed)

    def table_dropped(self, table: Table, now: datetime) -> Record:
        """What DMS writes before it loads a table into a target that it prepares; the source keeps its table."""
        return self._of_table("drop-table", table, {}, now)

    def table_created(self, table: Table, now: datetime) -> Record:
        """The definition of a table, written before its load."""
        return self._of_table("create-table", table, self._definition(table), now)

    def table_altered(self, operation: str, table: Table, now: datetime) -> Record:
        """A changed definition; `operation` is one of DMS's (add-column, drop-column, ...)."""
        return self._of_table(operation, table, self._definition(table), now)

    def task_tables(self, now: datetime) -> Iterator[Record]:
        """The definitions of DMS's own tables, with the first rows that it writes without a transaction."""
        server, task = {"server_name": _SERVER}, {"task_name": self._task_id}
        if self._settings.status_table:
            yield self._own_table("awsdms_status", own_tables.STATUS, ("server_name", "task_name"), now)
            yield self.status("NOT RUNNING", "", None, now)
        if self._settings.suspended_tables_table:
            key = ("server_name", "task_name", "table_owner", "table_name")
            yield self._own_table("awsdms_suspended_tables", own_tables.SUSPENDED, key, now)
            yield self._own_row("awsdms_suspended_tables", "delete", server | task, None, now)
        if self._settings.history_table:
            key = ("server_name", "task_name", "timeslot_type", "timeslot")
            yield self._own_table("awsdms_history", own_tables.HISTORY, key, now)
        yield self._own_table("awsdms_apply_exceptions", own_tables.EXCEPTIONS, (), now)

    def load_exceptions_table(self, now: datetime) -> Iterator[Record]:
        """The definition that DMS repeats before the load of each table."""
        if self._settings.full_load_exception_table:
            yield self._own_table("awsdms_full_load_exceptions", own_tables.EXCEPTIONS, (), now)

    def status(self, state: str, position: str, number: int | None, now: datetime) -> Record:
        """A new row of awsdms_status; `number` is the task's own transaction, None before the first."""
        moment = timestamp(now)[:19] + "Z"
        data = {
            "server_name": _SERVER,
            "task_name": self._task_id,
            "task_status": state,
            "status_time": moment,
            "pending_changes": 0,
            "disk_swap_size": 0,
            "task_memory": 0,
            "source_current_position": position,
            "source_current_timestamp": moment,
            "source_tail_position": position,
            "source_tail_timestamp": moment,
            "source_timestamp_applied": _ZERO_TIME if state == "FULL LOAD" else moment,
        }
        return self._own_row("awsdms_status", "update", data, number, now)

    def history(self, kind: str, number: int, now: datetime) -> Record:
        """A new row of awsdms_history."""
        data = {
            "server_name": _SERVER,
            "task_name": self._task_id,
            "timeslot_type": kind,
            "timeslot": timestamp(now)[:19] + "Z",
            "timeslot_duration": 0,
            "timeslot_latency": 0,
            "timeslot_records": 0,
            "timeslot_volume": 0,
        }
        return self._own_row("awsdms_history", "insert", data, number, now)

    def _of_table(self, operation: str, table: Table, body: Mapping[str, Any], now: datetime) -> Record:
        shown = self._settings.table_mappings.shown(table)
        return self._control(operation, shown.schema, shown.name, body, now)

    def _definition(self, table: Table) -> Mapping[str, Any]:
        shown = self._settings.table_mappings.shown(table)
        columns = {
            shown.names[column.name]: column_definition(column, self._settings)
            for column in table.columns
            if column.name in shown.names and (self._settings.support_lobs or not column.is_lob)
        }
        columns |= {name: {"type": "STRING", "length": 50, "nullable": True} for name, _ in shown.added}
        key = [shown.names[name] for name in table.key if name in shown.names]
        return {"table-def": {"columns": columns, "primary-key": key}}

    def _own_table(self, name: str, columns: Mapping[str, Any], key: tuple[str, ...], now: datetime) -> Record:
        definition: dict[str, Any] = {"columns": columns}
        if key:
            definition["primary-key"] = list(key)
        return self._control("create-table", "", name, {"table-def": definition}, now)

    def _control(self, operation: str, schema: str, table: str, body: Mapping[str, Any], now: datetime) -> Record:
        metadata = self._metadata("control", operation, "task-id", now)
        if self._settings.include_partition_value:
            metadata["partition-key-value"] = self._task_id
        metadata |= {"schema-name": schema, "table-name": table}
        sections: dict[str, Any] = {"control": body} if self._settings.include_control_details else {}
        return self._record(f"{self._task_id}.{schema}.{table}", sections | {"metadata": metadata}, table)

    def _own_row(self, table: str, operation: str, data: dict[str, Any], number: int | None, now: datetime) -> Record:
        metadata = self._metadata("data", operation, "schema-table", now)
        metadata |= {"schema-name": "", "table-name": table}
        if number is not None:
            metadata["transaction-id"] = number
            if self._settings.include_transaction_details:
                metadata["transaction-record-id"] = 1
                if number > 1:
                    metadata |= {"prev-transaction-id": number - 1, "prev-transaction-record-id": 1}
                metadata["commit-timestamp"] = timestamp(now)
        if not self._settings.include_null_and_empty:
            data = {name: value for name, value in data.items() if value not in (None, "")}
        sections: dict[str, Any] = {"data": data}
        if operation == "update" and self._settings.before_image:
            sections[self._settings.before_image_field] = {
                "server_name": data["server_name"],
                "task_name": data["task_name"],
            }
        return self._record(f".{table}", sections | {"metadata": metadata}, table)

    def _metadata(self, kind: str, operation: str, partition: str, now: datetime) -> dict[str, Any]:
        return {
            "timestamp": timestamp(now),
            "record-type": kind,
            "operation": operation,
            "partition-key-type": partition,
        }

    def _record(self, partition_key: str, sections: Mapping[str, Any], table: str) -> Record:
        form = self._layout
        members = [form.key(name) + render(value, form, 2) for name, value in sections.items()]
        return Record(partition_key[:PARTITION_KEY_CHARACTERS], form.record(members), table)


def column_definition(column: Column, settings: Settings) -> Mapping[str, Any]:
    """The entry of a column in a table definition."""
    definition: dict[str, Any] = {"type": _TYPES.get(column.type_oid, "STRING")}
    if column.type_oid == BOOL:
        definition = {"type": "BOOL"} if settings.map_boolean_as_boolean else {"type": "STRING", "length": 5}
    elif column.type_oid == UUID:
        definition["length"] = 36
    elif column.type_oid == NUMERIC:
        declared = column.numeric_precision is not None
        definition = {
            "type": "NUMERIC",
            "precision": column.numeric_precision if declared else 28,
            "scale": column.numeric_scale if declared else 6,
        }
    elif column.length is not None:
        definition["length"] = column.length
    return definition | {"nullable": column.nullable}


def alter_operation(old: Table, new: Table) -> str | None:
    """DMS's name for the change of a definition, None if no column changed."""
    before = {column.name: (column.type_oid, column.type_modifier) for column in old.columns}
    after = {column.name: (column.type_oid, column.type_modifier) for column in new.columns}
    added, dropped = after.keys() - before.keys(), before.keys() - after.keys()
    changed = any(before[name] != after[name] for name in before.keys() & after.keys())
    kinds = (bool(added), bool(dropped), changed)
    if kinds == (True, True, False) and len(added) == len(dropped) == 1:
        same_type = before[next(iter(dropped))] == after[next(iter(added))]
        return "rename-column" if same_type else "change-columns"
    if sum(kinds) > 1:
        return "change-columns"
    names = dict(zip(("add-column", "drop-column", "column-type-change"), kinds, strict=True))
    return next((name for name, happened in names.items() if happened), None)
