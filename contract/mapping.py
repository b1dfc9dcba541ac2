"""Compiled mappings: what the YAML files say, checked and frozen, for the worker, `verify` and the Lambdas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeGuard

from contract.keys import PARKED_PARTITION, Scalar, index_partition, index_sort


class FieldType(StrEnum):
    """How a column's value stands in a document; `delivered` leaves it as the change record has it."""

    DELIVERED = "delivered"
    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    JSON = "json"
    BINARY = "binary"


class Kind(StrEnum):
    """The place of a node in its tree: `one` follows my parent's columns to me, `many` follows mine to my parent."""

    ROOT = "root"
    ONE = "one"
    MANY = "many"


class Misfit(StrEnum):
    """What becomes of a value that is not of its type: the document waits, or shows null, or the value as text."""

    PARK = "park"
    NULL = "null"
    TEXT = "text"


class Test(StrEnum):
    """How a filter compares. IN and NOT take a list of values and are each other's complement, NULL included."""

    __test__ = False  # no test of pytest's

    IN = "in"
    NOT = "not"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    ABOVE = "above"
    BELOW = "below"


class Function(StrEnum):
    """What a derived attribute computes over the elements of a `many`."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"


class Lookup(StrEnum):
    """Whether a `one` follows later changes of the row it shows, or keeps what it showed first."""

    FOLLOW = "follow"
    COPY = "copy"


class Policy(StrEnum):
    """What is left of a sensitive column once a record is decoded: nothing, or a keyed token of its value."""

    DROP = "drop"
    TOKEN = "token"  # noqa: S105  the name of a policy


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a document, from one column.

    `values` maps delivered values (as key text; None is NULL) to texts before the type applies; what is not in it
    becomes `otherwise` (a tuple of one), or is a misfit when that is empty. NULL without an entry stays NULL.
    """

    name: str
    column: str
    type: FieldType = FieldType.DELIVERED
    misfit: Misfit = Misfit.PARK
    values: tuple[tuple[str | None, str | None], ...] = ()
    otherwise: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """An attribute that is the same in every document; the text as its type reads it."""

    name: str
    text: str
    type: FieldType = FieldType.DELIVERED


@dataclass(frozen=True, slots=True)
class Template:
    """An attribute made of texts and values; null as soon as one of the values is.

    A part is a text, or a path: `(column,)` of this row, or `(one, ..., attribute)` of a row it looks up.
    """

    name: str
    parts: tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Derived:
    """An attribute computed over the elements of a `many`, as the document would show them (hidden ones included).

    `path`: `(many,)` for COUNT, else `(many, one, ..., attribute)`. Null values do not count; the sum of nothing is 0,
    the smallest and the largest of nothing are null. SUM takes numbers only.
    """

    name: str
    function: Function
    path: tuple[str, ...]


Computed = Constant | Template | Derived


@dataclass(frozen=True, slots=True)
class Filter:
    """A row counts only if the column passes: values are compared as key text, None is SQL's NULL.

    AT_LEAST, AT_MOST, ABOVE and BELOW have one value: a number compares with numbers, text by code point; NULL fails.
    """

    column: str
    values: tuple[Scalar | None, ...]
    test: Test = Test.IN


VIRTUAL_SEPARATOR: Final = "@"


@dataclass(frozen=True)
class Node:
    """A table at one place of an aggregate.

    `join` pairs with the key it points at, column by column: for `one` the parent's columns with this node's `key`,
    for `many` this node's columns with the parent's `key`. `order_by` (columns of this node, smallest first, NULL last,
    then the key) orders a `many`; `unwrap` names the `one` child whose object stands for a `many` element (N:M).
    A `hidden` relation feeds computed attributes and is not shown. `spread`: over how many partitions the edges of a
    `one` are spread under the row it points at.

    A **virtual** place is no row but a value that rows on both sides hold: a join to columns that are not the primary
    key. Its table is `<table>@<columns>`, its key those columns; it is a `one` with a single `many` child, the rows
    that hold the value. It stands in the document for that child: a list, or with `first` its only element or null.
    """

    name: str
    kind: Kind
    table: str
    key: tuple[str, ...]
    join: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    children: tuple[Node, ...] = ()
    order_by: tuple[str, ...] = ()
    where: tuple[Filter, ...] = ()
    unwrap: str | None = None
    computed: tuple[Computed, ...] = ()
    hidden: bool = False
    lookup: Lookup = Lookup.FOLLOW
    spread: int = 1
    first: bool = False

    @property
    def virtual(self) -> bool:
        """Whether this place is a value that both sides hold, not a row."""
        return VIRTUAL_SEPARATOR in self.table

    @cached_property
    def needs(self) -> frozenset[str]:
        """The columns of its table that this place consults."""
        joins = [self] if self.kind is Kind.MANY else []
        joins += [child for child in self.children if child.kind is Kind.ONE]
        return frozenset(_own_columns(self)).union(*(node.join for node in joins))

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index on top-level attributes; `slot` is the number of the table's overloaded index it uses."""

    name: str
    slot: int
    partition: str
    sort: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aggregate:
    """One kind of document; `generation` rises with every change of the mapping that changes documents."""

    name: str
    collection: str
    root: Node
    indexes: tuple[Index, ...] = ()
    generation: int = 1

    @cached_property
    def digest(self) -> str:
        """Fingerprint of everything declared; it enters every document's fingerprint."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def index_attributes(self, key: str, document: dict[str, Any]) -> dict[str, str]:
        """The index attributes of a document; an index whose attribute is null or no scalar leaves it out (sparse)."""
        found: dict[str, str] = {}
        instants = self._instants
        for index in self.indexes:
            partition = document.get(index.partition)
            sort = [_sort_value(document.get(name), instant=name in instants) for name in index.sort]
            values = [value for value in sort if _is_scalar(value)]
            if _is_scalar(partition) and len(values) == len(sort):
                found[f"_i{index.slot}p"] = index_partition(self.name, index.name, partition)
                found[f"_i{index.slot}s"] = index_sort(values, key)
        return found

    @cached_property
    def _instants(self) -> frozenset[str]:
        return frozenset(field.name for field in self.root.fields if field.type is FieldType.TIMESTAMPTZ)

    def parked_attributes(self, key: str) -> dict[str, str]:
        """The attributes that list a document in the index of parked ones."""
        return {"_i0p": PARKED_PARTITION, "_i0s": f"{self.name}#{key}"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key that some relation follows: `columns` of a table hold the key of `parent`, in its key's order.

    `followed`: an edge under the parent must stand as long as the row points there; else the foreign key only serves
    `copied` lookups, whose edge stands until the copy is taken. `spread`: partitions the edges are spread over.
    """

    columns: tuple[str, ...]
    parent: str
    followed: bool = True
    copied: bool = False
    spread: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """What all mappings together need of one source table: its key, the columns kept, the foreign keys followed."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A column that must not leave the source as it is; applied while decoding, for all aggregates."""

    table: str
    column: str
    policy: Policy


@dataclass(frozen=True)
class Mapping:
    """All aggregates of one deployment."""

    aggregates: tuple[Aggregate, ...]
    sensitive: tuple[Sensitive, ...] = ()

    @cached_property
    def policies(self) -> dict[str, dict[str, Policy]]:
        """The sensitive columns of each table that has any."""
        found: dict[str, dict[str, Policy]] = {}
        for entry in self.sensitive:
            found.setdefault(entry.table, {})[entry.column] = entry.policy
        return found

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Every source table in use, by `schema.table`."""
        keys: dict[str, tuple[str, ...]] = {}
        columns: dict[str, set[str]] = {}
        references: dict[str, dict[tuple[tuple[str, ...], str], Reference]] = {}
        for aggregate in self.aggregates:
            for node in aggregate.root.walk():
                if not node.virtual:
                    keys[node.table] = node.key
                    columns.setdefault(node.table, set()).update(_own_columns(node))
                    references.setdefault(node.table, {})
            for parent, child in _pairs(aggregate.root):
                holder, target = (parent, child) if child.kind is Kind.ONE else (child, parent)
                columns[holder.table].update(child.join)
                found = _reference(child, target)
                known = references[holder.table].setdefault((found.columns, found.parent), found)
                references[holder.table][found.columns, found.parent] = _both(known, found)
        return {
            name: Table(
                name,
                keys[name],
                tuple(sorted(columns[name])),
                tuple(sorted(references[name].values(), key=lambda r: (r.parent, r.columns))),
            )
            for name in sorted(keys)
        }

    def by_collection(self, collection: str) -> Aggregate | None:
        """The aggregate that a collection of the API serves."""
        return next((a for a in self.aggregates if a.collection == collection), None)

    def to_json(self) -> str:
        """Text for `from_json`; packed into the Lambdas, which then need no YAML."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @staticmethod
    def from_json(text: str) -> Mapping:
        """The mapping that `to_json` wrote."""
        document = json.loads(text)
        return Mapping(
            tuple(_aggregate(aggregate) for aggregate in document["aggregates"]),
            tuple(Sensitive(s["table"], s["column"], Policy(s["policy"])) for s in document["sensitive"]),
        )


def _sort_value(value: Any, *, instant: bool) -> Any:
    """Without its Z, else the whole second of an instant would sort after its own fractions."""
    return value.removesuffix("Z") if instant and isinstance(value, str) else value


def _is_scalar(value: Any) -> TypeGuard[Scalar]:
    return value is not None and not isinstance(value, (dict, list))


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    for child in node.children:
        yield node, child
        yield from _pairs(child)


def _reference(child: Node, target: Node) -> Reference:
    copied = child.kind is Kind.ONE and child.lookup is Lookup.COPY
    return Reference(child.join, target.table, followed=not copied, copied=copied, spread=child.spread)


def _both(one: Reference, other: Reference) -> Reference:
    return replace(
        one,
        followed=one.followed or other.followed,
        copied=one.copied or other.copied,
        spread=max(one.spread, other.spread),
    )


def _own_columns(node: Node) -> set[str]:
    templates = (part for entry in node.computed if isinstance(entry, Template) for part in entry.parts)
    return {
        *node.key,
        *node.order_by,
        *(field.column for field in node.fields),
        *(rule.column for rule in node.where),
        *(part[0] for part in templates if not isinstance(part, str) and len(part) == 1),
    }


def _aggregate(document: dict[str, Any]) -> Aggregate:
    return Aggregate(
        name=document["name"],
        collection=document["collection"],
        root=_node(document["root"]),
        indexes=tuple(Index(i["name"], i["slot"], i["partition"], tuple(i["sort"])) for i in document["indexes"]),
        generation=document["generation"],
    )


def _node(document: dict[str, Any]) -> Node:
    return Node(
        name=document["name"],
        kind=Kind(document["kind"]),
        table=document["table"],
        key=tuple(document["key"]),
        join=tuple(document["join"]),
        fields=tuple(_field(entry) for entry in document["fields"]),
        children=tuple(_node(child) for child in document["children"]),
        order_by=tuple(document["order_by"]),
        where=tuple(Filter(rule["column"], tuple(rule["values"]), Test(rule["test"])) for rule in document["where"]),
        unwrap=document["unwrap"],
        computed=tuple(_computed(entry) for entry in document["computed"]),
        hidden=document["hidden"],
        lookup=Lookup(document["lookup"]),
        spread=document["spread"],
        first=document["first"],
    )


def _field(document: dict[str, Any]) -> Field:
    return Field(
        name=document["name"],
        column=document["column"],
        type=FieldType(document["type"]),
        misfit=Misfit(document["misfit"]),
        values=tuple((value, shown) for value, shown in document["values"]),
        otherwise=tuple(document["otherwise"]),
    )


def _computed(document: dict[str, Any]) -> Computed:
    if "text" in document:
        return Constant(document["name"], document["text"], FieldType(document["type"]))
    if "parts" in document:
        parts = (part if isinstance(part, str) else tuple(part) for part in document["parts"])
        return Template(document["name"], tuple(parts))
    return Derived(document["name"], Function(document["function"]), tuple(document["path"]))
