"""What is computed over relations, hidden ones included, at several levels together."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.mapping import Computed, Constant, Derived, Field, FieldType, Filter, Function, Kind, Node, Template
from tests.worker.projection.trees import Tables, body, built

ONE, MANY, ROOT = Kind.ONE, Kind.MANY, Kind.ROOT
ID = Field("id", "id")


def _root(*children: Node, computed: tuple[Computed, ...] = ()) -> Node:
    return Node("order", ROOT, "order", ("id",), fields=(ID,), children=children, computed=computed)


PRICE = Node("product", ONE, "product", ("id",), ("product_id",), (Field("price", "price"),), hidden=True)
PART = Node("parts", MANY, "part", ("id",), ("line_id",), (Field("n", "n"),), (PRICE,), hidden=True)
LINE = Node(
    "lines", MANY, "line", ("id",), ("order_id",), (ID,), (PART,),
    computed=(Derived("n", Function.SUM, ("parts", "n")), Derived("top", Function.MAX, ("parts", "product", "price"))),
)  # fmt: skip
PARTS: Tables = {
    "order": [{"id": 1}],
    "line": [{"id": 1, "order_id": 1}, {"id": 2, "order_id": 1}],
    "part": [
        {"id": 1, "line_id": 1, "n": 3, "product_id": 5},
        {"id": 2, "line_id": 1, "n": Decimal("0.5"), "product_id": 6},
        {"id": 3, "line_id": 1, "n": None, "product_id": None},
    ],
    "product": [{"id": 5, "price": 10}, {"id": 6, "price": 9}],
}


def test_hidden_relations_feed_what_is_computed_at_every_level() -> None:
    """Two levels of derived attributes over hidden relations, the lookup below the hidden `many` hidden as well."""
    root = _root(
        LINE,
        computed=(
            Derived("lines_n", Function.COUNT, ("lines",)),
            Derived("n", Function.SUM, ("lines", "n")),
            Derived("top", Function.MIN, ("lines", "top")),
        ),
    )

    assert body(root, PARTS) == {
        "id": 1,
        "lines": [{"id": 1, "n": Decimal("3.5"), "top": 10}, {"id": 2, "n": 0, "top": None}],
        "lines_n": 2,
        "n": Decimal("3.5"),
        "top": 10,
    }


def test_what_is_hidden_is_consulted_all_the_same() -> None:
    changed: Tables = {**PARTS, "product": [{"id": 5, "price": 10, "_v": "2"}, {"id": 6, "price": 9}]}
    found, other = built(_root(LINE), PARTS), built(_root(LINE), changed)

    assert found.body == other.body
    assert found.fingerprint != other.fingerprint


def test_a_hidden_row_that_does_not_fit_makes_the_document_wait() -> None:
    hidden = Node("lines", MANY, "line", ("id",), ("order_id",), (Field("n", "n", FieldType.INTEGER),), hidden=True)
    found = built(_root(hidden), {"order": [{"id": 1}], "line": [{"id": 1, "order_id": 1, "n": "x"}]})

    assert found.misfits == ("/lines/1: line.n as integer: not a number",)


def test_a_hidden_lookup_feeds_a_template_above_it() -> None:
    """It is taken out only when all attributes above it are made."""
    country = Node("country", ONE, "country", ("id",), ("country_id",), (Field("code", "code"),), hidden=True)
    buyer = Node("buyer", ONE, "person", ("id",), ("buyer_id",), (Field("name", "name"),), (country,))
    root = _root(
        buyer, computed=(Template("to", (("id",), ": ", ("buyer", "name"), " ", ("buyer", "country", "code"))),)
    )
    tables: Tables = {
        "order": [{"id": 1, "buyer_id": 7}],
        "person": [{"id": 7, "name": "Ann", "country_id": 3}],
        "country": [{"id": 3, "code": "NL"}],
    }

    assert body(root, tables) == {"id": 1, "buyer": {"name": "Ann"}, "to": "1: Ann NL"}
    assert body(root, {**tables, "country": []})["to"] is None


TAG = Node("tag", ONE, "tag", ("id",), ("tag_id",), (Field("weight", "weight"),))


@pytest.mark.parametrize("hidden", [False, True])
def test_what_is_derived_over_an_unwrapped_list_is_about_the_far_rows(hidden: bool) -> None:
    """Links without a far row do not count."""
    links = Node("tags", MANY, "link", ("o", "t"), ("o",), (), (TAG,), unwrap="tag", hidden=hidden)
    weight, count = Derived("weight", Function.SUM, ("tags", "weight")), Derived("n", Function.COUNT, ("tags",))
    tables: Tables = {
        "order": [{"id": 1}],
        "link": [{"o": 1, "t": n, "tag_id": n} for n in (1, 2, 3)],
        "tag": [{"id": 1, "weight": 2}, {"id": 2, "weight": Decimal("1.25")}],
    }
    shown = {} if hidden else {"tags": [{"weight": 2}, {"weight": Decimal("1.25")}]}

    assert body(_root(links, computed=(weight, count)), tables) == {"id": 1, **shown, "weight": Decimal("3.25"), "n": 2}


def test_hidden_relations_below_an_unwrapped_row_and_below_a_shared_value_are_taken_out() -> None:
    owner = Node("owner", ONE, "person", ("id",), ("owner_id",), (Field("name", "name"),), hidden=True)
    far = Node(
        "tag", ONE, "tag", ("id",), ("tag_id",), (ID,), (owner,), computed=(Template("by", (("owner", "name"),)),)
    )
    links = Node("tags", MANY, "link", ("id",), ("o",), (), (far,), unwrap="tag")
    found = Node("head", MANY, "tag", ("id",), ("code",), (ID,), (owner,))
    head = Node("head", ONE, "tag@code", ("code",), ("code",), children=(found,), first=True)
    tables: Tables = {
        "order": [{"id": 1, "code": "x"}],
        "link": [{"id": 1, "o": 1, "tag_id": 4}],
        "tag": [{"id": 4, "owner_id": 7, "code": "x"}],
        "person": [{"id": 7, "name": "Ann"}],
    }

    assert body(_root(links, head), tables) == {"id": 1, "tags": [{"id": 4, "by": "Ann"}], "head": {"id": 4}}


def test_hidden_joins_to_other_columns_are_computed_over_and_taken_out() -> None:
    hidden = Node(
        "notes", ONE, "order@number", ("number",), ("number",), hidden=True,
        children=(Node("notes", MANY, "note", ("id",), ("order_number",), (ID,), hidden=True),),
    )  # fmt: skip
    root = _root(hidden, computed=(Derived("last", Function.MAX, ("notes", "id")), Constant("kind", "order")))
    notes = [{"id": n, "order_number": "A"} for n in (9, 10)]

    assert body(root, {"order": [{"id": 1, "number": "A"}], "note": notes}) == {"id": 1, "last": 10, "kind": "order"}
    assert body(root, {"order": [{"id": 1, "number": None}]}) == {"id": 1, "last": None, "kind": "order"}


def test_misfits_name_place_attribute_and_kind_and_never_a_value() -> None:
    root = Node(
        "order", ROOT, "order", ("id",),
        fields=(Field("state", "state", values=(("P", "paid"),)), Field("blob", "blob", FieldType.BINARY)),
        children=(Node("lines", MANY, "line", ("id",), ("order_id",), (Field("v", "v"),)),),
        computed=(Template("label", (("state",), ("extra",))), Derived("total", Function.SUM, ("lines", "v"))),
    )  # fmt: skip
    found = built(
        root,
        {
            "order": [{"id": 1, "state": "canary", "blob": "canary", "extra": ["canary"]}],
            "line": [{"id": 2, "order_id": 1, "v": "canary"}],
        },
    )

    assert found.misfits == (
        "/: order.state as delivered: not one of the mapped values",
        "/: order.blob as binary: not binary as hex text",
        "/: order: label as template: extra is an object or a list",
        "/: order: total as sum: lines.v is not a number everywhere",
    )


def test_a_column_that_only_a_template_uses_is_waited_for() -> None:
    found = built(_root(computed=(Template("label", (("name",),)),)), {"order": [{"id": 1}]})

    assert found.misfits == ("/: order: name of this row not seen yet",)


prices = st.none() | st.integers(-1000, 1000) | st.decimals(-1000, 1000, places=2, allow_nan=False)
lines = st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.lists(prices, max_size=3)), max_size=5)


@given(lines)
def test_sums_of_sums_are_the_sum_of_the_join(found: list[tuple[int, bool, list[int | Decimal | None]]]) -> None:
    """Orders 1 to 3 with lines, some filtered away, and their parts: as SQL would add up order 1's."""
    part = Node("parts", MANY, "part", ("id",), ("line_id",), (Field("price", "price"),), hidden=True)
    line = Node(
        "lines", MANY, "line", ("id",), ("order_id",), (), (part,), where=(Filter("open", (True,)),), hidden=True,
        computed=(Derived("sum", Function.SUM, ("parts", "price")),),
    )  # fmt: skip
    root = _root(
        line, computed=(Derived("sum", Function.SUM, ("lines", "sum")), Derived("n", Function.COUNT, ("lines",)))
    )
    rows = [{"id": n, "order_id": order, "open": is_open} for n, (order, is_open, _) in enumerate(found)]
    parts = [{"id": f"{n}-{m}", "line_id": n, "price": p} for n, one in enumerate(found) for m, p in enumerate(one[2])]
    mine = [prices for order, is_open, prices in found if order == 1 and is_open]

    assert body(root, {"order": [{"id": 1}], "line": rows, "part": parts}) == {
        "id": 1,
        "sum": sum((Decimal(price) for one in mine for price in one if price is not None), Decimal()),
        "n": len(mine),
    }
