"""Keys: distinct ones never collide, equal ones meet, and sort keys order as their values do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contract.keys import (
    MAX_KEY_TEXT_BYTES,
    MAX_SORT_VALUE_BYTES,
    Scalar,
    document_pk,
    edge_sk,
    edge_sk_prefix,
    index_partition,
    index_sort,
    key_text,
    row_pk,
    scalar_text,
    sortable_text,
)

texts = st.text(max_size=40) | st.text(alphabet="%#|\x00\x1f2357FABC", max_size=12)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**6), 10**6), st.integers(-300, 300)
)
numbers = st.integers() | decimals.filter(lambda number: abs(number.adjusted()) < 1000)
parts = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "42"),
        ("42", "42"),
        (Decimal(42), "42"),
        (Decimal("42.00"), "42"),
        (Decimal("4.2E+1"), "42"),
        (Decimal("-0.0"), "0"),
        (-0, "0"),
        (Decimal("0E+5"), "0"),
        (Decimal("0.10"), "0.1"),
        (Decimal(100), "100"),
        (Decimal("1E+3"), "1000"),
        (12345678901234567890, "12345678901234567890"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        (" 042 ", " 042 "),
    ],
)
def test_one_value_has_one_text_however_it_arrives(value: Scalar, text: str) -> None:
    assert scalar_text(value) == text


@given(numbers, numbers)
def test_numbers_have_the_same_text_exactly_if_they_are_equal(one: int | Decimal, other: int | Decimal) -> None:
    assert (scalar_text(one) == scalar_text(other)) == (one == other)
    assert Decimal(scalar_text(one)) == one


@given(parts, parts)
@example(["a|b"], ["a", "b"])
@example(["a", "", "b"], ["a", "b", ""])
@example(["%7C"], ["|"])
@example(["x" * 600], ["x" * 601])
def test_distinct_keys_never_meet(one: list[str], other: list[str]) -> None:
    assert (key_text(one) == key_text(other)) == (one == other)


@given(parts)
@example(["#", "|", "%", "\n\x7f"])
def test_a_key_text_holds_no_separator_and_is_short(values: list[str]) -> None:
    text = key_text(values)

    assert "#" not in text
    assert text.isprintable() or not any(character < " " or character == "\x7f" for character in text)
    assert text.count("|") == len(values) - 1
    assert len(text.encode()) <= MAX_KEY_TEXT_BYTES


def test_a_long_key_is_hashed_and_never_looks_like_a_short_one() -> None:
    """A percent sign in a value is escaped, so no value gives the text of a hash."""
    hashed = key_text(["x" * (MAX_KEY_TEXT_BYTES + 1)])

    assert hashed.startswith("%sha256:")
    assert len(hashed) == 72
    assert key_text([hashed]) != hashed
    assert key_text(["x" * MAX_KEY_TEXT_BYTES]) == "x" * MAX_KEY_TEXT_BYTES


def test_a_long_key_that_is_no_unicode_is_hashed_as_well() -> None:
    assert key_text(["\ud800" * 600]).startswith("%sha256:")


def test_the_keys_of_items() -> None:
    """Stored data depends on these texts: changing one needs a rebuild of everything."""
    key = key_text(["a#b", 7])

    assert key == "a%23b|7"
    assert row_pk("shop.lines", key) == "shop.lines#a%23b|7"
    assert edge_sk_prefix("shop.lines", ("order_id", "part")) == "shop.lines#order_id,part#"
    assert edge_sk("shop.lines", ("order_id",), key) == "shop.lines#order_id#a%23b|7"
    assert document_pk("order", key) == "order#a%23b|7"
    assert index_partition("order", "by_status", "a|b") == "order#by_status#a%7Cb"


@given(numbers, numbers)
@example(Decimal("-1.5"), Decimal("-1.55"))
@example(-1, Decimal("-1E-20"))
@example(9, 10)
@example(Decimal("0.09"), Decimal("0.1"))
@example(0, Decimal("-0.0"))
@example(Decimal("1E+300"), Decimal("1E-300"))
def test_sortable_texts_order_as_the_numbers_do(one: int | Decimal, other: int | Decimal) -> None:
    left, right = sortable_text(one).encode(), sortable_text(other).encode()

    assert (left < right) == (one < other)
    assert (left == right) == (one == other)


@given(texts, texts)
def test_sortable_texts_order_as_code_points_do(one: str, other: str) -> None:
    """UTF-8 keeps their order, and DynamoDB orders by bytes."""
    assert (sortable_text(one).encode() < sortable_text(other).encode()) == (one < other)


def test_booleans_order_false_first() -> None:
    assert sortable_text(False) < sortable_text(True)


@given(st.text(min_size=300, max_size=400))
@example("é" * 400)
@example("x" + "😀" * 400)
def test_a_long_text_is_cut_between_characters(text: str) -> None:
    cut = sortable_text(text)

    assert text.startswith(cut)
    assert len(cut.encode()) <= MAX_SORT_VALUE_BYTES


@given(texts, texts, texts, texts)
def test_index_sort_keys_order_by_value_and_then_by_key(one: str, other: str, key: str, other_key: str) -> None:
    assume("\x00" not in one + other)
    left, right = index_sort([one], key_text([key])), index_sort([other], key_text([other_key]))

    assert (left < right) == ((one, key_text([key])) < (other, key_text([other_key])))


def test_an_index_without_a_sort_attribute_orders_by_key() -> None:
    assert index_sort([], "1") < index_sort([], "2")


@given(st.text(max_size=1000), st.text(max_size=1000))
def test_index_sort_keys_fit_into_dynamodb(value: str, key: str) -> None:
    assert len(index_sort([value], key_text([key])).encode()) <= 1024
