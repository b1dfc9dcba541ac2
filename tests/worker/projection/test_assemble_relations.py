"""Relations in documents: joins to other columns, copied lookups, self references."""

from __future__ import annotations

from typing import Any

import pytest

from contract.mapping import Field, FieldType, Filter, Kind, Lookup, Node, Template, Test
from tests.worker.projection.trees import Tables, body, built
from worker.projection.image import Copy
from worker.records.rows import Row

ONE, MANY, ROOT = Kind.ONE, Kind.MANY, Kind.ROOT
ID = Field("id", "id")


def _root(*children: Node) -> Node:
    return Node("order", ROOT, "order", ("id",), fields=(ID,), children=children)


# a product that lines name by its code, and the notes that name the order by its number
PRODUCT = Node(
    "product", ONE, "product@code", ("code",), ("code",), first=True,
    children=(Node("product", MANY, "product", ("id",), ("code",), (ID, Field("title", "title"))),),
)  # fmt: skip
NOTES = Node(
    "notes", ONE, "order@number", ("number",), ("number",),
    children=(
        Node("notes", MANY, "note", ("id",), ("order_number",), (ID,), order_by=("rank",),
             where=(Filter("draft", (True,), Test.NOT),)),
    ),
)  # fmt: skip


def test_a_one_may_join_to_another_unique_column() -> None:
    tables: Tables = {"order": [{"id": 1, "code": "x"}], "product": [{"id": 5, "code": "x", "title": "t"}]}

    assert body(_root(PRODUCT), tables) == {"id": 1, "product": {"id": 5, "title": "t"}}


@pytest.mark.parametrize("code", [None, "y"])
def test_a_value_that_no_row_holds_finds_nothing(code: str | None) -> None:
    tables: Tables = {
        "order": [{"id": 1, "code": code, "number": code}],
        "product": [{"id": 5, "code": "x", "title": "t"}, {"id": 6, "code": None, "title": "t"}],
        "note": [{"id": 5, "order_number": "x", "rank": 1, "draft": False}],
    }

    assert body(_root(PRODUCT, NOTES), tables) == {"id": 1, "product": None, "notes": []}


def test_of_several_rows_with_one_value_the_first_by_key_is_shown() -> None:
    """Only while the source moves a value from one row to another: its column is unique."""
    products = [{"id": n, "code": "x", "title": "t"} for n in (10, 9, 11)]

    assert body(_root(PRODUCT), {"order": [{"id": 1, "code": "x"}], "product": products})["product"]["id"] == 9


def test_a_many_may_join_to_other_columns_of_its_parent() -> None:
    """Ordered and filtered as any other."""
    notes = [
        {"id": 1, "order_number": "A", "rank": 3, "draft": False},
        {"id": 2, "order_number": "A", "rank": 1, "draft": None},
        {"id": 3, "order_number": "A", "rank": 2, "draft": True},
        {"id": 4, "order_number": "B", "rank": 0, "draft": False},
    ]

    assert body(_root(NOTES), {"order": [{"id": 1, "number": "A"}], "note": notes})["notes"] == [{"id": 2}, {"id": 1}]


def test_the_value_two_rows_share_is_in_the_fingerprint() -> None:
    found = [built(_root(PRODUCT), {"order": [{"id": 1, "code": code}]}) for code in ("x", "y", None)]

    assert len({one.fingerprint for one in found}) == 3
    assert [one.body for one in found] == [{"id": 1, "product": None}] * 3


def test_joins_to_other_columns_stand_below_each_other() -> None:
    """A `one` of a `many`'s element, with a `one` of its own."""
    maker = Node("maker", ONE, "maker", ("id",), ("maker_id",), (Field("name", "name"),))
    found = Node("product", MANY, "product", ("id",), ("code",), (ID,), (maker,))
    product = Node("product", ONE, "product@code", ("code",), ("code",), children=(found,), first=True)
    line = Node("lines", MANY, "line", ("id",), ("order_id",), (ID,), (product,))
    tables: Tables = {
        "order": [{"id": 1}],
        "line": [{"id": 1, "order_id": 1, "code": "x"}, {"id": 2, "order_id": 1, "code": "y"}],
        "product": [{"id": 5, "code": "x", "maker_id": 3}],
        "maker": [{"id": 3, "name": "m"}],
    }

    assert body(_root(line), tables)["lines"] == [
        {"id": 1, "product": {"id": 5, "maker": {"name": "m"}}},
        {"id": 2, "product": None},
    ]


BUYER = Node(
    "buyer", ONE, "person", ("id",), ("buyer_id",), (Field("name", "name"), Field("age", "age", FieldType.INTEGER)),
    where=(Filter("hidden", (True,), Test.NOT),), lookup=Lookup.COPY, computed=(Template("label", ("Dr ", ("name",))),),
)  # fmt: skip
PERSON = {"id": 7, "name": "Ann", "age": 40, "hidden": False}


def _copied(row: Row | None, version: str = "1", tables: Tables | None = None) -> Any:
    copies = {} if row is None else {("order", "1"): {"person|buyer_id": Copy(version, row, "7")}}
    return built(_root(BUYER), {"order": [{"id": 1, "buyer_id": 7}], **(tables or {})}, copies)


def test_a_copied_row_stays_as_it_was_taken() -> None:
    """Whatever the looked-up row says now; computed attributes and filters are about the copy."""
    found = _copied(PERSON, tables={"person": [{**PERSON, "name": "Bea"}]})
    changed = _copied(PERSON, tables={"person": [{**PERSON, "name": "Cid", "_v": "2"}]})

    assert found.body == {"id": 1, "buyer": {"name": "Ann", "age": 40, "label": "Dr Ann"}}
    assert changed == found
    assert _copied({**PERSON, "hidden": True}).body == {"id": 1, "buyer": None}


def test_before_a_copy_is_taken_there_is_nothing() -> None:
    """Even if the row is there: taking the copy is what shows it, and that changes the fingerprint."""
    without = _copied(None, tables={"person": [PERSON]})

    assert without.body == {"id": 1, "buyer": None}
    assert len({without.fingerprint, _copied(PERSON).fingerprint, _copied(PERSON, "2").fingerprint}) == 3


def test_a_copy_that_does_not_fit_makes_the_document_wait() -> None:
    lacking = {name: value for name, value in PERSON.items() if name != "name"}

    assert _copied({**PERSON, "age": "old"}).misfits == ("/buyer: person.age as integer: not a number",)
    assert _copied(lacking).misfits == ("/buyer: person: name of this row not seen yet",)


def test_a_foreign_key_that_is_null_shows_no_copy() -> None:
    copies = {("order", "1"): {"person|buyer_id": Copy("1", PERSON, "7")}}

    assert body(_root(BUYER), {"order": [{"id": 1, "buyer_id": None}]}, copies) == {"id": 1, "buyer": None}


def test_a_self_reference_repeats_itself_as_deep_as_it_is_declared() -> None:
    """A loop in the data ends there as well."""
    node = Node("boss", ONE, "person", ("id",), ("boss_id",), (ID,))
    for _ in range(2):
        node = Node("boss", ONE, "person", ("id",), ("boss_id",), (ID,), (node,))
    root = Node("person", ROOT, "person", ("id",), fields=(ID,), children=(node,))
    people = [{"id": 1, "boss_id": 2}, {"id": 2, "boss_id": 1}]

    assert body(root, {"person": people}) == {"id": 1, "boss": {"id": 2, "boss": {"id": 1, "boss": {"id": 2}}}}
