"""Which mappings need no row images, and that every kept column comes back from a document as it was delivered."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.mapping import Aggregate, Field, FieldType, Index, Kind, Mapping, Misfit, Node
from worker.mapping.loader import read_mappings
from worker.projection.engine import project
from worker.projection.flat import Flat, NotFlat, flat_aggregates, read_recipe
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.rows import RowChange
from worker.store.memory import MemoryStore

USERS = "aggregate: user\nsource: shop.users\nkey: id\nfields: [id, name]\n"
AS_OF = {"S": "2026-03-01T08:00:00.000000Z"}
OTHER = "aggregate: other\nsource: shop.others\nkey: id\nfields: [id]\n"


def _tables(*files: str) -> set[str]:
    mapping, problems = read_mappings({f"{at}.yaml": text for at, text in enumerate(files)})
    assert mapping is not None, problems
    return set(flat_aggregates(mapping))


@pytest.mark.parametrize(
    "text",
    [
        USERS,
        USERS + "indexes: {by_name: {partition: name}}\n",
        USERS.replace("name]", "name, total: {type: decimal}, at: {type: timestamp}, more: {type: json}]"),
        USERS.replace("name]", "name, kind: {constant: user}, title: {template: '{name} ({id})'}]"),
        USERS.replace("name]", "name, state, shown: {column: state, values: {n: new}, otherwise: old}]"),
    ],
    ids=["columns", "index", "types", "computed", "mapped beside"],
)
def test_a_table_whose_columns_are_all_shown_is_flat(text: str) -> None:
    assert _tables(text, OTHER) == {"shop.users", "shop.others"}


@pytest.mark.parametrize(
    "text",
    [
        USERS + "where: {name: [a]}\n",
        USERS.replace("[id, name]", "[name]"),
        USERS.replace("name]", "title: {template: '{name}'}]"),
        USERS.replace("name]", "shown: {column: state, values: {n: new}}]"),
        USERS + "many: {others: {source: shop.others, key: id, join: user_id, fields: [id]}}\n",
        USERS + "one: {other: {source: shop.others, key: id, join: other_id, fields: [id]}}\n",
        USERS + "one: {boss: {source: shop.users, key: id, join: boss_id, fields: [id]}}\n",
    ],
    ids=["filter", "key not shown", "column in a template only", "mapped only", "many", "one", "itself"],
)
def test_what_a_document_does_not_hold_needs_images(text: str) -> None:
    assert "shop.users" not in _tables(text)


def test_a_table_that_something_else_uses_needs_images() -> None:
    second = USERS.replace("aggregate: user", "aggregate: second")
    looks_up = OTHER + "one: {user: {source: shop.users, key: id, join: user_id, fields: [name]}}\n"
    by_value = OTHER + "many: {users: {source: shop.users, key: id, join: town, to: town, fields: [name]}}\n"

    assert _tables(USERS, second) == set()
    assert _tables(USERS, looks_up) == set()
    assert _tables(USERS, by_value) == set()


def test_so_many_names_that_a_statement_cannot_hold_them_need_images() -> None:
    names = [f"{'column' * 20}_{at}" for at in range(60)]

    assert _tables(f"aggregate: user\nsource: shop.users\nkey: id\nfields: [id, {', '.join(names)}]\n") == set()


def flat(field_type: FieldType, misfit: Misfit = Misfit.PARK) -> tuple[Flat, Mapping]:
    """A table with one column beside its key, and an index on what it shows."""
    fields = (Field("id", "id"), Field("shown", "value", field_type, misfit))
    root = Node("user", Kind.ROOT, "shop.users", ("id",), fields=fields)
    mapping = Mapping((Aggregate("user", "users", root, (Index("by_shown", 1, "shown"),)),))
    return flat_aggregates(mapping)["shop.users"], mapping


_NUMBERS = (
    st.integers(-(10**17), 10**17)
    | st.integers(10**18, 10**36).map(Decimal)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
)
_TIMES = st.datetimes().map(lambda at: at.isoformat().replace("+00:00", "") + "Z")
_VALUES = (
    st.none()
    | st.booleans()
    | _NUMBERS
    | st.text(st.characters(codec="utf-8"))
    | _TIMES
    | st.dates().map(str)
    | st.binary(max_size=8).map(lambda value: f"0x{value.hex()}")
    | st.sampled_from(
        ["true", "f", "1", "null", '"a"', '{"b": [1, 2.50, null]}', "[]", "0xAB", "ab", "2026-01-01T10:00:00.1Z"]
    )
    | st.lists(_NUMBERS | st.text("ab"), max_size=2)
)


@given(value=_VALUES, field_type=st.sampled_from(FieldType), misfit=st.sampled_from(Misfit))
@example(value="2026-01-01T10:00:00.100000Z", field_type=FieldType.TIMESTAMP, misfit=Misfit.PARK)
@example(value="2026-01-01T10:00:00+02:00", field_type=FieldType.TIMESTAMPTZ, misfit=Misfit.PARK)
@example(value=True, field_type=FieldType.DELIVERED, misfit=Misfit.PARK)
@example(value=1, field_type=FieldType.BOOLEAN, misfit=Misfit.PARK)
@example(value="0", field_type=FieldType.DECIMAL, misfit=Misfit.PARK)
@example(value="AAE=", field_type=FieldType.BINARY, misfit=Misfit.TEXT)
def test_a_flat_document_is_the_ordinary_one_and_gives_its_row_back(
    value: Any, field_type: FieldType, misfit: Misfit
) -> None:
    """The same attributes as by way of a row image; the delivered value, of its type, numbers by value."""
    made, mapping = flat(field_type, misfit)
    row = {"id": 1, "value": value}
    store = MemoryStore()
    store.drive(project(replace(make_plan(mapping), flats={}), [RowChange("shop.users", "1", "1", row)], ""))
    ordinary = store.items[TableName.DOCUMENTS, "user#1", "#"]

    try:
        item = made.body("1", row, "1", AS_OF)[0].decoded()
    except NotFlat:
        assert "_parked" in ordinary
        return

    own = {"pk", "sk", "_raw", "_rev", "_fp", "_gen", "_refs", "_as_of", "_v"}
    assert {name: shown for name, shown in item.items() if name not in own} == {
        name: shown for name, shown in ordinary.items() if name not in own
    }
    back = read_recipe(made.recipe.written()).row(item)
    assert back == row
    assert _kind(back["value"]) is _kind(value)


def _kind(value: Any) -> type:
    """Whole numbers and fractions are one kind: stored rows do not tell them apart either."""
    return Decimal if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else type(value)


def test_a_deleted_document_is_no_row() -> None:
    made, _ = flat(FieldType.TEXT)

    assert made.recipe.row({"_deleted": {"BOOL": True}}) is None


def test_the_form_tells_which_changing_attributes_are_there() -> None:
    """Without the index, or without the delivered form, a document has other attributes and another form."""
    made, _ = flat(FieldType.DECIMAL)
    forms = [made.body("1", {"id": 1, "value": value}, "1", AS_OF)[1] for value in (1, 2, None, "3")]

    assert forms[0] == forms[1]
    assert len({str(form.value) for form in [*forms, made.tombstone]}) == 4


def test_a_document_that_repeats_a_large_column_may_be_too_large() -> None:
    """A row is never larger than an item may be; twice its columns may."""
    root = Node("user", Kind.ROOT, "shop.users", ("id",), fields=tuple(Field(name, "id") for name in ("a", "b")))
    made = flat_aggregates(Mapping((Aggregate("user", "users", root),)))["shop.users"]

    made.body("1", {"id": "x" * 150_000}, "1", AS_OF)
    with pytest.raises(NotFlat):
        made.body("1", {"id": "x" * 250_000}, "1", AS_OF)
