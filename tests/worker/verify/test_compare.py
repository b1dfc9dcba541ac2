"""Equality of documents, value for value."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.values import from_item, to_item
from worker.verify.compare import UNFIT, Leaf, Shape, digest, first_difference, path_text, value_text

FLOATS: Shape = {"small": Leaf.FLOAT4, "large": Leaf.FLOAT8}


@pytest.mark.parametrize(
    ("mine", "theirs", "equal"),
    [
        (Decimal("1.50"), Decimal("1.5"), True),
        (Decimal("1E+3"), 1000, True),
        (Decimal("-0.0"), 0, True),
        (10**40 + 1, Decimal(10**40), False),
        (Decimal("0.1"), Decimal("0.10000000000000000000000000000000000001"), False),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, False, False),
        (None, "null", False),
        ([], {}, False),
        ([1, [2]], [1, 2], False),
        (["a,b"], ["a", "b"], False),
        ("é", "e\u0301", False),
        ({"a": None}, {}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (UNFIT, None, False),
        (UNFIT, "unfit", False),
    ],
)
def test_values_are_equal_only_with_their_types(mine: Any, theirs: Any, equal: bool) -> None:
    left, right = {"x": mine}, {"x": theirs}

    assert (first_difference(left, right, {}) is None) is equal
    assert (digest(left, {}) == digest(right, {})) is equal


@pytest.mark.parametrize(
    ("name", "mine", "theirs", "equal"),
    [
        ("small", Decimal("2.2"), Decimal("2.20000005"), True),
        ("small", Decimal("2.2"), Decimal("2.2000003"), False),
        ("small", 16777216, Decimal(16777217), True),
        ("large", Decimal("2.2"), Decimal("2.20000005"), False),
        ("large", Decimal("0.1"), Decimal("0.1000000000000000055511151231257827"), True),
        ("small", "2.2", "2.20000005", True),
        ("small", "2.2", Decimal("2.2"), False),
        ("small", None, 0, False),
        ("other", Decimal("2.2"), Decimal("2.20000005"), False),
    ],
)
def test_floats_are_equal_when_both_texts_read_as_one_float(name: str, mine: Any, theirs: Any, equal: bool) -> None:
    left, right = {"list": [{name: mine}]}, {"list": [{name: theirs}]}
    shape: Shape = {"list": FLOATS}

    assert (first_difference(left, right, shape) is None) is equal
    assert (digest(left, shape) == digest(right, shape)) is equal


_NUMBERS = st.integers(-(10**37), 10**37) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=6, allow_nan=False, allow_infinity=False
)
_NAMES = st.text(min_size=1, max_size=3)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, max_size=4)


@given(_DOCUMENTS)
def test_a_document_equals_itself_after_dynamodb(document: dict[str, Any]) -> None:
    stored = from_item(to_item(document))

    assert first_difference(document, stored, {}) is None
    assert digest(document, {}) == digest(stored, {})


@given(_DOCUMENTS, _DOCUMENTS)
def test_digest_and_first_difference_agree(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert (digest(mine, {}) == digest(theirs, {})) is (first_difference(mine, theirs, {}) is None)


def test_the_path_leads_to_the_first_difference() -> None:
    mine = {"lines": [{"n": 1}, {"n": 2, "product": {"the title": "a"}}]}
    theirs = {"lines": [{"n": 1}, {"n": 2, "product": {"the title": "b"}}, {}]}

    found = first_difference(mine, theirs, {})

    assert found is not None
    assert (found.path, found.note) == ('lines[1].product["the title"]', "another text")
    assert (found.expected, found.stored) == ("a", "b")


def test_notes_hold_no_value() -> None:
    """They are shown without being asked for."""
    found = first_difference({"secret": "s3cret", "n": 4711}, {"secret": "other", "n": 4712}, {})

    assert found is not None
    assert not {"s3cret", "other", "4711", "4712"} & set(found.note.split())


def test_path_text_quotes_what_is_no_plain_word() -> None:
    assert path_text(["a", 0, "b c", "d"]) == 'a[0]["b c"].d'


def test_value_text_is_exact_json_without_control_characters() -> None:
    value = {"n": Decimal("1.10"), "t": 'é"\u009b\n', "l": [None, True, 10**30]}

    assert value_text(value) == '{"n": 1.10, "t": "é\\"\\u009b\\n", "l": [null, true, 1' + "0" * 30 + "]}"
    assert json.loads(value_text(value), parse_float=Decimal) == value


def test_value_text_is_cut() -> None:
    assert value_text("x" * 1000) == '"' + "x" * 199 + "..."
