"""Items to JSON without loss."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.queries.item_text import attribute_text, item_text
from api_lambdas.shared.json_text import loads
from contract.values import NotStorable, from_item, to_item

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**37), 10**37) | st.decimals(-(10**9), 10**9, places=9)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT.filter(bool), inner),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, VALUES))
def test_the_text_is_the_json_of_the_stored_values(value: dict[str, Any]) -> None:
    """Any JSON reader reads what was stored, numbers with all their digits, names of types among them."""
    item = to_item(value)

    assert loads(item_text(item)) == from_item(item)
    assert json.loads(item_text(item), parse_float=Decimal) == value


@pytest.mark.parametrize("name", ["S", "N", "M", "L", "BOOL", "NULL"])
def test_an_attribute_may_be_named_like_a_type(name: str) -> None:
    assert item_text(to_item({name: {name: [{name: name}]}})) == f'{{"{name}":{{"{name}":[{{"{name}":"{name}"}}]}}}}'


def test_digits_are_left_as_they_are() -> None:
    """No float and no Decimal in between."""
    digits = "12345678901234567890.123456789012345678"

    assert item_text({"a": {"N": digits}, "b": {"N": "1.50"}}) == f'{{"a":{digits},"b":1.50}}'


@pytest.mark.parametrize("attribute", [{"SS": ["a"]}, {"B": "AA=="}, {"NS": ["1"]}])
def test_types_that_documents_do_not_have_are_refused(attribute: dict[str, Any]) -> None:
    with pytest.raises(NotStorable):
        attribute_text(attribute)
