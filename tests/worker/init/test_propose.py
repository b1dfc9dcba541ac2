"""Which tables become documents, and what belongs to them."""

from __future__ import annotations

import pytest

from contract.mapping import FieldType, Kind
from worker.init.errors import InitError
from worker.init.model import Catalog, Column, ForeignKey, SourceTable
from worker.init.propose import Draft, DraftNode, propose
from worker.init.warnings import prerequisites, warnings


def _table(
    name: str, columns: str, key: str, *foreign: tuple[str, str, str], owned: bool = False, identity: str = "d"
) -> SourceTable:
    """Columns as `name:type`, a `?` behind a nullable one; foreign keys as (columns, parent, parent's columns)."""
    found = []
    for part in columns.split():
        column, _, kind = part.removesuffix("?").partition(":")
        base, _, size = kind.partition("/")
        found.append(Column(column, base or "int4", part.endswith("?"), int(size) if size else None))
    keys = tuple(
        ForeignKey(tuple(mine.split()), f"s.{to}", tuple(theirs.split()), owned) for mine, to, theirs in foreign
    )
    return SourceTable(f"s.{name}", tuple(found), tuple(key.split()), keys, "", identity)


def _drafts(*tables: SourceTable, roots: tuple[str, ...] = ()) -> dict[str, Draft]:
    return {draft.name: draft for draft in propose(Catalog({t.name: t for t in tables}, "logical"), roots)}


def _child(node: DraftNode, name: str) -> DraftNode:
    return next(child for child in node.children if child.name == name)


CUSTOMERS = _table("customers", "id:int8 name:text vip:bool since:timestamptz extra:jsonb?", "id")
ORDERS = _table("orders", "id:int8 customer_id:int8 total:numeric/14", "id", ("customer_id", "customers", "id"))
LINES = _table("order_lines", "order_id:int8 no:int4 sku:varchar/20?", "order_id no", ("order_id", "orders", "id"))


def test_parts_belong_to_their_parent_and_others_are_documents() -> None:
    """A table whose primary key holds a foreign key is a part; the rest of its key orders the list."""
    drafts = _drafts(CUSTOMERS, ORDERS, LINES)

    assert list(drafts) == ["customer", "order"]
    lines = _child(drafts["order"].root, "lines")
    assert (lines.kind, lines.join, lines.order_by) == (Kind.MANY, ("order_id",), ("no",))
    assert [entry.name for entry in lines.fields] == ["no", "sku"]


def test_foreign_keys_are_looked_up_and_types_follow_columns() -> None:
    """Bulky columns are left out of what is looked up."""
    order = _drafts(CUSTOMERS, ORDERS, LINES)["order"].root

    assert [(entry.name, entry.type) for entry in order.fields][-1] == ("total", FieldType.DECIMAL)
    customer = _child(order, "customer")
    assert (customer.kind, customer.join) == (Kind.ONE, ("customer_id",))
    assert [(entry.name, entry.type) for entry in customer.fields] == [
        ("id", FieldType.DELIVERED),
        ("name", FieldType.DELIVERED),
        ("vip", FieldType.BOOLEAN),
        ("since", FieldType.TIMESTAMPTZ),
    ]


def test_a_leaf_with_one_obligatory_foreign_key_is_a_part_one_with_several_by_its_name() -> None:
    """Payments of an order; the lines of an invoice, not of a track."""
    payments = _table("payments", "id order_id", "id", ("order_id", "orders", "id"))
    optional = _table("notes", "id order_id?", "id", ("order_id", "orders", "id"))
    line = _table(
        "order_item", "id order_id customer_id", "id", ("customer_id", "customers", "id"), ("order_id", "orders", "id")
    )
    drafts = _drafts(CUSTOMERS, ORDERS, payments, optional, line)

    assert list(drafts) == ["customer", "order", "note"]
    assert {child.name for child in drafts["order"].root.children} == {"customer", "payments", "items"}


def test_what_is_deleted_with_its_parent_is_a_part() -> None:
    """Even when others point at it."""
    shelves = _table("shelves", "id store_id?", "id", ("store_id", "stores", "id"), owned=True)
    books = _table("books", "id shelf_id?", "id", ("shelf_id", "shelves", "id"))

    assert list(_drafts(_table("stores", "id", "id"), shelves, books)) == ["store", "book"]


def test_a_pure_link_table_is_a_list_of_the_far_side_from_both() -> None:
    """N:M; with a column of its own it stays an element, in the order of its place."""
    tags = _table("tags", "id name:text", "id")
    keys = (("order_id", "orders", "id"), ("tag_id", "tags", "id"))
    pure = _drafts(CUSTOMERS, ORDERS, tags, _table("order_tags", "order_id tag_id", "order_id tag_id", *keys))
    placed = _drafts(
        CUSTOMERS, ORDERS, tags, _table("order_tags", "order_id tag_id position", "order_id tag_id", *keys)
    )

    of_order, of_tag = _child(pure["order"].root, "tags"), _child(pure["tag"].root, "orders")
    assert (of_order.unwrap, of_order.fields, [c.name for c in of_order.children]) == ("tag", (), ["tag"])
    assert of_tag.unwrap == "order"
    element = _child(placed["order"].root, "tags")
    assert (element.unwrap, element.order_by, [f.name for f in element.fields]) == (
        "",
        ("position",),
        ["tag_id", "position"],
    )


def test_a_link_table_that_says_more_is_called_as_it_is() -> None:
    """Reviews are no second list of persons; nor is a second pure link."""
    films, persons = _table("films", "id", "id"), _table("persons", "id", "id")
    keys = (("film_id", "films", "id"), ("person_id", "persons", "id"))
    links = [_table(name, "film_id person_id", "film_id person_id", *keys) for name in ("casts", "crews")]
    reviews = _table("reviews", "film_id person_id stars", "film_id person_id", *keys)
    drafts = _drafts(films, persons, reviews, *links)

    assert [child.name for child in drafts["film"].root.children] == ["reviews", "persons", "crews"]
    assert [child.name for child in drafts["person"].root.children] == ["reviews", "films", "crews"]


def test_a_self_reference_goes_three_levels_up() -> None:
    """A manager's manager's manager."""
    employee = _table("employees", "id manager_id? name:text", "id", ("manager_id", "employees", "id"))

    manager = _child(_drafts(employee)["employee"].root, "manager")
    assert (manager.depth, manager.join) == (3, ("manager_id",))


def test_two_foreign_keys_to_one_table_have_two_names() -> None:
    """Buyer and receiver."""
    order = _table(
        "orders", "id buyer_id receiver_id?", "id", ("buyer_id", "customers", "id"), ("receiver_id", "customers", "id")
    )
    visits = _table("visits", "a_id b_id", "a_id b_id", ("a_id", "customers", "id"), ("b_id", "customers", "id"))
    drafts = _drafts(CUSTOMERS, order, visits, LINES)

    assert [child.name for child in drafts["order"].root.children] == ["buyer", "receiver", "lines"]
    assert [child.name for child in drafts["customer"].root.children] == ["customers_by_a", "customers_by_b"]


def test_joins_are_in_the_order_of_the_key_they_point_at() -> None:
    """And a foreign key to other unique columns says which."""
    places = _table("places", "plant no code:varchar/9", "plant no")
    jobs = _table(
        "jobs", "id no? plant? code:varchar/9?", "id", ("no plant", "places", "no plant"), ("code", "places", "code")
    )

    first, second = _drafts(places, jobs)["job"].root.children
    assert (first.name, first.join, first.to) == ("place", ("plant", "no"), ())
    assert (second.name, second.join, second.to) == ("place_row", ("code",), ("code",))


def test_only_the_roots_asked_for() -> None:
    """A part may be a document of its own; a table that cannot be one is said so."""
    assert list(_drafts(CUSTOMERS, ORDERS, LINES, roots=("s.order_lines",))) == ["order_line"]
    with pytest.raises(InitError, match=r"--root: no usable table s.ordrs \(usable: s.customers"):
        _drafts(CUSTOMERS, roots=("s.ordrs",))


def test_attributes_avoid_reserved_names() -> None:
    """Of the documents table, and nearview's own."""
    root = _drafts(_table("odd", "id pk _rev", "id"))["odd"].root

    assert [(entry.name, entry.column) for entry in root.fields] == [("id", "id"), ("pk_2", "pk"), ("rev", "_rev")]


def test_warnings_name_what_dms_cannot_carry() -> None:
    """Tables without a key, large keys, numbers without precision, no replica identity, names."""
    tables = (
        _table("keyless", "a:text b", ""),
        _table("large", "code:text amount:numeric", "code", identity="n"),
        _table("od#d", "id", "id"),
    )
    catalog = Catalog({table.name: table for table in tables}, "replica")
    drafts = propose(catalog, ())

    assert [draft.name for draft in drafts] == ["large"]
    found = warnings(catalog, drafts)
    assert [line.split(": ")[0] for line in found] == [
        "s.keyless is left out", "s.od#d is left out", "s.large.code", "s.large.amount", "s.large",
    ]  # fmt: skip
    assert "large columns (a)" in found[0]
    assert prerequisites(catalog, drafts)[0].startswith("wal_level = logical (it is replica)")
