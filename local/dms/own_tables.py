"""The definitions of the tables that DMS keeps for itself on every target (awsdms_...)."""

from collections.abc import Mapping
from typing import Any


def _text(length: int | None = None, *, nullable: bool = False) -> Mapping[str, Any]:
    return {"type": "STRING"} | ({"length": length} if length else {}) | {"nullable": nullable}


def _of(kind: str, *, nullable: bool = True) -> Mapping[str, Any]:
    return {"type": kind, "nullable": nullable}


STATUS = {
    "server_name": _text(128),
    "task_name": _text(128),
    "task_status": _text(32, nullable=True),
    "status_time": _of("TIMESTAMP"),
    "pending_changes": _of("INT64"),
    "disk_swap_size": _of("INT64"),
    "task_memory": _of("INT64"),
    "source_current_position": _text(128, nullable=True),
    "source_current_timestamp": _of("TIMESTAMP"),
    "source_tail_position": _text(128, nullable=True),
    "source_tail_timestamp": _of("TIMESTAMP"),
    "source_timestamp_applied": _of("TIMESTAMP"),
}
SUSPENDED = {
    "server_name": _text(128),
    "task_name": _text(128),
    "table_owner": _text(128),
    "table_name": _text(128),
    "suspend_reason": _text(32, nullable=True),
    "suspend_timestamp": _of("TIMESTAMP"),
}
HISTORY = {
    "server_name": _text(128),
    "task_name": _text(128),
    "timeslot_type": _text(32),
    "timeslot": _of("TIMESTAMP", nullable=False),
    "timeslot_duration": _of("INT64"),
    "timeslot_latency": _of("INT64"),
    "timeslot_records": _of("INT64"),
    "timeslot_volume": _of("INT64"),
}
EXCEPTIONS = {
    "TASK_NAME": _text(128),
    "TABLE_OWNER": _text(128),
    "TABLE_NAME": _text(128),
    "ERROR_TIME": _of("TIMESTAMP", nullable=False),
    "STATEMENT": _text(),
    "ERROR": _text(),
}
