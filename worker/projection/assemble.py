"""A document from row images and edges already read; pure. Everything looked at enters the fingerprint."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from contract.keys import scalar_text
from contract.mapping import Aggregate, Filter, Kind, Node
from worker.projection.convert import DoesNotFit, convert
from worker.projection.images import Image, RowId
from worker.records.rows import Row, parent_key
from worker.records.version import NEVER

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)

EdgeId = tuple[str, str, str, tuple[str, ...]]
"""Children of a row by one foreign key: parent's table and key, child's table, child's columns."""


@dataclass(slots=True)
class Memory:
    """What one group of rebuilds has read, all of it after the documents' revisions."""

    images: dict[RowId, Image | None] = field(default_factory=dict)
    again: dict[RowId, Image | None] = field(default_factory=dict)
    edges: dict[EdgeId, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A document's body (None: it must not be there), its fingerprint, and what did not fit."""

    body: dict[str, Any] | None
    fingerprint: str
    misfits: tuple[str, ...]
    root_seen: bool


def stands(image: Image | None, node: Node) -> bool:
    """Whether a row stands at this place: it exists and no filter leaves it out."""
    if image is None or image.row is None:
        return False
    row = image.row
    return all(_passes(row, rule) for rule in node.where)


def points_at(image: Image | None, child: Node, parent: str) -> bool:
    """An edge counts only if the child's image points back at the parent."""
    return image is not None and image.row is not None and parent_key(image.row, child.join) == parent


def edge_id(parent: Node, key: str, child: Node) -> EdgeId:
    """The children of one row along a `many` relation."""
    return parent.table, key, child.table, child.join


def assemble(aggregate: Aggregate, key: str, memory: Memory) -> Assembled:
    """The document of one root. A value that does not fit is named, and everything else is still consulted."""
    walk = _Walk(memory)
    walk.hash.update(aggregate.digest.encode())
    body = walk.build(aggregate.root, key, "")
    root = memory.images[aggregate.root.table, key]
    return Assembled(body, walk.hash.hexdigest(), tuple(walk.misfits), root is not None)


class _Walk:
    """One walk down the tree: the hash of all it consults and the misfits it meets."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.hash = hashlib.blake2b(digest_size=16)
        self.misfits: list[str] = []

    def consult(self, place: str, node: Node, key: str, image: Image | None) -> None:
        """Place, row and version, absent rows included: equal bodies of different histories must differ."""
        version = image.version + image.lag if image else NEVER
        self.hash.update(f"{place}\x00{node.table}\x00{key}\x00{version}\x01".encode("utf-8", "surrogatepass"))

    def build(self, node: Node, key: str, place: str) -> dict[str, Any] | None:
        image = self.memory.images[node.table, key]
        self.consult(place, node, key, image)
        if image is None or image.row is None or not stands(image, node):
            return None
        if not_seen := node.needs - image.row.keys():
            columns = ", ".join(sorted(not_seen))
            self.misfits.append(f"{place or '/'}: {node.table}: {columns} of this row not seen yet")
        body = self.fields(node, image.row, place)
        for child in node.children:
            if child.kind is Kind.ONE:
                parent = parent_key(image.row, child.join)
                at = f"{place}/{child.name}"
                body[child.name] = None if parent is None else self.build(child, parent, at)
            else:
                body[child.name] = self.children(node, key, child, place)
        return body

    def fields(self, node: Node, row: Row, place: str) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for item in node.fields:
            try:
                body[item.name] = convert(row.get(item.column), item.type)
            except DoesNotFit as problem:
                self.misfits.append(f"{place or '/'}: {node.table}.{item.column} as {item.type}: {problem}")
        return body

    def children(self, node: Node, key: str, child: Node, place: str) -> list[Any]:
        found: list[tuple[tuple[Any, ...], Any]] = []
        for child_key in self.memory.edges[edge_id(node, key, child)]:
            at = f"{place}/{child.name}/{child_key}"
            image = self.memory.images[child.table, child_key]
            if image is None or image.row is None or not points_at(image, child, key):
                self.consult(at, child, child_key, image)  # it has left: its coming back must change the hash
                continue
            element: Any = self.build(child, child_key, at)
            if not self.still_there(child, child_key, key, at) or element is None:
                continue
            if child.unwrap is not None:
                element = element[child.unwrap]
                if element is None:
                    continue
            found.append((order(child, image.row), element))
        found.sort(key=lambda pair: pair[0])
        return [element for _, element in found]

    def still_there(self, child: Node, child_key: str, parent: str, place: str) -> bool:
        """The second look at a child, after its subtree was read: it may have left meanwhile."""
        row_id = (child.table, child_key)
        if row_id not in self.memory.again:
            return True
        again = self.memory.again[row_id]
        first = self.memory.images[row_id]
        if again is None or first is None or (again.version, again.lag) != (first.version, first.lag):
            self.consult(place, child, child_key, again)
        return points_at(again, child, parent)


def order(child: Node, row: Row) -> tuple[Any, ...]:
    """Sort key of a `many` element: the declared columns, then the key; numbers by value, text by code point."""
    return tuple(_rank(row.get(column)) for column in (*child.order_by, *child.key))


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 3, 0
    if isinstance(value, str):
        # a whole second would sort after its own fractions: "." is smaller than "Z"
        return 1, value[:-1] if value.endswith("Z") and _INSTANT.fullmatch(value) else value
    if isinstance(value, (int, Decimal)):
        return 0, value
    return 2, str(value)


def _passes(row: Row, rule: Filter) -> bool:
    value = row.get(rule.column)
    if value is None or isinstance(value, (dict, list)):
        return value is None and None in rule.values
    return any(allowed is not None and scalar_text(value) == scalar_text(allowed) for allowed in rule.values)
