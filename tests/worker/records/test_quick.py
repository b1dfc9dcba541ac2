"""What is read fast is what the definition reads, number by number; everything else is left to it."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fuzz.mutate import NUMBERS, TEXTS, Raw, mutated, written
from tests.worker.dms_records import change
from tests.worker.records import test_record_forms as forms
from worker.records.envelope import NO_BEFORE_COLUMNS, BeforeColumns, ChangeEvent, Operation, decode
from worker.records.errors import PoisonRecord
from worker.records.quick import QuickReader, _is_suspect
from worker.records.rows import row_body

FIELD = "before-image"
COLUMNS = (NO_BEFORE_COLUMNS, BeforeColumns(prefix="BI_"), BeforeColumns(suffix="__old"))
READERS = {columns: QuickReader(FIELD, columns) for columns in COLUMNS}

ORDINARY = {
    "an update": change("update", "shop.orders", {"id": 1, "a": "x", "b": None, "c": True, "d": Raw("12.50")}, {}),
    "a whole before image": change("update", "shop.orders", {"id": 1, "a": "x"}, {"id": 2, "a": None}),
    "an insert": change("insert", "shop.orders", {"id": 1}),
    "a load": change("load", "shop.orders", {"id": 1, "a": "é\u2028\U0001f600\x00"}),
    "a delete": change("delete", "shop.orders", {"id": 1}),
    "no schema": change("insert", ".orders", {"id": 1}),
    "all metadata": change(
        "update", "s.t", {"id": 1}, {}, prev_transaction_id=1, prev_transaction_record_id=2, partition_key_value="1"
    ),
    "a text as transaction": change("update", "s.t", {"id": 1}, {}, transaction_id="0x7"),
    "wide numbers": change("insert", "s.t", {"a": 2**63, "b": -(10**17), "c": 10**18, "d": 10**40, "e": 10**18 - 1}),
    "zeros": change("insert", "s.t", {"a": Raw("-0"), "b": Raw("-0.0"), "c": Raw("0.00"), "d": Raw("0.00000001")}),
    "exponents": change("insert", "s.t", {"a": Raw("1e-6"), "b": Raw("1E+5"), "c": Raw("-0e7"), "d": Raw("1.50e300")}),
    "a token": change("insert", "s.t", {"a": "tok:k:x"}, nearview_protected=True),
}

LEFT = {
    "a huge exponent": change("insert", "s.t", {"a": Raw("1e950")}),
    "a tiny exponent": change("insert", "s.t", {"a": Raw("0e-950")}),
    "too many digits of a fraction": change("insert", "s.t", {"a": Raw("0." + "9" * 950)}),
    "a null before image": {**change("insert", "s.t", {"a": 1}), "before-image": None},
    "an object": change("insert", "s.t", {"a": {}}),
    "a list before": change("update", "s.t", {"a": 1}, {"a": []}),
    "a lone surrogate": change("insert", "s.t", {"a": "\ud800"}),
    "not a number": change("insert", "s.t", {"a": Raw("NaN")}),
    "many digits": change("insert", "s.t", {"a": Raw("9" * 950)}),
    "an unknown member of the metadata": change("insert", "s.t", {"a": 1}, some_new_member=1),
    "an unknown member": {**change("insert", "s.t", {"a": 1}), "more": {}},
    "a control record": change("create-table", "s.t", {"a": 1}, record_type="control"),
    "an internal table": change("insert", "s.awsdms_status", {"a": 1}),
    "a time without microseconds": change("insert", "s.t", {"a": 1}, timestamp="2024-07-29T00:58:17Z"),
    "no time": change("insert", "s.t", {"a": 1}, timestamp="2024-07-29T00:58:99.000000Z"),
    "before 1970": change("insert", "s.t", {"a": 1}, timestamp="1969-07-29T00:58:17.000000Z"),
    "a record number of text": change("insert", "s.t", {"a": 1}, transaction_record_id="1"),
    "a record number out of range": change("insert", "s.t", {"a": 1}, transaction_record_id=1 << 55),
}


def written_bytes(document: dict[str, Any]) -> bytes:
    return written(document).encode("utf-8", "surrogatepass")


def defined(data: bytes, columns: BeforeColumns) -> str:
    """What the definition says of a payload, with the digits and kinds of all numbers."""
    try:
        return repr(decode(data, FIELD, columns))
    except PoisonRecord as poison:
        return repr(poison)


def assert_same(data: bytes, columns: BeforeColumns = NO_BEFORE_COLUMNS) -> ChangeEvent | None:
    """What is read is the event that is defined; as JSON its rows are no longer than is said."""
    found = READERS[columns].read(data)
    if found is not None:
        assert repr(replace(found, plain_bytes=0)) == defined(data, columns)
        assert found.plain_bytes == 2 * len(data)
        assert len(row_body(found.data)) <= found.plain_bytes
    return found


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("document", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_records_are_read_as_they_are_defined(document: dict[str, Any], columns: BeforeColumns) -> None:
    assert assert_same(written_bytes(document), columns)


@pytest.mark.parametrize("text", [forms.MYSQL_DEFAULTS, forms.MYSQL_DETAILS, forms.ORACLE])
def test_the_forms_of_other_engines_are_ordinary(text: str) -> None:
    assert assert_same(text.encode())


@pytest.mark.parametrize("document", LEFT.values(), ids=LEFT)
def test_what_is_not_ordinary_is_left(document: dict[str, Any]) -> None:
    assert QuickReader(FIELD, NO_BEFORE_COLUMNS).read(written_bytes(document)) is None


@pytest.mark.parametrize("name", ["data", "metadata", 'odd"name', "\x00"])
def test_a_before_image_of_an_odd_name_is_left(name: str) -> None:
    data = written_bytes({**change("insert", "s.t", {"a": 1}), name: {}})

    assert QuickReader(name, NO_BEFORE_COLUMNS).read(data) is None


def test_a_before_image_has_the_name_that_the_task_gives_it() -> None:
    data = written_bytes({**change("update", "s.t", {"a": 1}), "old": {"a": 2}})

    found = QuickReader("old", NO_BEFORE_COLUMNS).read(data)

    assert found is not None
    assert (found.operation, found.data, found.before) == (Operation.UPDATE, {"a": 1}, {"a": 2})


def test_numbers_keep_their_digits_and_their_kinds() -> None:
    data = b'{"a": 12.50, "b": 999999999999999999, "c": 1000000000000000000, "d": -99999999999999999, "e": -0}'
    envelope = b'{"data": %s, "metadata": %s}' % (data, json.dumps(change("load", "s.t", {})["metadata"]).encode())

    found = assert_same(envelope)

    assert found is not None
    assert [repr(value) for value in found.data.values()] == [
        "Decimal('12.50')",
        "999999999999999999",
        "Decimal('1000000000000000000')",
        "-99999999999999999",
        "0",
    ]
    assert isinstance(found.data["a"], Decimal)


NUMBER_TEXTS = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True).map(Raw),
    st.from_regex(r"-?[0-9]{16,20}", fullmatch=True).map(Raw),
    st.sampled_from(NUMBERS),
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.text(max_size=8), NUMBER_TEXTS, NUMBER_TEXTS, st.sampled_from(TEXTS), st.just({"a": 1})
)
ROWS = st.dictionaries(st.sampled_from(["id", "a", "BI_a", "a__old", "_doc", "é"]), VALUES, max_size=4)
MORE = st.dictionaries(
    st.sampled_from(["transaction_id", "transaction_record_id", "timestamp", "commit_timestamp", "stream_position"]),
    VALUES,
    max_size=1,
)


@given(st.sampled_from(Operation), ROWS, st.none() | ROWS, MORE, st.sampled_from(COLUMNS), st.booleans())
@example(Operation.UPDATE, {"id": Raw("1" * 18)}, {"id": Raw("-" + "1" * 18)}, {}, NO_BEFORE_COLUMNS, False)
def test_any_row_is_read_as_it_is_defined_or_left(
    operation: Operation,
    row: dict[str, Any],
    before: dict[str, Any] | None,
    more: dict[str, Any],
    columns: BeforeColumns,
    twice: bool,
) -> None:
    """`twice`: every member stands in the record two times."""
    document = change(operation, "s.t", row, before)
    document["metadata"] |= {name.replace("_", "-"): value for name, value in more.items()}
    text = written(document)

    assert_same((f"{text[:-1]}, {text[1:]}" if twice else text).encode("utf-8", "surrogatepass"), columns)


@given(st.randoms(use_true_random=False), st.sampled_from([*ORDINARY, *LEFT]), st.sampled_from(COLUMNS))
def test_any_change_of_the_bytes_is_read_as_it_is_defined_or_left(
    rng: Random, name: str, columns: BeforeColumns
) -> None:
    data = written_bytes((ORDINARY | LEFT)[name])
    others = tuple(map(written_bytes, ORDINARY.values()))
    for _ in range(rng.randrange(1, 3)):
        data = mutated(data, rng, 0, others)
    at = rng.randrange(len(data) + 1)

    assert_same(data, columns)
    assert_same(data[:at] + bytes([rng.randrange(256)]) + data[at:], columns)
    assert_same(data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :], columns)


@pytest.mark.parametrize("first", [Raw("9" * 1500), Raw("1e1001"), Raw("[" * 900 + "]" * 900), Raw('"\\ud800"')])
def test_what_a_later_member_of_the_same_name_hides_is_refused_as_it_is_defined(first: Raw) -> None:
    data = b'{"data": {"a": %s, "a": 1}, "metadata": %s}' % (
        first.encode(),
        json.dumps(change("insert", "s.t", {})["metadata"]).encode(),
    )

    assert assert_same(data) is None


@pytest.mark.parametrize("digits", [899, 900, 901])
def test_a_long_number_is_seen_wherever_it_stands(digits: int) -> None:
    """Only some of the bytes are looked at first."""
    for before in range(950):
        data = b"x" * before + b"7" * digits + b"x" * 300

        assert _is_suspect(data) is (digits >= 900)
