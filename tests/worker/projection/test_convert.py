"""Column values to document values: the rules in tables, and that nothing but DoesNotFit ever comes out."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.mapping import FieldType
from contract.values import MAX_DIGITS, NotStorable, number_text
from worker.projection.convert import DoesNotFit, convert

T = FieldType

GOOD: list[tuple[FieldType, Any, Any]] = [
    (T.DELIVERED, "text", "text"),
    (T.DELIVERED, Decimal("1.50"), Decimal("1.50")),
    (T.TEXT, "  as it is ", "  as it is "),
    (T.TEXT, 42, "42"),
    (T.TEXT, Decimal("1.500"), "1.5"),
    (T.TEXT, True, "true"),
    (T.INTEGER, 42, 42),
    (T.INTEGER, "42", 42),
    (T.INTEGER, Decimal("4.2E1"), 42),
    (T.INTEGER, "42.000", 42),
    (T.INTEGER, "-0", 0),
    (T.INTEGER, str(2**63), 2**63),
    (T.DECIMAL, 12, 12),
    (T.DECIMAL, Decimal("12.50"), Decimal("12.50")),
    (T.DECIMAL, "12.50", Decimal("12.50")),
    (T.DECIMAL, "-.5", Decimal("-0.5")),
    (T.DECIMAL, "+5.", Decimal(5)),
    (T.DECIMAL, "1e-7", Decimal("1E-7")),
    (T.DECIMAL, " 7 ", Decimal(7)),
    (T.BOOLEAN, True, True),
    (T.BOOLEAN, "true", True),
    (T.BOOLEAN, "F", False),
    (T.BOOLEAN, 1, True),
    (T.BOOLEAN, Decimal("0.0"), False),
    (T.DATE, "2024-07-29", "2024-07-29"),
    (T.DATE, "2024-07-29T00:00:00Z", "2024-07-29"),
    (T.DATE, "2024-07-29 00:00:00.000", "2024-07-29"),
    (T.TIMESTAMP, "2024-07-29T00:02:00.100000Z", "2024-07-29T00:02:00.1"),
    (T.TIMESTAMP, "2024-07-29 00:02:00", "2024-07-29T00:02:00"),
    (T.TIMESTAMP, "2023-06-02T10:18:25.912723000Z", "2023-06-02T10:18:25.912723"),
    (T.TIMESTAMP, "2024-07-29", "2024-07-29T00:00:00"),
    (T.TIMESTAMPTZ, "2017-05-29T11:01:31.000401Z", "2017-05-29T11:01:31.000401Z"),
    (T.TIMESTAMPTZ, "2017-05-29T11:01:31", "2017-05-29T11:01:31Z"),
    (T.TIMESTAMPTZ, "2017-05-29 01:01:31.50+02", "2017-05-28T23:01:31.5Z"),
    (T.TIMESTAMPTZ, "2017-05-29T23:01:31-01:30", "2017-05-30T00:31:31Z"),
    (T.TIMESTAMPTZ, "2017-05-29T23:01:31+0530", "2017-05-29T17:31:31Z"),
    (T.TIMESTAMPTZ, "0999-06-01T00:00:00+01", "0999-05-31T23:00:00Z"),
    (T.TIMESTAMPTZ, "2024-07-29", "2024-07-29T00:00:00Z"),
    (T.JSON, '{"a": [1, 2.50, null, "é"]}', {"a": [1, Decimal("2.50"), None, "é"]}),
    (T.JSON, "12345678901234567890", 12345678901234567890),
    (T.JSON, "1.234567890123456789", Decimal("1.234567890123456789")),
    (T.JSON, True, True),
    (T.BINARY, "0x00ff10", "AP8Q"),
    (T.BINARY, "00FF", "AP8="),
    (T.BINARY, "0Xdeadbeef", "3q2+7w=="),
    (T.BINARY, "0x", ""),
    (T.BINARY, "", ""),
]

BAD: list[tuple[FieldType, Any, str]] = [
    (T.TEXT, {"a": 1}, "an object or a list is no text"),
    (T.TEXT, [], "an object or a list is no text"),
    (T.INTEGER, "4.2", "not a whole number"),
    (T.INTEGER, "1e50", "not a whole number"),
    (T.INTEGER, "four", "not a number"),
    (T.INTEGER, True, "not a number"),
    (T.DECIMAL, "", "not a number"),
    (T.DECIMAL, "1_000", "not a number"),
    (T.DECIMAL, "１２", "not a number"),
    (T.DECIMAL, "١٢", "not a number"),
    (T.DECIMAL, "1,000", "not a number"),
    (T.DECIMAL, "0x10", "not a number"),
    (T.DECIMAL, "NaN", "not a number"),
    (T.DECIMAL, "Infinity", "not a number"),
    (T.DECIMAL, "1e9999", "not a number"),
    (T.DECIMAL, "1" * 1000, "not a number"),
    (T.DECIMAL, [], "not a number"),
    (T.DECIMAL, False, "not a number"),
    (T.BOOLEAN, "yes", "neither true nor false"),
    (T.BOOLEAN, 2, "neither true nor false"),
    (T.BOOLEAN, {}, "neither true nor false"),
    (T.DATE, "2024-07-29T12:00:00Z", "not a date"),
    (T.DATE, "29.07.2024", "not a date"),
    (T.DATE, 20240729, "not a date"),
    (T.TIMESTAMP, "2024-07-29T00:02:00+02:00", "a timestamp with an offset; declare it as timestamptz"),
    (T.TIMESTAMP, "12:00:00", "not a timestamp"),
    (T.TIMESTAMP, "infinity", "not a timestamp"),
    (T.TIMESTAMP, 1722214697, "not a timestamp"),
    (T.TIMESTAMPTZ, "2024-02-30T00:00:00+01", "not a point in time"),
    (T.TIMESTAMPTZ, "9999-12-31T23:59:59-01", "not a point in time"),
    (T.TIMESTAMPTZ, "0001-01-01T00:00:00+01", "not a point in time"),
    (T.JSON, '{"a": ', "not JSON (was it cut at LobMaxSize?)"),
    (T.JSON, "NaN", "not JSON (was it cut at LobMaxSize?)"),
    (T.JSON, "[" * 100_000, "not JSON (was it cut at LobMaxSize?)"),
    (T.JSON, "9" * 5000, "not JSON (was it cut at LobMaxSize?)"),
    (T.JSON, "1e5000", "a number in the JSON is out of range"),
    (T.JSON, "1e99999999999999999999", "a number in the JSON is out of range"),
    (T.JSON, f"0.{'1' * 1000}", "a number in the JSON is out of range"),
    (T.BINARY, "0x0", "not binary as hex text"),
    (T.BINARY, "0x0g", "not binary as hex text"),
    (T.BINARY, "00 ff", "not binary as hex text"),
    (T.BINARY, "00ff\n", "not binary as hex text"),
    (T.BINARY, "\\x00ff", "not binary as hex text"),
    (T.BINARY, "٠٠", "not binary as hex text"),
    (T.BINARY, 10, "not binary as hex text"),
    (T.BINARY, [], "not binary as hex text"),
]


def _name(value: Any) -> str:
    return repr(value)[:30]


@pytest.mark.parametrize(("field_type", "value", "wanted"), GOOD, ids=_name)
def test_a_value_of_its_type_is_converted(field_type: FieldType, value: Any, wanted: Any) -> None:
    found = convert(value, field_type)

    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(("field_type", "value", "message"), BAD, ids=_name)
def test_a_value_of_another_type_does_not_fit(field_type: FieldType, value: Any, message: str) -> None:
    with pytest.raises(DoesNotFit) as caught:
        convert(value, field_type)

    assert str(caught.value) == message


@pytest.mark.parametrize("field_type", FieldType)
def test_null_stays_null_whatever_the_type(field_type: FieldType) -> None:
    assert convert(None, field_type) is None


numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
texts = st.text() | st.from_regex(r"[-+0-9.eE_TZ: ]{0,40}", fullmatch=True)
delivered = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(delivered, st.sampled_from(FieldType))
@example("1e99999999999999999999", T.JSON)
@example("9" * 5000, T.JSON)
@example("0000-00-00T99:99:99+99:99", T.TIMESTAMPTZ)
def test_whatever_is_delivered_gives_a_value_or_does_not_fit(value: Any, field_type: FieldType) -> None:
    """Anything else would stop the shard for ever."""
    with contextlib.suppress(DoesNotFit):
        convert(value, field_type)


@given(st.text(), st.sampled_from(sorted(set(FieldType) - {T.DELIVERED, T.TEXT})))
def test_no_message_holds_the_value(value: str, field_type: FieldType) -> None:
    marked = f"canary{value}"
    with pytest.raises(DoesNotFit) as caught:
        convert(marked, field_type)

    assert "canary" not in str(caught.value)


@given(st.binary(), st.booleans(), st.booleans())
def test_binary_comes_back_from_its_base64(value: bytes, prefixed: bool, upper: bool) -> None:
    text = value.hex().upper() if upper else value.hex()

    assert base64.b64decode(convert(f"0x{text}" if prefixed else text, T.BINARY), validate=True) == value


@given(numbers)
def test_a_number_and_its_text_are_the_same_decimal(value: int | Decimal) -> None:
    assert convert(str(value), T.DECIMAL) == convert(value, T.DECIMAL) == value


@given(st.text(alphabet="0123456789٣３eE+-._ \n", max_size=60))
def test_every_text_taken_for_a_number_is_small_enough_to_write_out(value: str) -> None:
    with contextlib.suppress(DoesNotFit, NotStorable):
        number = convert(value, T.DECIMAL)
        assert abs(number.adjusted()) < 2000
        assert value.isascii()
        assert len(number_text(number)) <= MAX_DIGITS + 200


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_an_offset_is_taken_off_exactly(moment: datetime, offset_minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    found = convert(zoned.isoformat(), T.TIMESTAMPTZ)

    assert datetime.fromisoformat(found) == zoned.astimezone(UTC)
    assert found[4] == "-"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_text_becomes_its_value(value: Any) -> None:
    assert convert(json.dumps(value), T.JSON) == value
