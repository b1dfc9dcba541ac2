"""DMS records to events: real ones, mean ones, and any bytes at all."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.worker.dms_records import change
from worker.records.envelope import ChangeEvent, ControlEvent, InternalEvent, Operation, decode
from worker.records.errors import PoisonRecord, Reason

FIELD = "before-image"
CANARY = "canary-7F3A"


def event(payload: dict[str, Any] | str | bytes) -> Any:
    """The event in a payload."""
    if isinstance(payload, dict):
        payload = json.dumps(payload)
    return decode(payload.encode() if isinstance(payload, str) else payload, FIELD)


def poison(payload: dict[str, Any] | str | bytes) -> PoisonRecord:
    """What is wrong with a payload; its text must not quote it."""
    with pytest.raises(PoisonRecord) as caught:
        event(payload)
    assert CANARY not in str(caught.value)
    return caught.value


def test_an_insert_of_postgresql() -> None:
    """As a real task with all switches on wrote it."""
    found = event(
        """{"data":{"age":31,"attributes":"{\\"baz\\": \\"qux\\"}","id":46,"name":"Jane"},
        "metadata":{"timestamp":"2024-07-29T00:58:17.983670Z","record-type":"data","operation":"insert",
        "partition-key-type":"schema-table","schema-name":"public","table-name":"foo","transaction-id":1139,
        "transaction-record-id":1,"commit-timestamp":"2024-07-29T00:58:17.974340Z",
        "stream-position":"00000002/7C007178.3.00000002/7C007178"}}"""
    )

    assert found == ChangeEvent(
        table="public.foo",
        operation=Operation.INSERT,
        data={"age": 31, "attributes": '{"baz": "qux"}', "id": 46, "name": "Jane"},
        before=None,
        stream_position="00000002/7C007178.3.00000002/7C007178",
        record_number=1,
        commit_micros=1_722_214_697_974_340,
        built_micros=1_722_214_697_983_670,
        transaction="1139",
    )


@pytest.mark.parametrize("before", [{}, {"id": 46}])
def test_an_update_has_a_before_image_with_changed_key_columns_or_none(before: dict[str, Any]) -> None:
    found = event(change("update", "public.foo", {"id": 45, "age": 31}, before))

    assert (found.operation, found.before, found.data["id"]) == (Operation.UPDATE, before, 45)


def test_a_delete_has_the_key_and_nulls() -> None:
    found = event(change("delete", "public.foo", {"age": None, "id": 45}))

    assert (found.operation, found.data, found.before) == (Operation.DELETE, {"age": None, "id": 45}, None)


def test_a_load_has_no_transaction() -> None:
    found = event(
        """{"data":{"id":393,"name":"Test","age":4,"attributes":null},
        "metadata":{"timestamp":"2025-06-10T11:28:47.326434Z","record-type":"data","operation":"load",
        "partition-key-type":"primary-key","partition-key-value":"public.demo.393","schema-name":"public",
        "table-name":"demo"}}"""
    )

    assert found.operation is Operation.LOAD
    assert (found.stream_position, found.record_number, found.commit_micros) == (None, None, None)
    assert found.built_micros == 1_749_554_927_326_434


def test_the_tab_indented_format_is_the_same_json() -> None:
    text = (
        '{\n\t"data":\t{\n\t\t"id":\t1\n\t},\n\t"metadata":\t'
        + json.dumps(change("insert", "a.b", {})["metadata"])
        + "\n}\n"
    )

    assert event(text).data == {"id": 1}


def test_the_before_image_has_the_name_that_the_task_gives_it() -> None:
    payload = {**change("update", "a.b", {"id": 1}), "BI": {"id": 2}, "before-image": "not this one"}

    found = decode(json.dumps(payload).encode(), "BI")

    assert isinstance(found, ChangeEvent)
    assert found.before == {"id": 2}


@pytest.mark.parametrize("operation", ["create-table", "drop-table", "column-type-change", "something-new", None])
def test_control_records_are_told_apart_whatever_they_say(operation: str | None) -> None:
    """Unknown ones are no poison; a control record without details has only metadata."""
    found = event(
        {
            "metadata": {
                **change("insert", "public.demo", {})["metadata"],
                "record-type": "control",
                "operation": operation,
            }
        }
    )

    assert found == ControlEvent("public.demo", str(operation), 1_722_214_697_983_670)


def test_a_control_record_may_say_anything_else() -> None:
    """It changes nothing, so nothing in it can be wrong."""
    found = event({"metadata": {**change("drop-table", "a.b", {}, record_type="control", timestamp=[7])["metadata"]}})

    assert found == ControlEvent("a.b", "drop-table", 0)


def test_tables_of_dms_itself_are_told_apart_before_anything_else() -> None:
    assert event({"metadata": {"schema-name": "", "table-name": "awsdms_status", "operation": 7}}) == InternalEvent(
        "awsdms_status"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0", 0),
        ("3.14", Decimal("3.14")),
        ("2.20000005", Decimal("2.20000005")),
        ("0.1", Decimal("0.1")),
        ("999999999999999999", 999_999_999_999_999_999),
        ("9223372036854775807", Decimal(2**63 - 1)),
        ("123456789012345678901234567890.5", Decimal("123456789012345678901234567890.5")),
        ("1.234567890123457e+18", Decimal("1.234567890123457E+18")),
        ("1E5", Decimal("1E+5")),
        ("5e-324", Decimal("5E-324")),
    ],
)
def test_numbers_keep_the_digits_they_came_with(text: str, value: int | Decimal) -> None:
    """A float would round."""
    found = event(json.dumps(change("insert", "a.b", {"n": "@"})).replace('"@"', text)).data["n"]

    assert found == value
    assert str(found) == str(value)


@pytest.mark.parametrize(
    "number",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e99999999999999999999",
        "01",
        "1.",
        "0x1",
    ],
)
def test_what_json_has_no_number_for_is_poison(number: str) -> None:
    text = json.dumps(change("insert", "a.b", {"n": "@"})).replace('"@"', number)

    assert poison(text).reason is Reason.NOT_JSON


@pytest.mark.parametrize("number", ["1e9999", "1e-9999", "9" * 5000, "0e5000"])
def test_what_no_memory_could_hold_is_poison(number: str) -> None:
    text = json.dumps(change("insert", "a.b", {"n": "@"})).replace('"@"', number)

    assert poison(text).reason is Reason.OVER_LIMIT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\xff",
        CANARY.encode(),
        b'{"a": 1',
        b"[" * 64,
        b"\xef\xbb\xbf{}",
        b'{"a": "\n"}',
        b"\xff\xfe{\x00}\x00",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_json_is_poison_without_a_table(data: bytes) -> None:
    found = poison(data)

    assert (found.reason, found.table) == (Reason.NOT_JSON, None)
    assert str(found) == "the record is not JSON in UTF-8"


GOOD = change("insert", "shop.orders", {"id": 1, "note": CANARY})


def _with(**metadata: Any) -> dict[str, Any]:
    return {**GOOD, "metadata": {**GOOD["metadata"], **{name.replace("_", "-"): v for name, v in metadata.items()}}}


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        ("[1]", "the record is JSON, but not an object"),
        ('"x"', "the record is JSON, but not an object"),
        ({"data": {}}, "no metadata object: is this stream written by DMS?"),
        ({"metadata": [1]}, "no metadata object: is this stream written by DMS?"),
        (_with(table_name=None), "metadata has no schema-name or no table-name"),
        (_with(schema_name=7), "metadata has no schema-name or no table-name"),
    ],
)
def test_json_that_names_no_table_is_poison_without_one(payload: dict[str, Any] | str, detail: str) -> None:
    found = poison(payload)

    assert (found.reason, str(found), found.table) == (Reason.BAD_ENVELOPE, detail, None)


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (_with(record_type=None), "record-type is neither data nor control"),
        ({**GOOD, "data": [CANARY]}, "data is not an object"),
        ({**GOOD, "before-image": None}, "before-image is not an object"),
        (_with(stream_position=7), "metadata stream-position has the wrong type"),
        (_with(transaction_record_id="1"), "metadata transaction-record-id has the wrong type"),
        (_with(transaction_record_id=True), "metadata transaction-record-id has the wrong type"),
        (_with(commit_timestamp=CANARY), "metadata commit-timestamp is not a UTC time"),
        (_with(commit_timestamp="2024-02-30T00:00:00Z"), "metadata commit-timestamp is not a UTC time"),
        (_with(timestamp="2024-01-01T00:00:00+01:00"), "metadata timestamp is not a UTC time"),
        (_with(timestamp="4253-12-31T00:00:00Z"), "metadata timestamp is not a UTC time"),
        (_with(timestamp="1969-12-31T23:59:59.999999Z"), "metadata timestamp is not a UTC time"),
    ],
)
def test_a_record_of_a_table_with_a_wrong_part_is_poison(payload: dict[str, Any], detail: str) -> None:
    found = poison(payload)

    assert (found.reason, str(found), found.table) == (Reason.BAD_ENVELOPE, detail, "shop.orders")


@pytest.mark.parametrize("operation", [CANARY, None, ["insert"], "INSERT", "truncate"])
def test_an_operation_nobody_knows_is_poison(operation: Any) -> None:
    found = poison(_with(operation=operation))

    assert (found.reason, found.table) == (Reason.UNKNOWN_OPERATION, "shop.orders")
    assert str(found) == "operation is none of load, insert, update, delete"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("2023-06-02T10:18:25.912723999Z", 1_685_701_105_912_723),
    ],
)
def test_times_have_up_to_nine_digits_and_are_cut_to_microseconds(text: str, micros: int) -> None:
    assert event(_with(commit_timestamp=text)).commit_micros == micros


def test_of_a_name_given_twice_the_last_counts() -> None:
    text = json.dumps(GOOD).replace('"id": 1', '"id": 1, "id": 2')

    assert event(text).data["id"] == 2


def test_a_lone_surrogate_is_passed_on() -> None:
    """It is JSON; the row that keeps it is refused later, one that does not keep it is fine."""
    assert event(change("insert", "a.b", {"note": "\ud800"})).data == {"note": "\ud800"}


def test_an_empty_schema_leaves_the_table_s_name() -> None:
    assert event(change("insert", ".t", {})).table == "t"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*GOOD["metadata"], "data", "metadata", "control", "before-image", "table-name"])


@given(st.binary() | st.text().map(str.encode))
@example(b"\x00")
@example(b'{"metadata": {"schema-name": "\\ud800", "table-name": ""}}')
def test_any_bytes_give_an_event_or_poison(data: bytes) -> None:
    with contextlib.suppress(PoisonRecord):
        decode(data, FIELD)


@given(st.dictionaries(names, values), st.dictionaries(names, values))
@settings(max_examples=300)
def test_any_record_with_wrong_parts_gives_an_event_or_poison(top: dict[str, Any], metadata: dict[str, Any]) -> None:
    payload = {**GOOD, "metadata": {**GOOD["metadata"], **metadata}, **top}
    with contextlib.suppress(PoisonRecord):
        found = decode(json.dumps(payload).encode(), FIELD)
        assert isinstance(found, (ChangeEvent, ControlEvent, InternalEvent))


@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_mutilated_record_gives_an_event_or_poison(at: int, put: bytes) -> None:
    data = json.dumps(GOOD).encode()
    with contextlib.suppress(PoisonRecord):
        decode(data[:at] + put + data[at + 1 :], FIELD)
