"""Every form of record that DMS writes: switches of endpoint and task, and engines other than PostgreSQL.

`MYSQL_*` and `ORACLE` are real records, shortened. What is called synthetic follows the documents only: no real record
of SQL Server is known, nor one with map-record-to-document.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.mapping import Table
from tests.worker.dms_records import change
from worker.records.envelope import NO_BEFORE_COLUMNS, BeforeColumns, ChangeEvent, Operation, decode
from worker.records.errors import PoisonRecord, TableLacks
from worker.records.positions import Engine, Order
from worker.records.rows import row_changes

BI = BeforeColumns(prefix="BI_")

MYSQL_DEFAULTS = """{"data":{"trans_id":6,"customer_id":"387378799012","event":"list","sku":"AI6161BEFX","amount":3,
"device":"pc","trans_datetime":"2023-01-16T06:18:32Z"},"metadata":{"timestamp":"2023-01-16T08:05:25.942777Z",
"record-type":"data","operation":"update","partition-key-type":"primary-key","schema-name":"testdb",
"table-name":"retail_trans","transaction-id":12884973957}}"""
MYSQL_DETAILS = """{"data":{"id":100000161,"fname":"val61s"},"metadata":{"timestamp":"2019-10-31T22:53:59.721201Z",
"record-type":"data","operation":"insert","partition-key-type":"primary-key",
"partition-key-value":"sbtest.sbtest_x.100000161","schema-name":"sbtest","table-name":"sbtest_x",
"transaction-id":9324410911751,"transaction-record-id":1,"prev-transaction-id":9324410910341,
"prev-transaction-record-id":10,"commit-timestamp":"2019-10-31T22:53:55.000000Z",
"stream-position":"mysql-bin-changelog.002171:36912271:0:36912333:9324410911751:mysql-bin-changelog.002171:36912209"}}"""
ORACLE = """{"data":{"CREATE_DATETIME":"2014-09-22T11:06:59.644202000Z","NO_OF_OCCUPANT":0,
"INTERNAL_LOCATION_CODE":"007","SECURITY_LEVEL_CODE":null},"metadata":{"timestamp":"2023-06-02T10:33:18.296826Z",
"record-type":"data","operation":"update","partition-key-type":"schema-table","schema-name":"OMS_OWNER",
"table-name":"AGENCY_INTERNAL_LOCATIONS","transaction-id":1179664}}"""


def _event(payload: dict[str, Any] | str, columns: BeforeColumns = NO_BEFORE_COLUMNS) -> ChangeEvent:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    found = decode(text.encode(), "before-image", columns)
    assert isinstance(found, ChangeEvent)
    return found


def _table(payload: str, *columns: str) -> Table:
    metadata = json.loads(payload)["metadata"]
    return Table(f"{metadata['schema-name']}.{metadata['table-name']}", columns[:1], tuple(sorted(columns)), ())


def test_a_record_of_mysql_with_details_is_a_change() -> None:
    table = _table(MYSQL_DETAILS, "id", "fname")

    (found,) = row_changes(_event(MYSQL_DETAILS), table, 1, Order(Engine.MYSQL))

    assert (found.key, found.row) == ("100000161", {"fname": "val61s", "id": 100000161})
    assert found.version == "0001" + f"{2171:08x}{36912271:016x}{1:08x}" + f"{1:014x}"


def test_a_record_of_mysql_with_the_defaults_names_the_setting() -> None:
    with pytest.raises(TableLacks, match="set IncludeTransactionDetails=true"):
        row_changes(_event(MYSQL_DEFAULTS), _table(MYSQL_DEFAULTS, "trans_id"), 1, Order(Engine.MYSQL))


def test_a_record_of_oracle_needs_the_change_sequence() -> None:
    table = _table(ORACLE, "INTERNAL_LOCATION_CODE", "SECURITY_LEVEL_CODE")
    with pytest.raises(TableLacks, match="AR_H_CHANGE_SEQ"):
        row_changes(_event(ORACLE), table, 1, Order(Engine.ORACLE, "NV_SEQ"))

    record = json.loads(ORACLE)
    record["data"]["NV_SEQ"] = "20230602103318290000000000000000007"
    record["before-image"] = {}
    (found,) = row_changes(_event(record), table, 1, Order(Engine.ORACLE, "NV_SEQ"))

    assert found.row == {"INTERNAL_LOCATION_CODE": "007", "SECURITY_LEVEL_CODE": None}
    assert _event(ORACLE).data["CREATE_DATETIME"] == "2014-09-22T11:06:59.644202000Z"


def test_a_synthetic_record_of_sql_server_is_ordered_by_its_change_sequence() -> None:
    data = {"id": 1, "on_at": "2024-05-28 19:56:24.2275290 +02:00", "flag": True, "seq": "2024052819562422" + "7" * 19}
    payload = change("insert", "dbo.t", data, stream_position="00000014:00000061:0001")

    (found,) = row_changes(
        _event(payload), Table("dbo.t", ("id",), ("flag", "id"), ()), 1, Order(Engine.SQLSERVER, "seq")
    )

    assert (found.key, found.row) == ("1", {"flag": True, "id": 1})


@pytest.mark.parametrize("ending", ["", "\n", " \r\n\t"])
@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": "\t", "separators": (",", ":\t")}])
def test_both_text_layouts_are_one_record(layout: dict[str, Any], ending: str) -> None:
    payload = change("update", "a.b", {"id": 1, "note": "Я"}, {})
    text = json.dumps(payload, ensure_ascii=False, **layout) + ending

    assert decode(text.encode(), "before-image") == _event(payload)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"partition-key-value": "a.b.1"},
        {"prev-transaction-id": 7, "prev-transaction-record-id": 3},
        {"partition-key-type": "attribute-name", "something-new": {"x": [1]}},
    ],
)
def test_switches_of_the_metadata_change_nothing_else(extra: dict[str, Any]) -> None:
    payload = change("insert", "a.b", {"id": 1})

    assert _event({**payload, "metadata": {**payload["metadata"], **extra}}) == _event(payload)


def test_the_order_of_members_does_not_matter() -> None:
    payload = change("update", "a.b", {"id": 1}, {"id": 2})

    assert _event(dict(reversed(payload.items()))) == _event(payload)


def test_a_synthetic_record_as_a_document_has_its_row_below_it() -> None:
    """map-record-to-document: the columns stand in `_doc`, mapped attributes beside it; so in the before image."""
    payload = change("update", "a.b", {"_doc": {"id": 1, "note": "x"}, "label": "1-x"}, {"_doc": {"id": 2}})

    found = _event(payload)

    assert (found.data, found.before) == ({"label": "1-x", "id": 1, "note": "x"}, {"id": 2})
    assert _event(change("insert", "a.b", {"id": 1, "_doc": "{}"})).data == {"id": 1, "_doc": "{}"}


def test_old_values_beside_the_new_ones_are_the_before_image_and_no_columns() -> None:
    """add-before-image-columns."""
    found = _event(change("update", "a.b", {"id": 2, "note": "x", "BI_id": 1, "BI_note": None, "BI_": 3}), BI)

    assert (found.data, found.before) == ({"id": 2, "note": "x", "BI_": 3}, {"id": 1, "note": None})
    put, gone = row_changes(found, Table("a.b", ("id",), ("id", "note"), ()), 1)
    assert (put.key, put.row, gone.key) == ("2", {"id": 2, "note": "x"}, "1")


def test_old_values_may_be_marked_by_a_suffix_and_stand_in_a_document() -> None:
    found = _event(change("update", "a.b", {"_doc": {"id": 2, "id__old": 1}}), BeforeColumns(suffix="__old"))

    assert (found.data, found.before) == ({"id": 2}, {"id": 1})


def test_without_the_setting_such_columns_are_columns() -> None:
    found = _event(change("update", "a.b", {"id": 2, "BI_id": 1}))

    assert (found.data, found.before) == ({"id": 2, "BI_id": 1}, None)


def test_an_update_without_any_old_value_has_no_before_image() -> None:
    with pytest.raises(TableLacks, match="add-before-image-columns"):
        row_changes(_event(change("update", "a.b", {"id": 2}), BI), Table("a.b", ("id",), ("id",), ()), 1)


@pytest.mark.parametrize("value", ["0x00ff", "00ff", "2014-09-22T11:06:59.644202000Z", "-1 days -01:42:30", None])
def test_values_are_passed_on_as_they_came(value: Any) -> None:
    """Binary as hexadecimal text, times with any number of digits, a zero date as the null that DMS makes of it."""
    assert _event(change("insert", "a.b", {"v": value})).data == {"v": value}


@pytest.mark.parametrize("text", ["1.23e5", "1E+2", "1e-3", "0.000", "5", "-0.0"])
def test_a_number_is_a_decimal_of_its_own_text(text: str) -> None:
    payload = json.dumps(change("insert", "a.b", {"v": "@"})).replace('"@"', text)

    assert Decimal(_event(payload).data["v"]) == Decimal(text)


def test_a_delete_may_have_every_column_as_mysql_sends_it() -> None:
    """Only the key columns are used, whatever stands in the others."""
    full = _event(change("delete", "a.b", {"id": 1, "note": {"odd": []}}))

    (found,) = row_changes(full, Table("a.b", ("id",), ("id", "note"), ()), 1)

    assert (found.key, found.row, found.missing) == ("1", None, ())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["_doc", "id", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
columns = st.dictionaries(st.sampled_from(["id", "note", "_doc", "BI_id", "BI_note", "seq", "BI_"]), values, max_size=5)
orders = st.sampled_from([Order(), Order(Engine.MYSQL), Order(Engine.ORACLE, "seq"), Order(Engine.SQLSERVER, "seq")])
positions = st.sampled_from([None, "1/2.3.4/5", "bin.000001:4:0:5", "00000014:00000061:0001", "x"]) | st.text(
    max_size=12
)


@given(
    st.sampled_from(list(Operation)),
    columns,
    st.none() | columns,
    positions,
    st.dictionaries(
        st.sampled_from(["timestamp", "transaction-id", "transaction-record-id", "commit-timestamp"]), values
    ),
    orders,
    st.sampled_from([BeforeColumns(), BI, BeforeColumns(suffix="_id"), BeforeColumns("B", "d")]),
)
@settings(max_examples=300)
def test_whatever_a_record_holds_it_is_a_change_or_refused(
    operation: Operation,
    data: dict[str, Any],
    before: dict[str, Any] | None,
    position: str | None,
    metadata: dict[str, Any],
    order: Order,
    affixes: BeforeColumns,
) -> None:
    payload = change(operation, "a.b", data, before)
    payload["metadata"] = {**payload["metadata"], **metadata, "stream-position": position}
    try:
        found = decode(json.dumps(payload).encode(), "before-image", affixes)
        assert isinstance(found, ChangeEvent)
        changes = row_changes(found, Table("a.b", ("id",), ("id", "note"), ()), 1, order)
    except (PoisonRecord, TableLacks):
        return
    assert {len(change.version) for change in changes} == {50}
