"""Compiled mappings: what the YAML files say, checked and frozen, for the worker, `verify` and the Lambdas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeGuard

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


class Kind(StrEnum):
    """The place of a node in its tree: `one` follows my parent's columns to me, `many` follows mine to my parent."""

    ROOT = "root"
    ONE = "one"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a document, from one column."""

    name: str
    column: str
    type: FieldType = FieldType.DELIVERED


@dataclass(frozen=True, slots=True)
class Filter:
    """A row counts only if the column holds one of these values (compared as key text; None is SQL's NULL)."""

    column: str
    values: tuple[Scalar | None, ...]


@dataclass(frozen=True)
class Node:
    """A table at one place of an aggregate.

    `join` pairs with the key it points at, column by column: for `one` the parent's columns with this node's `key`,
    for `many` this node's columns with the parent's `key`. `order_by` (columns of this node, smallest first, NULL last,
    then the key) orders a `many`; `unwrap` names the `one` child whose object stands for a `many` element (N:M).
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
    sort: str | None = None


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
        instants = {field.name for field in self.root.fields if field.type is FieldType.TIMESTAMPTZ}
        for index in self.indexes:
            partition = document.get(index.partition)
            sort = document.get(index.sort) if index.sort else None
            if not _is_scalar(partition) or (index.sort and not _is_scalar(sort)):
                continue
            if index.sort in instants and isinstance(sort, str):
                sort = sort.removesuffix("Z")  # else a whole second would sort after its own fractions
            found[f"_i{index.slot}p"] = index_partition(self.name, index.name, partition)
            found[f"_i{index.slot}s"] = index_sort(sort, key)
        return found

    def parked_attributes(self, key: str) -> dict[str, str]:
        """The attributes that list a document in the index of parked ones."""
        return {"_i0p": PARKED_PARTITION, "_i0s": f"{self.name}#{key}"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key that some relation follows: `columns` of a table hold the key of `parent`, in its key's order."""

    columns: tuple[str, ...]
    parent: str


@dataclass(frozen=True, slots=True)
class Table:
    """What all mappings together need of one source table: its key, the columns kept, the foreign keys followed."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class Mapping:
    """All aggregates of one deployment."""

    aggregates: tuple[Aggregate, ...]

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Every source table in use, by `schema.table`."""
        keys: dict[str, tuple[str, ...]] = {}
        columns: dict[str, set[str]] = {}
        references: dict[str, set[Reference]] = {}
        for aggregate in self.aggregates:
            for node in aggregate.root.walk():
                keys[node.table] = node.key
                columns.setdefault(node.table, set()).update(_own_columns(node))
                references.setdefault(node.table, set())
            for parent, child in _pairs(aggregate.root):
                holder, target = (parent, child) if child.kind is Kind.ONE else (child, parent)
                columns[holder.table].update(child.join)
                references[holder.table].add(Reference(child.join, target.table))
        return {
            name: Table(
                name,
                keys[name],
                tuple(sorted(columns[name])),
                tuple(sorted(references[name], key=lambda r: (r.parent, r.columns))),
            )
            for name in sorted(keys)
        }

    def by_collection(self, collection: str) -> Aggregate | None:
        """The aggregate that a collection of the API serves."""
        return next((a for a in self.aggregates if a.collection == collection), None)

    def to_json(self) -> str:
        """Text for `from_json`; packed into the Lambdas, which then need no YAML."""
        return json.dumps([asdict(aggregate) for aggregate in self.aggregates], sort_keys=True, indent=1)

    @staticmethod
    def from_json(text: str) -> Mapping:
        """The mapping that `to_json` wrote."""
        return Mapping(tuple(_aggregate(document) for document in json.loads(text)))


def _is_scalar(value: Any) -> TypeGuard[Scalar]:
    return value is not None and not isinstance(value, (dict, list))


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    for child in node.children:
        yield node, child
        yield from _pairs(child)


def _own_columns(node: Node) -> set[str]:
    return {
        *node.key,
        *node.order_by,
        *(field.column for field in node.fields),
        *(rule.column for rule in node.where),
    }


def _aggregate(document: dict[str, Any]) -> Aggregate:
    return Aggregate(
        name=document["name"],
        collection=document["collection"],
        root=_node(document["root"]),
        indexes=tuple(Index(**index) for index in document["indexes"]),
        generation=document["generation"],
    )


def _node(document: dict[str, Any]) -> Node:
    return Node(
        name=document["name"],
        kind=Kind(document["kind"]),
        table=document["table"],
        key=tuple(document["key"]),
        join=tuple(document["join"]),
        fields=tuple(Field(f["name"], f["column"], FieldType(f["type"])) for f in document["fields"]),
        children=tuple(_node(child) for child in document["children"]),
        order_by=tuple(document["order_by"]),
        where=tuple(Filter(rule["column"], tuple(rule["values"])) for rule in document["where"]),
        unwrap=document["unwrap"],
    )
