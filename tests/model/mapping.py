"""The model's source schema and its two mappings: A, and B, which an evolving deployment goes over to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

# table -> {foreign key: what it points to}; a target with @ is a value that both sides hold, not a row (virtual parent)
TARGETS: dict[str, dict[str, str]] = {
    "customer": {"referrer": "customer"},
    "product": {"sku": "product@sku"},
    "tag": {},
    "order": {
        "buyer": "customer",
        "receiver": "customer",
        "agent": "customer",
        "seller": "customer",
        "code": "order@code",
    },
    "line": {"order": "order", "product": "product", "sub": "product", "sku": "product@sku"},
    "option": {"line": "line"},
    "order_tag": {"order": "order", "tag": "tag"},
    "note": {"code": "order@code"},
}

VALUES = ("val", "big", "extra")
"""Columns of every table beside its foreign keys; `extra` is kept by mapping B alone."""


class Reference(NamedTuple):
    """A foreign key that a mapping follows, with its parameters: all of it is the identity that `cov` records."""

    column: str
    parent: str
    followed: bool
    copied: bool


class Link(NamedTuple):
    """One foreign key of one row that points somewhere."""

    parent: str
    column: str
    key: str


@dataclass(eq=False)
class Node:
    """A table at one place of a tree. `one`: the parent's `column` holds my key; `many`: my `column` the parent's."""

    table: str
    kind: str = "root"
    column: str = ""
    only: int | None = None
    copied: bool = False
    children: dict[str, Node] = field(default_factory=dict)
    shows: tuple[str, ...] = ("val", "big")
    above: Node | None = None

    @property
    def virtual(self) -> bool:
        """Whether this place is a value, not a row."""
        return "@" in self.table

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Columns that must have been seen before a document can show this row."""
        joins = [child.column for child in self.children.values() if child.kind == "one"]
        return (*self.shows, *joins, *([self.column] if self.kind == "many" else []))

    def walk(self) -> Iterator[Node]:
        """This node and all below it; sets `above` on the way."""
        yield self
        for child in self.children.values():
            child.above = self
            yield from child.walk()


@dataclass(frozen=True, eq=False)
class Aggregate:
    """One kind of document."""

    name: str
    root: Node
    generation: int


class Mapping:
    """All aggregates of one deployment, with what follows from them."""

    def __init__(self, generation: int, aggregates: list[Aggregate]) -> None:
        self.generation = generation
        self.aggregates = {aggregate.name: aggregate for aggregate in aggregates}
        self.places: dict[str, list[tuple[Aggregate, Node]]] = {}
        self.references: dict[str, frozenset[Reference]] = dict.fromkeys(TARGETS, frozenset())
        self.kept: dict[str, frozenset[str]] = {table: frozenset({"val"}) for table in TARGETS}
        uses: dict[tuple[str, str, str], set[bool]] = {}
        for aggregate in aggregates:
            for node in aggregate.root.walk():
                self.places.setdefault(node.table, []).append((aggregate, node))
                if not node.virtual:
                    self.kept[node.table] |= set(node.shows)
                if node.above is not None:
                    holder, target = (node.above, node) if node.kind == "one" else (node, node.above)
                    if not holder.virtual:
                        uses.setdefault((holder.table, node.column, target.table), set()).add(node.copied)
        for (table, column, parent), copied in uses.items():
            self.kept[table] |= {column}
            self.references[table] |= {Reference(column, parent, False in copied, True in copied)}

    def copied_from(self, table: str) -> list[tuple[str, Reference]]:
        """The references of other tables that copy rows of this one."""
        return [
            (t, ref) for t, refs in self.references.items() for ref in sorted(refs) if ref[1] == table and ref.copied
        ]

    def copied_columns(self, ref: Reference) -> tuple[str, ...]:
        """The columns that a copy of a row of that table must have."""
        return tuple(column for column in VALUES if column in self.kept[ref.parent])


def _one(table: str, column: str, **rest: Node) -> Node:
    return Node(table, "one", column, children=rest)


def _many(table: str, column: str, only: int | None = None, **rest: Node) -> Node:
    return Node(table, "many", column, only, children=rest)


def _copy(table: str, column: str) -> Node:
    return Node(table, "one", column, copied=True)


def _virtual(table: str, column: str, child: Node) -> Node:
    return Node(table, "one", column, children={"rows": child}, shows=())


def _aggregates(generation: int) -> list[Aggregate]:
    later = generation > 1
    line = _many(
        "line",
        "order",
        product=_one("product", "product"),
        options=_many("option", "line", only=1),
        listed=_virtual("product@sku", "sku", _many("product", "sku")),
    )
    order = Node("order", only=1)
    order.children = {
        "buyer": _one("customer", "buyer", referrer=_one("customer", "referrer")),
        "seller": _copy("customer", "seller"),
        "lines": line,
        "tags": _many("order_tag", "order", tag=_copy("tag", "tag")),
        "notes": _virtual("order@code", "code", _many("note", "code")),
    }
    customer = Node("customer")
    customer.children = {
        "referrer": _one("customer", "referrer"),
        "referred": _many("customer", "referrer"),
        "bought": _many("order", "buyer"),
        "sold": _many("order", "seller", only=1),
    }
    product = Node("product", children={"used": _many("line", "product")})
    if later:  # new: two references over columns that were kept as values, and a kept column; gone: the receiver
        customer.children["handled"] = _many("order", "agent")
        line.children["substitute"] = _one("product", "sub")
        for node in (*order.walk(), *customer.walk()):
            node.shows = () if node.virtual else ("val", "big", "extra")
    else:
        order.shows = (*order.shows, "agent")
        line.shows = (*line.shows, "sub")
        order.children["receiver"] = _one("customer", "receiver")
    return [
        Aggregate("order", order, generation),
        Aggregate("customer", customer, generation),
        Aggregate("product", product, 1),
    ]


A = Mapping(1, _aggregates(1))
B = Mapping(2, _aggregates(2))
