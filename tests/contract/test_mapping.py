"""Compiled mappings: what they need of the tables, their indexes, and the text that the Lambdas are packed with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.mapping import (
    Aggregate,
    Constant,
    Derived,
    Field,
    FieldType,
    Filter,
    Function,
    Index,
    Kind,
    Lookup,
    Mapping,
    Misfit,
    Node,
    Policy,
    Reference,
    Sensitive,
    Template,
    Test,
)
from worker.mapping.loader import load_mappings

SHIPPED = Path(__file__).parents[2] / "mappings"

names = st.text(alphabet="abcxyz_", min_size=1, max_size=6)
columns = st.lists(names, min_size=1, max_size=2, unique=True).map(tuple)
maybe = st.none() | names
fields = st.lists(
    st.builds(
        Field,
        names,
        names,
        st.sampled_from(FieldType),
        st.sampled_from(Misfit),
        st.lists(st.tuples(maybe, maybe), max_size=2).map(tuple),
        st.lists(maybe, max_size=1).map(tuple),
    ),
    max_size=3,
).map(tuple)
computed = st.lists(
    st.builds(Constant, names, names, st.sampled_from(FieldType))
    | st.builds(Template, names, st.lists(names | columns, max_size=3).map(tuple))
    | st.builds(Derived, names, st.sampled_from(Function), columns),
    max_size=2,
).map(tuple)
filters = st.lists(
    st.builds(
        Filter,
        names,
        st.lists(st.none() | st.booleans() | st.integers() | st.text(), max_size=2).map(tuple),
        st.sampled_from(Test),
    ),
    max_size=2,
).map(tuple)


def _nodes(children: Any) -> Any:
    return st.builds(
        Node,
        name=names,
        kind=st.sampled_from(Kind),
        table=names,
        key=columns,
        join=columns,
        fields=fields,
        children=children,
        order_by=columns,
        where=filters,
        unwrap=maybe,
        computed=computed,
        hidden=st.booleans(),
        lookup=st.sampled_from(Lookup),
        spread=st.integers(1, 16),
        first=st.booleans(),
    )


nodes = st.recursive(_nodes(st.just(())), lambda inner: _nodes(st.lists(inner, max_size=2).map(tuple)), max_leaves=4)
indexes = st.lists(st.builds(Index, names, st.integers(1, 3), names, columns), max_size=3).map(tuple)
aggregates = st.builds(Aggregate, names, names, nodes, indexes, st.integers(1, 99))


@given(st.lists(aggregates, max_size=3), st.lists(st.builds(Sensitive, names, names, st.sampled_from(Policy))))
def test_a_mapping_comes_back_equal_from_its_text(found: list[Aggregate], sensitive: list[Sensitive]) -> None:
    mapping = Mapping(tuple(found), tuple(sensitive))

    assert Mapping.from_json(mapping.to_json()) == mapping


@given(aggregates, aggregates)
def test_the_digest_tells_aggregates_apart(one: Aggregate, other: Aggregate) -> None:
    copy = Mapping.from_json(Mapping((one,)).to_json()).aggregates[0]

    assert copy.digest == one.digest
    assert (one.digest == other.digest) == (one == other)


def _order() -> Aggregate:
    product = Node("product", Kind.ONE, "shop.products", ("sku",), ("sku",), (Field("title", "title"),))
    lines = Node(
        "lines",
        Kind.MANY,
        "shop.lines",
        ("order_id", "line_no"),
        ("order_id",),
        (Field("quantity", "qty"),),
        (product,),
        ("position",),
        (Filter("cancelled", ("false",)),),
    )
    buyer = Node("buyer", Kind.ONE, "shop.customers", ("customer_id",), ("buyer_id",), (Field("name", "name"),))
    fields = (
        Field("order_id", "order_id"),
        Field("placed_at", "created_at", FieldType.TIMESTAMPTZ),
        Field("note", "note"),
    )
    root = Node("order", Kind.ROOT, "shop.orders", ("order_id",), fields=fields, children=(buyer, lines))
    return Aggregate("order", "orders", root, (Index("by_note", 1, "note", ("placed_at",)), Index("plain", 2, "note")))


def test_the_tables_list_key_kept_columns_and_followed_foreign_keys() -> None:
    tables = Mapping((_order(),)).tables

    assert list(tables) == ["shop.customers", "shop.lines", "shop.orders", "shop.products"]
    assert tables["shop.lines"].key == ("order_id", "line_no")
    assert tables["shop.lines"].columns == ("cancelled", "line_no", "order_id", "position", "qty", "sku")
    assert tables["shop.lines"].references == (
        Reference(("order_id",), "shop.orders"),
        Reference(("sku",), "shop.products"),
    )
    assert tables["shop.orders"].columns == ("buyer_id", "created_at", "note", "order_id")
    assert tables["shop.orders"].references == (Reference(("buyer_id",), "shop.customers"),)
    assert tables["shop.customers"].references == ()


def test_an_index_leaves_a_document_out_whose_attributes_are_null_or_no_scalar() -> None:
    order = _order()

    assert order.index_attributes("7", {"note": None, "placed_at": "x"}) == {}
    assert order.index_attributes("7", {"note": {"a": 1}}) == {}
    assert list(order.index_attributes("7", {"note": "n", "placed_at": None})) == ["_i2p", "_i2s"]
    assert order.index_attributes("7", {"note": "a|b", "placed_at": "2024"}) == {
        "_i1p": "order#by_note#a%7Cb",
        "_i1s": "2024\x007",
        "_i2p": "order#plain#a%7Cb",
        "_i2s": "\x007",
    }


def test_a_whole_second_sorts_before_its_fractions() -> None:
    """`Z` sorts after `.`, so it is left out of the sort key of a point in time."""
    order = _order()
    keys = [
        order.index_attributes("7", {"note": "n", "placed_at": moment})["_i1s"]
        for moment in (
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.1Z",
            "2024-01-01T00:00:00.15Z",
            "2024-01-01T00:00:01Z",
        )
    ]

    assert keys == sorted(keys)


def test_a_parked_document_is_listed_in_the_index_of_parked_ones() -> None:
    assert _order().parked_attributes("7") == {"_i0p": "parked", "_i0s": "order#7"}


def test_a_collection_finds_its_aggregate() -> None:
    mapping = Mapping((_order(),))

    assert mapping.by_collection("orders") is mapping.aggregates[0]
    assert mapping.by_collection("order") is None


def test_the_shipped_mappings_survive_their_text() -> None:
    mapping, problems = load_mappings(SHIPPED)

    assert problems == []
    assert mapping is not None
    assert Mapping.from_json(mapping.to_json()) == mapping


@pytest.mark.parametrize("change", [{"generation": 2}, {"collection": "others"}, {"indexes": ()}])
def test_every_part_of_a_declaration_enters_the_digest(change: dict[str, Any]) -> None:
    assert dataclasses.replace(_order(), **change).digest != _order().digest


def test_a_virtual_place_is_no_table_and_both_sides_refer_to_it() -> None:
    product = Node("product", Kind.MANY, "shop.products", ("product_id",), ("sku",), (Field("title", "title"),))
    by_sku = Node("product", Kind.ONE, "shop.products@sku", ("sku",), ("ordered",), children=(product,), first=True)
    line = Node("line", Kind.ROOT, "shop.lines", ("line_id",), children=(by_sku,))

    tables = Mapping((Aggregate("line", "lines", line),)).tables

    assert list(tables) == ["shop.lines", "shop.products"]
    assert tables["shop.lines"].references == (Reference(("ordered",), "shop.products@sku"),)
    assert tables["shop.products"].references == (Reference(("sku",), "shop.products@sku"),)
    assert tables["shop.products"].columns == ("product_id", "sku", "title")


def test_a_foreign_key_that_one_place_follows_and_another_copies_keeps_its_edges() -> None:
    def order(lookup: Lookup, spread: int = 1) -> Aggregate:
        buyer = Node("buyer", Kind.ONE, "shop.customers", ("id",), ("buyer_id",), lookup=lookup, spread=spread)
        root = Node("order", Kind.ROOT, "shop.orders", ("id",), children=(buyer,))
        return Aggregate(f"order_{lookup}", f"orders_{lookup}", root)

    copied = Mapping((order(Lookup.COPY),)).tables["shop.orders"].references
    both = Mapping((order(Lookup.COPY), order(Lookup.FOLLOW, spread=8))).tables["shop.orders"].references

    assert copied == (Reference(("buyer_id",), "shop.customers", followed=False, copied=True),)
    assert both == (Reference(("buyer_id",), "shop.customers", followed=True, copied=True, spread=8),)


def test_templates_keep_the_columns_they_show() -> None:
    label = Template("label", (("first",), " ", ("customer", "name")))
    root = Node("order", Kind.ROOT, "shop.orders", ("id",), computed=(label,))

    assert Mapping((Aggregate("order", "orders", root),)).tables["shop.orders"].columns == ("first", "id")
