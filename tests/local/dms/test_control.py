"""Control records and the rows of DMS's own tables."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local.dms.control import TaskRecords, column_definition, task_resource_id
from local.dms.settings import DEFAULT_TASK, load_settings
from local.dms.tables import BOOL, INT8, NUMERIC, TEXT, UUID, VARCHAR, Column, Table

DEFAULTS = load_settings(DEFAULT_TASK)
NOW = datetime(2025, 6, 21, 12, 6, 46, 95874, tzinfo=UTC)
TABLE = Table("shop", "t", (Column("id", INT8, -1, nullable=False), Column("big", TEXT, -1)), ("id",))


def test_without_control_details_a_control_record_is_only_metadata() -> None:
    record = TaskRecords("TASK", replace(DEFAULTS, include_control_details=False)).table_created(TABLE, NOW)
    assert list(json.loads(record.data)) == ["metadata"]


def test_without_partition_value_the_key_is_still_task_and_table() -> None:
    record = TaskRecords("TASK", replace(DEFAULTS, include_partition_value=False)).table_created(TABLE, NOW)
    assert "partition-key-value" not in json.loads(record.data)["metadata"]
    assert record.partition_key == "TASK.shop.t"


def test_an_empty_body_in_the_tabbed_layout() -> None:
    record = TaskRecords("TASK", replace(DEFAULTS, tabbed=True)).table_dropped(TABLE, NOW)
    assert record.data.startswith(b'{\n\t"control":\t{\n\t},\n\t"metadata":\t{\n\t\t"timestamp":\t"')


def test_large_objects_off_leaves_them_out_of_the_definition() -> None:
    record = TaskRecords("TASK", replace(DEFAULTS, support_lobs=False)).table_created(TABLE, NOW)
    assert list(json.loads(record.data)["control"]["table-def"]["columns"]) == ["id"]


def test_own_tables_come_with_rows_without_a_position() -> None:
    records = list(TaskRecords("TASK", DEFAULTS).task_tables(NOW))
    bodies = [json.loads(record.data) for record in records]
    assert [(b["metadata"]["operation"], b["metadata"]["table-name"]) for b in bodies] == [
        ("create-table", "awsdms_status"),
        ("update", "awsdms_status"),
        ("create-table", "awsdms_suspended_tables"),
        ("delete", "awsdms_suspended_tables"),
        ("create-table", "awsdms_history"),
        ("create-table", "awsdms_apply_exceptions"),
    ]
    assert records[0].partition_key == "TASK..awsdms_status"
    assert records[1].partition_key == ".awsdms_status"
    assert bodies[1]["metadata"]["schema-name"] == ""
    assert bodies[1]["before-image"] == {"server_name": "local", "task_name": "TASK"}


def test_only_the_switched_on_own_tables_come() -> None:
    off = replace(DEFAULTS, status_table=False, history_table=False, suspended_tables_table=False)
    records = TaskRecords("TASK", replace(off, full_load_exception_table=False))
    names = [json.loads(r.data)["metadata"]["table-name"] for r in records.task_tables(NOW)]
    assert names == ["awsdms_apply_exceptions"]
    assert list(records.load_exceptions_table(NOW)) == []


def test_status_rows_count_the_task_s_own_transactions() -> None:
    body = json.loads(TaskRecords("TASK", DEFAULTS).status("FULL LOAD", "00000000/00000001.NOW", 2, NOW).data)
    metadata = body["metadata"]
    assert (metadata["transaction-id"], metadata["prev-transaction-id"]) == (2, 1)
    assert metadata["commit-timestamp"] == "2025-06-21T12:06:46.095874Z"
    assert "stream-position" not in metadata
    assert body["data"]["status_time"] == "2025-06-21T12:06:46Z"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("c", BOOL, -1), {"type": "BOOL", "nullable": True}),
        (Column("c", VARCHAR, 24), {"type": "STRING", "length": 20, "nullable": True}),
        (Column("c", UUID, -1), {"type": "STRING", "length": 36, "nullable": True}),
        (
            Column("c", NUMERIC, ((12 << 16) | 2) + 4),
            {"type": "NUMERIC", "precision": 12, "scale": 2, "nullable": True},
        ),
        (Column("c", NUMERIC, -1), {"type": "NUMERIC", "precision": 28, "scale": 6, "nullable": True}),
    ],
)
def test_column_definitions(column: Column, expected: dict[str, object]) -> None:
    assert column_definition(column, DEFAULTS) == expected


def test_a_boolean_without_mapping_is_a_text_of_five() -> None:
    settings = replace(DEFAULTS, map_boolean_as_boolean=False)
    assert column_definition(Column("c", BOOL, -1), settings) == {"type": "STRING", "length": 5, "nullable": True}


def test_the_task_id_looks_like_one_and_stays_the_same() -> None:
    assert task_resource_id("nearview") == task_resource_id("nearview")
    assert len(task_resource_id("nearview")) == 26
    assert task_resource_id("nearview").isalnum()
