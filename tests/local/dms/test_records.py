"""Records against samples of the real service, and each switch that changes them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.dms.control import TaskRecords
from local.dms.dialects import INSERT, UPDATE, commit_timestamp, stream_position
from local.dms.errors import DmsError
from local.dms.pgoutput import UNCHANGED, Value
from local.dms.records import (
    Place,
    Record,
    TableRecords,
    refuse_large_keys,
)
from local.dms.settings import DEFAULT_TASK, Settings, load_settings
from local.dms.state import parse_lsn
from local.dms.tables import BOOL, BYTEA, INT4, INT8, JSONB, TEXT, VARCHAR, Column, Table
from local.dms.transformations import Locator

SAMPLES = sorted((Path(__file__).parent / "records").glob("*.json"))
DEFAULTS = load_settings(DEFAULT_TASK)
NOW = datetime(2024, 7, 29, 0, 58, 17, 983670, tzinfo=UTC)
PLACE = Place(1139, 2, commit_timestamp(0), stream_position(0x27C007178, INSERT), (1139, 1))
TABLE = Table(
    "shop",
    "t",
    (
        Column("id", INT4, -1, nullable=False),
        Column("name", VARCHAR, 24),
        Column("big", TEXT, -1),
        Column("flag", BOOL, -1),
        Column("raw", BYTEA, -1),
    ),
    ("id",),
)
ROW: tuple[Value, ...] = ("7", "", None, "t", "\\x00ff")


def _settings(**changes: Any) -> Settings:
    return replace(DEFAULTS, **changes)


def _mapped(kind: str | None) -> Settings:
    rules = () if kind is None else ((Locator("%", "%"), kind),)
    return _settings(table_mappings=replace(DEFAULTS.table_mappings, partition_key_types=rules))


def _insert(settings: Settings, row: tuple[Value, ...] = ROW, table: Table = TABLE) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(TableRecords(table, settings).insert(row, PLACE, NOW).data)
    return body


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_record_equals_the_sample(path: Path) -> None:
    sample = json.loads(path.read_text())
    record = _built(sample)
    assert json.loads(record.data) == sample["record"]
    assert record.partition_key == sample["partition_key"]
    assert list(json.loads(record.data)["metadata"]) == list(sample["record"]["metadata"])
    assert list(json.loads(record.data)) == list(sample["record"])


def _built(sample: dict[str, Any]) -> Record:
    described = sample["table"]
    columns = tuple(Column(n, t, m, nullable=n not in described["key"]) for n, t, m in described["columns"])
    table = Table(described["schema"], described["name"], columns, tuple(described["key"]))
    now = datetime.fromisoformat(sample["record"]["metadata"]["timestamp"])
    if "task" in sample:
        task = TaskRecords(sample["task"], _mapped(None))
        make = task.table_created if sample["operation"] == "create-table" else task.table_dropped
        return make(table, now)
    records = TableRecords(table, _mapped(None))
    if sample["operation"] == "load":
        return records.load(sample["new"], now)
    given = sample["place"]
    previous = tuple(given["previous"]) if given["previous"] else None
    committed = commit_timestamp(given["commit_micros"])
    code = INSERT if sample["operation"] == "insert" else UPDATE
    position = stream_position(parse_lsn(given["lsn"]), code)
    place = Place(given["xid"], given["number"], committed, position, previous)
    if sample["operation"] == "update":
        return records.update(sample.get("old"), sample.get("old_is_key", False), sample["new"], place, now)
    if sample["operation"] == "delete":
        return records.delete(sample["old"], True, place, now)
    return records.insert(sample["new"], place, now)


def test_transaction_details_off_leave_the_transaction_id() -> None:
    metadata = _insert(_settings(include_transaction_details=False))["metadata"]
    assert metadata["transaction-id"] == 1139
    assert not {"transaction-record-id", "commit-timestamp", "stream-position"} & metadata.keys()


def test_partition_value_off_leaves_it_out_but_still_partitions_by_it() -> None:
    record = TableRecords(TABLE, _settings(include_partition_value=False)).insert(ROW, PLACE, NOW)
    assert "partition-key-value" not in json.loads(record.data)["metadata"]
    assert record.partition_key == "shop.t.7"


def test_partition_key_without_schema_and_table() -> None:
    records = TableRecords(TABLE, _settings(partition_include_schema_table=False))
    assert records.insert(ROW, PLACE, NOW).partition_key == "7"


@pytest.mark.parametrize(
    ("settings", "load_key", "change_key"),
    [
        (_mapped(None), "shop.t.7", "shop.t"),
        (replace(_mapped(None), parallel_apply_threads=2), "shop.t.7", "shop.t.7"),
        (_mapped("primary-key"), "shop.t.7", "shop.t.7"),
        (_mapped("schema-table"), "shop.t", "shop.t"),
    ],
)
def test_load_and_changes_share_a_key_only_by_a_mapping(settings: Settings, load_key: str, change_key: str) -> None:
    records = TableRecords(TABLE, settings)
    assert records.load(ROW, NOW).partition_key == load_key
    assert records.insert(ROW, PLACE, NOW).partition_key == change_key


def test_a_long_partition_key_is_cut_to_what_kinesis_takes() -> None:
    table = Table("shop", "t", (Column("id", VARCHAR, -1),), ("id",))
    record = TableRecords(table, DEFAULTS).insert(("я" * 300,), PLACE, NOW)
    assert record.partition_key == "shop.t." + "я" * 249


def test_null_and_empty_off_leaves_both_out() -> None:
    assert _insert(DEFAULTS)["data"] == {"id": 7, "name": "", "big": None, "flag": True, "raw": "0x00ff"}
    assert _insert(_settings(include_null_and_empty=False))["data"] == {"id": 7, "flag": True, "raw": "0x00ff"}


def test_an_unchanged_value_is_absent_or_null() -> None:
    row = ("7", "x", UNCHANGED, "t", None)
    assert "big" not in _insert(DEFAULTS, row)["data"]
    assert _insert(_settings(unchanged_as_null=True), row)["data"]["big"] is None


def test_boolean_as_text_and_hex_without_prefix() -> None:
    data = _insert(_settings(map_boolean_as_boolean=False, no_hex_prefix=True))["data"]
    assert (data["flag"], data["raw"]) == ("true", "00ff")


def test_large_objects_off_leaves_their_columns_out() -> None:
    assert _insert(_settings(support_lobs=False))["data"] == {"id": 7, "name": "", "flag": True}


@pytest.mark.parametrize(
    ("column_filter", "old", "old_is_key", "expected"),
    [
        ("pk-only", None, False, {}),
        ("pk-only", ("6", None, None, None, None), True, {"id": 6}),
        ("all", ("6", None, None, None, None), True, {"id": 6}),
        ("pk-only", ("7", "o", "b", "f", None), False, {"id": 7}),
        ("non-lob", ("7", "o", "b", "f", None), False, {"id": 7, "name": "o", "flag": False}),
        ("all", ("7", "o", "b", None, None), False, {"id": 7, "name": "o", "flag": None}),
    ],
)
def test_before_image_holds_what_the_log_and_the_filter_let_through(
    column_filter: str, old: tuple[Value, ...] | None, old_is_key: bool, expected: dict[str, Any]
) -> None:
    records = TableRecords(TABLE, _settings(before_image_filter=column_filter, before_image_field="before"))
    assert json.loads(records.update(old, old_is_key, ROW, PLACE, NOW).data)["before"] == expected


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (Column("code", TEXT, -1), "text"),
        (Column("code", BYTEA, -1), "bytea"),
        (Column("code", JSONB, -1), "jsonb"),
        (Column("code", 1007, -1, category="A"), "an array"),
    ],
)
def test_a_table_whose_key_is_a_large_object_is_refused(column: Column, named: str) -> None:
    table = Table("shop", "t", (Column("id", INT4, -1), column), ("id", "code"))
    with pytest.raises(
        DmsError, match=rf"^table shop\.t: key column code is of type {named}, .*varchar\(n\)"
    ) as caught:
        TableRecords(table, DEFAULTS)
    assert 'StandIn.LargeKeys to "send"' in str(caught.value)


def test_every_table_with_such_a_key_has_its_line() -> None:
    tables = [Table("shop", name, (Column("id", TEXT, -1),), ("id",)) for name in ("a", "b")]
    with pytest.raises(DmsError) as caught:
        refuse_large_keys([*tables, TABLE], DEFAULTS)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["table shop.a", "table shop.b"]


@pytest.mark.parametrize("column_filter", ["pk-only", "non-lob", "all"])
@pytest.mark.parametrize("support_lobs", [True, False])
def test_with_the_switch_a_large_key_is_in_every_before_image(column_filter: str, support_lobs: bool) -> None:
    table = Table("shop", "t", (Column("code", TEXT, -1), Column("note", TEXT, -1)), ("code",))
    settings = _settings(send_large_keys=True, before_image_filter=column_filter, support_lobs=support_lobs)
    body = json.loads(TableRecords(table, settings).update(("old", "n"), False, ("new", "n"), PLACE, NOW).data)
    assert body["before-image"] == {"code": "old"}
    assert body["data"] == {"code": "new"} | ({"note": "n"} if support_lobs else {})


def test_before_image_off_loses_the_old_key() -> None:
    records = TableRecords(TABLE, _settings(before_image=False))
    body = json.loads(records.update(("6", None, None, None, None), True, ROW, PLACE, NOW).data)
    assert list(body) == ["data", "metadata"]


def test_only_updates_have_a_before_image() -> None:
    records = TableRecords(TABLE, DEFAULTS)
    assert list(json.loads(records.delete(ROW, True, PLACE, NOW).data)) == ["data", "metadata"]


def test_tabbed_text_has_a_tab_after_each_colon_and_no_newline_at_the_end() -> None:
    table = Table("s", "t", (Column("id", INT8, -1),), ("id",))
    mapped = _mapped("primary-key")
    settings = replace(mapped, tabbed=True, include_transaction_details=False, partition_include_schema_table=False)
    assert TableRecords(table, settings).insert(("1",), PLACE, NOW).data.decode() == (
        '{\n\t"data":\t{\n\t\t"id":\t1\n\t},\n\t"metadata":\t{\n'
        '\t\t"timestamp":\t"2024-07-29T00:58:17.983670Z",\n\t\t"record-type":\t"data",\n'
        '\t\t"operation":\t"insert",\n\t\t"partition-key-type":\t"primary-key",\n'
        '\t\t"partition-key-value":\t"1",\n\t\t"schema-name":\t"s",\n\t\t"table-name":\t"t",\n'
        '\t\t"transaction-id":\t1139\n\t}\n}'
    )


def test_one_line_text_ends_with_a_newline_and_keeps_any_character() -> None:
    table = Table("s", "t", (Column("Имя", VARCHAR, -1),), ("Имя",))
    data = TableRecords(table, DEFAULTS).insert(('Жанна "😀"\n\t\u0001',), PLACE, NOW).data
    assert data.startswith('{"data":{"Имя":"Жанна \\"😀\\"\\n\\t\\u0001"},"metadata":{"timestamp"'.encode())
    assert data.count(b"\n") == 1
    assert data.endswith(b"}\n")


def test_positions_are_zero_padded_hexadecimal() -> None:
    assert stream_position(0x1_0000_00AB, 2) == "00000001/000000AB.2.00000001/000000AB"


def test_commit_times_have_six_digits_always() -> None:
    assert commit_timestamp(0) == "2000-01-01T00:00:00.000000Z"
    assert commit_timestamp(-1) == "1999-12-31T23:59:59.999999Z"
