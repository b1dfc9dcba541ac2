"""Attributes from columns: value maps, types, and each policy for what does not fit."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.keys import scalar_text
from contract.mapping import Field, FieldType, Misfit
from worker.projection.convert import DoesNotFit, convert
from worker.projection.fields import as_text, reader

STATES = (("P", "paid"), ("1", "one"), ("true", "yes"), ("gone", None))
WITH_NULL = (("P", "paid"), (None, "nothing"))
NUMBERS = (("P", "1"), ("Q", "many"))
T, M = FieldType, Misfit

CASES: list[tuple[Field, Any, Any]] = [
    (Field("a", "c", T.DECIMAL), "1.5", Decimal("1.5")),
    (Field("a", "c", T.DECIMAL, M.NULL), "1.5", Decimal("1.5")),
    (Field("a", "c", T.DECIMAL, M.NULL), "x", None),
    (Field("a", "c", T.DECIMAL, M.TEXT), "x", "x"),
    (Field("a", "c", T.BOOLEAN, M.TEXT), Decimal("2.50"), "2.5"),
    (Field("a", "c", T.DECIMAL, M.TEXT), True, "true"),
    (Field("a", "c", T.DECIMAL, M.TEXT), {"b": [1, Decimal("2.50"), None], "a": "é"}, '{"a":"é","b":[1,2.50,null]}'),
    (Field("a", "c", T.DECIMAL, M.TEXT), [], "[]"),
    (Field("a", "c", T.DECIMAL, M.TEXT), None, None),
    (Field("a", "c", T.BINARY, M.TEXT), "0xg", "0xg"),
    (Field("a", "c", values=STATES), "P", "paid"),
    (Field("a", "c", values=STATES), 1, "one"),
    (Field("a", "c", values=STATES), Decimal("1.0"), "one"),
    (Field("a", "c", values=STATES), True, "yes"),
    (Field("a", "c", values=STATES), "gone", None),
    (Field("a", "c", values=STATES), None, None),
    (Field("a", "c", values=STATES, otherwise=("other",)), None, None),
    (Field("a", "c", values=STATES, otherwise=("other",)), "?", "other"),
    (Field("a", "c", values=STATES, otherwise=(None,)), "?", None),
    (Field("a", "c", values=STATES, otherwise=("other",)), {"a": 1}, "other"),
    (Field("a", "c", values=WITH_NULL), None, "nothing"),
    (Field("a", "c", values=WITH_NULL, misfit=M.NULL), "?", None),
    (Field("a", "c", values=WITH_NULL, misfit=M.TEXT), "?", "?"),
    (Field("a", "c", values=WITH_NULL, misfit=M.TEXT), ["P"], '["P"]'),
    (Field("a", "c", T.INTEGER, values=NUMBERS), "P", 1),
    (Field("a", "c", T.INTEGER, M.NULL, values=NUMBERS), "Q", None),
    (Field("a", "c", T.INTEGER, M.TEXT, values=NUMBERS), "Q", "Q"),
    (Field("a", "c", T.INTEGER, values=NUMBERS, otherwise=("0",)), "Z", 0),
    (Field("a", "c", T.BOOLEAN, values=(("J", "true"), ("N", "false"), (None, "false"))), None, False),
    (Field("a", "c", T.JSON, values=(("P", "[1]"),)), "P", [1]),
]


@pytest.mark.parametrize(("field", "value", "wanted"), CASES)
def test_a_column_is_read(field: Field, value: Any, wanted: Any) -> None:
    read = reader(field)

    assert read is not None
    assert read(value) == wanted
    assert type(read(value)) is type(wanted)


PARKED: list[tuple[Field, Any, str]] = [
    (Field("a", "c", T.DECIMAL), "x", "not a number"),
    (Field("a", "c", values=STATES), "?", "not one of the mapped values"),
    (Field("a", "c", values=STATES), ["P"], "not one of the mapped values"),
    (Field("a", "c", T.INTEGER, values=NUMBERS), "Q", "not a number"),
    (Field("a", "c", T.INTEGER, values=NUMBERS, otherwise=("none",)), "Z", "not a number"),
    (Field("a", "c", T.INTEGER, values=((None, "none"),)), None, "not a number"),
]


@pytest.mark.parametrize(("field", "value", "message"), PARKED)
def test_without_another_policy_the_document_waits(field: Field, value: Any, message: str) -> None:
    read = reader(field)

    assert read is not None
    with pytest.raises(DoesNotFit, match=message):
        read(value)


def test_what_is_shown_as_delivered_needs_no_reading() -> None:
    assert reader(Field("a", "c")) is None


scalars = st.none() | st.booleans() | st.integers() | st.decimals(-(10**20), 10**20, allow_nan=False) | st.text()
delivered = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
texts = st.none() | st.text(max_size=3)


@given(st.dictionaries(texts, texts, max_size=4), st.lists(texts, max_size=1), scalars)
def test_a_value_map_is_a_look_up_by_key_text(known: dict[str | None, str | None], rest: list[Any], value: Any) -> None:
    field = Field("a", "c", values=tuple(known.items()), otherwise=tuple(rest))
    read = reader(field)
    if read is None:
        assert not known
        return
    key = None if value is None else scalar_text(value)
    wanted = known.get(key, None if key is None else (rest or ["misfit"])[0])
    try:
        assert read(value) == wanted
    except DoesNotFit:
        assert key is not None
        assert key not in known
        assert not rest


@given(delivered, st.sampled_from(FieldType), st.sampled_from([M.NULL, M.TEXT]))
def test_a_policy_only_speaks_for_what_does_not_fit(value: Any, field_type: FieldType, misfit: Misfit) -> None:
    read = reader(Field("a", "c", field_type, misfit, otherwise=())) or (lambda same: same)
    wanted = None if misfit is M.NULL else as_text(value)
    with contextlib.suppress(DoesNotFit):
        wanted = convert(value, field_type)

    assert read(value) == wanted


@given(delivered.filter(lambda value: isinstance(value, (dict, list))))
def test_an_object_as_text_is_its_json(value: Any) -> None:
    text = as_text(value)

    assert text is not None
    assert json.loads(text, parse_float=Decimal) == _whole(value)


def _whole(value: Any) -> Any:
    """JSON has one kind of number: a Decimal without fraction or exponent comes back as an int, which is equal."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
