"""Attribute values: round trips, agreement with boto3 on what both take, sizes that are never too small."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from contract.values import (
    MAX_DEPTH,
    NotStorable,
    from_attribute,
    from_item,
    item_bytes,
    number_text,
    to_attribute,
    to_item,
)

# of what DynamoDB's N holds, what boto3 reads as well: it refuses 38 digits with zeros behind them
numbers = st.integers(-(10**38) + 1, 10**38 - 1) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**27), 10**27),
    st.integers(-60, 10),
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_value_comes_back_equal(value: Any) -> None:
    assert from_attribute(to_attribute(value)) == value


@given(st.dictionaries(st.text(min_size=1), values, max_size=4))
def test_an_item_comes_back_equal(item: dict[str, Any]) -> None:
    assert from_item(to_item(item)) == item


@given(values)
def test_boto3_reads_what_we_write(value: Any) -> None:
    attribute: Any = to_attribute(value)

    assert TypeDeserializer().deserialize(attribute) == value


@given(values)
def test_we_read_what_boto3_writes(value: Any) -> None:
    attribute: Any = TypeSerializer().serialize(value)

    assert from_attribute(attribute) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**38) + 1, 10**38 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
        max_leaves=12,
    )
)
def test_both_write_the_same(value: Any) -> None:
    """Decimals aside: boto3 sends an exponent where we send plain digits."""
    assert to_attribute(value) == TypeSerializer().serialize(value)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (True, {"BOOL": True}),
        (1, {"N": "1"}),
        (Decimal("12.50"), {"N": "12.5"}),
        (Decimal("1.2E+3"), {"N": "1200"}),
        (Decimal("-0.00"), {"N": "0"}),
        (Decimal("1E-130"), {"N": f"0.{'0' * 129}1"}),
        (Decimal("9.9E+125"), {"N": "99" + "0" * 124}),
        ("", {"S": ""}),
        (None, {"NULL": True}),
        ([], {"L": []}),
        (("a",), {"L": [{"S": "a"}]}),
        ({}, {"M": {}}),
    ],
)
def test_the_attribute_of_a_value(value: Any, attribute: dict[str, Any]) -> None:
    assert to_attribute(value) == attribute


@pytest.mark.parametrize("number", [True, False])
def test_a_boolean_is_no_number(number: bool) -> None:
    """`isinstance(True, int)` holds."""
    assert to_attribute([number]) == {"L": [{"BOOL": number}]}


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (10**38 + 1, "a number has more than 38 digits or is out of range"),
        (Decimal("1E+126"), "a number has more than 38 digits or is out of range"),
        (Decimal("1E-131"), "a number has more than 38 digits or is out of range"),
        (Decimal("1E+999999999"), "a number has more than 38 digits or is out of range"),
        (Decimal("NaN"), "not a finite number"),
        (Decimal("Infinity"), "not a finite number"),
        (1.5, "a float has no DynamoDB form"),
        (b"x", "a bytes has no DynamoDB form"),
        ({1, 2}, "a set has no DynamoDB form"),
        ({"a": {"": 1}}, "an object with an empty name"),
        (_nested(MAX_DEPTH + 1), "nested deeper than 31 levels"),
    ],
)
def test_what_dynamodb_cannot_hold_is_refused_and_never_rounded(value: Any, message: str) -> None:
    with pytest.raises(NotStorable) as caught:
        to_attribute(value)

    assert str(caught.value) == message


def test_the_deepest_nesting_is_taken() -> None:
    assert from_attribute(to_attribute(_nested(MAX_DEPTH))) == _nested(MAX_DEPTH)


@given(st.decimals(allow_nan=True, allow_infinity=True) | st.integers())
@example(Decimal("1E+999999"))
def test_every_number_has_a_text_or_is_refused(number: int | Decimal) -> None:
    try:
        text = number_text(number)
    except NotStorable:
        return
    assert Decimal(text) == number
    assert not text.startswith(("-0.0e", "+"))
    assert "E" not in text


def _floor(attribute: dict[str, Any]) -> int:
    """The least that DynamoDB can count: a byte for two digits, the text's own bytes, a byte for a Boolean or null."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return (len(value.strip("-").replace(".", "").strip("0")) + 1) // 2 + 1
    if kind == "M":
        return 3 + sum(len(name.encode()) + _floor(item) for name, item in value.items())
    if kind == "L":
        return 3 + sum(_floor(item) for item in value)
    return 1


@given(st.dictionaries(st.text(min_size=1), values, max_size=4))
def test_the_size_of_an_item_is_never_below_what_dynamodb_counts(document: dict[str, Any]) -> None:
    """Counted too small, a document over the limit would be refused for ever instead of parked."""
    item = to_item(document)

    assert item_bytes(item) >= sum(len(name.encode()) + _floor(value) for name, value in item.items())


def test_the_size_of_known_items() -> None:
    """As in the Developer Guide: names, values, 3 bytes for a list or a map and 1 for each entry."""
    assert item_bytes({"pk": {"S": "é"}}) == 4
    assert item_bytes({"a": {"L": [{"BOOL": True}, {"NULL": True}]}}) == 1 + 3 + 2 + 2
    assert item_bytes({"a": {"M": {"b": {"S": "xy"}}}}) == 1 + 3 + 1 + 1 + 2
