"""Change events to row changes: keys, versions, key changes, and what a table must not lack."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.mapping import Reference, Table
from worker.records import rows
from worker.records.envelope import ChangeEvent, Operation
from worker.records.errors import PoisonRecord, Reason, TableLacks
from worker.records.positions import POSTGRESQL_ORDER
from worker.records.rows import RowChange, parent_key, row_body, row_changes
from worker.records.version import change_version, load_version

TABLE = Table("s.t", ("a", "b"), ("a", "b", "note", "owner"), (Reference(("owner",), "s.owner"),))
POSITION = "00000002/7C007178.3.00000002/7C007178"
VERSION = change_version(1, 0x2_7C007178, 4)
ROW: dict[str, Any] = {"a": 1, "b": "x|y", "note": None, "owner": 7, "not kept": "…"}


def _event(operation: Operation = Operation.INSERT, **more: Any) -> ChangeEvent:
    event = ChangeEvent("s.t", operation, dict(ROW), None, POSITION, 4, 1_000_000, 2_000_000)
    if operation is Operation.UPDATE:
        event = replace(event, before={})
    return replace(event, **more)


def test_an_insert_is_one_put_of_the_kept_columns() -> None:
    """Columns that no mapping asks for are not stored."""
    (change,) = row_changes(_event(), TABLE, 1)

    kept = {"a": 1, "b": "x|y", "note": None, "owner": 7}
    assert change == RowChange("s.t", "1|x%7Cy", VERSION, kept, new=True)


def test_a_load_is_older_than_every_change_of_its_incarnation() -> None:
    """It has no position; a repeated load beats the first."""
    bare = {"stream_position": None, "record_number": None, "commit_micros": None}
    (load,) = row_changes(_event(Operation.LOAD, **bare), TABLE, 1)
    (again,) = row_changes(_event(Operation.LOAD, **bare, built_micros=2_000_001), TABLE, 1)

    assert load.version == load_version(1, 2_000_000)
    assert load.version < again.version < change_version(1, 1, 1) < load_version(2, 0)


def test_a_delete_needs_only_its_key() -> None:
    """PostgreSQL sends nothing else."""
    (change,) = row_changes(_event(Operation.DELETE, data={"a": 1, "b": "z", "note": None}), TABLE, 1)

    assert (change.key, change.row) == ("1|z", None)


def test_an_update_of_other_columns_is_one_put() -> None:
    """An empty before image says that the key stayed."""
    assert len(row_changes(_event(Operation.UPDATE), TABLE, 1)) == 1


def test_a_changed_key_is_a_put_and_a_delete_of_one_version() -> None:
    """The before image holds the changed part only; the rest of the key comes from the new row."""
    put, gone = row_changes(_event(Operation.UPDATE, before={"a": 9}), TABLE, 1)

    assert (put.key, put.row is None) == ("1|x%7Cy", False)
    assert (gone.key, gone.row) == ("9|x%7Cy", None)
    assert put.version == gone.version == VERSION
    assert (put.moved_from, gone.moved_to) == (None, None)


def test_a_changed_key_without_a_large_column_names_both_keys() -> None:
    """The large column follows from the old key's image."""
    data = {name: value for name, value in ROW.items() if name != "note"}
    put, gone = row_changes(_event(Operation.UPDATE, data=data, before={"a": 9}), TABLE, 1)

    assert (put.missing, put.moved_from) == (("note",), gone.key)
    assert (gone.missing, gone.moved_to) == (("note",), put.key)


def test_an_update_may_leave_a_column_out_an_insert_may_not() -> None:
    """Only an unchanged large value is absent; an insert without a column shows that NULLs are left out."""
    data = {name: value for name, value in ROW.items() if name != "note"}
    (update,) = row_changes(_event(Operation.UPDATE, data=data), TABLE, 1)

    assert update.missing == ("note",)
    for operation in (Operation.INSERT, Operation.LOAD):
        with pytest.raises(TableLacks, match="column note: set IncludeNullAndEmpty=true"):
            row_changes(_event(operation, data=data), TABLE, 1)


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"stream_position": None}, "IncludeTransactionDetails"),
        ({"record_number": None}, "IncludeTransactionDetails"),
        ({"commit_micros": None}, "IncludeTransactionDetails"),
        ({"stream_position": "mysql-bin.000001:4:0"}, "not a PostgreSQL log position"),
        ({"operation": Operation.UPDATE, "before": None}, "BeforeImageSettings"),
    ],
)
def test_a_table_that_lacks_something_names_the_setting(change: dict[str, Any], setting: str) -> None:
    """No guessing: without it rows would go back or stay behind."""
    with pytest.raises(TableLacks, match=setting) as lack:
        row_changes(replace(_event(), **change), TABLE, 1)

    assert lack.value.table == "s.t"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"a": None}, Reason.MISSING_KEY),
        ({"a": Decimal("1.2E+18")}, Reason.ROUNDED_KEY),
        ({"owner": Decimal("1.2E+18")}, Reason.ROUNDED_KEY),
        ({"a": {"x": 1}}, Reason.BAD_VALUE),
        ({"note": "\ud800"}, Reason.BAD_VALUE),
        ({"note": "x" * 400_000}, Reason.ROW_TOO_LARGE),
    ],
)
def test_a_poison_record_stands_alone(data: dict[str, Any], reason: Reason) -> None:
    """It is parked with its reason; the text never holds a value."""
    with pytest.raises(PoisonRecord) as poison:
        row_changes(_event(data={**ROW, **data}), TABLE, 1)

    assert poison.value.reason is reason
    assert "1.2" not in poison.value.detail
    assert "xxx" not in poison.value.detail


def test_numbers_keep_their_digits() -> None:
    """Never through a float."""
    (change,) = row_changes(
        _event(data={**ROW, "note": Decimal("0.10000000000000000000000000000000000000001")}), TABLE, 1
    )

    assert change.row is not None
    assert b'"note":0.10000000000000000000000000000000000000001' in row_body(change.row)


def test_a_null_in_a_foreign_key_points_nowhere() -> None:
    """As SQL's MATCH SIMPLE."""
    assert parent_key({"x": 1, "y": None}, ("x", "y")) is None
    assert parent_key({"x": 1, "y": Decimal("2.0")}, ("x", "y")) == "1|2"


def _defined(event: ChangeEvent, table: Table) -> tuple[RowChange, ...]:
    """What a RowReader comes to, without a short way for anything."""
    version = POSTGRESQL_ORDER.version(event, 1)
    key = rows.row_key(event.data, table)
    if event.operation is Operation.DELETE:
        return (RowChange(table.name, key, version, None),)
    row, missing = rows._kept(event, table)
    rows._require_storable(row, table)
    old_key = rows._old_key(event, table, key) if event.operation is Operation.UPDATE else key
    if old_key == key:
        return (RowChange(table.name, key, version, row, missing),)
    return (
        RowChange(table.name, key, version, row, missing, moved_from=old_key if missing else None),
        RowChange(table.name, old_key, version, None, missing, moved_to=key if missing else None),
    )


def _outcome(read: Callable[[ChangeEvent, Table], tuple[RowChange, ...]], event: ChangeEvent, table: Table) -> object:
    """With the digits and kinds of all values; the order of columns says nothing."""
    try:
        found = read(event, table)
        ordered = [change.row and dict(sorted(change.row.items())) for change in found]
        return repr([replace(change, new=False, row=row) for change, row in zip(found, ordered, strict=True)])
    except (PoisonRecord, TableLacks) as problem:
        return repr(problem)


SCALARS = st.sampled_from(
    [None, True, False, 0, 1, -5, 10**17, "", "1", "true", "x", "a|b#c%7C\x00", "é" * 300, "tok:k:x", "tok:k:rounded:x"]
    + [Decimal(text) for text in ("1", "1.0", "-0.0", "10", "1E+1", "1E-7", "12345678901234567890")]
)
VALUES = SCALARS | st.sampled_from([{"x": 1}, [], "\ud800"])


def _row(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    whole = st.fixed_dictionaries(dict.fromkeys(("a", "b", "note", "owner"), values), optional={"more": values})
    return whole | st.dictionaries(st.sampled_from(["a", "b", "note", "owner", "more"]), values)


@given(st.sampled_from(Operation), _row(VALUES), st.none() | st.just({}) | _row(VALUES), st.booleans())
def test_the_short_ways_come_to_what_is_defined(
    operation: Operation, data: dict[str, Any], before: dict[str, Any] | None, whole: bool
) -> None:
    """`whole`: the before image has all columns, as other engines send it."""
    if whole and before is not None:
        before = {**data, **before}
    event = _event(operation, data=data, before=before)
    plain = all(value not in ({"x": 1}, [], "\ud800") for row in (data, before or {}) for value in row.values())

    for table in (TABLE, Table("s.t", ("a",), ("a",), ())):
        expected = _outcome(_defined, event, table)
        assert _outcome(lambda event, table: row_changes(event, table, 1), event, table) == expected
        if plain:
            event = replace(event, plain_bytes=5_000)
            assert _outcome(lambda event, table: row_changes(event, table, 1), event, table) == expected


@given(st.dictionaries(st.text(max_size=3), VALUES | st.text(), max_size=5))
def test_a_body_is_the_same_canonical_text_by_either_encoder(row: dict[str, Any]) -> None:
    """Rows are compared as text with those that were stored long ago."""
    try:
        expected = rows._defined_body(row)
    except TypeError:
        with pytest.raises(TypeError):
            row_body(row)
    else:
        assert row_body(row) == expected
