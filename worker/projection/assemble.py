"""A document from row images and edges already read; pure. Everything looked at enters the fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from contract.mapping import Aggregate, Node
from worker.projection.convert import DoesNotFit
from worker.projection.image import Copy, Image
from worker.projection.ranking import rank
from worker.projection.shape import Shape, shape_of
from worker.records.rows import Row, RowId
from worker.records.version import NEVER

EdgeId = tuple[str, str, str, tuple[str, ...]]
"""Children of a row by one foreign key: parent's table and key, child's table, child's columns."""


@dataclass(slots=True)
class Memory:
    """What one group of rebuilds has read or written, all of it after the documents' revisions."""

    images: dict[RowId, Image | None] = field(default_factory=dict)
    edges: dict[EdgeId, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A document's body (None: it must not be there), its fingerprint, and what did not fit.

    `misfits` name rows by their keys, which are data: for who looks at this document. `reasons` say the same without.
    """

    body: dict[str, Any] | None
    fingerprint: str
    misfits: tuple[str, ...]
    reasons: tuple[str, ...]
    root_seen: bool


def stands(image: Image | None, node: Node) -> bool:
    """Whether a row stands at this place: it exists and no filter leaves it out."""
    if image is None:
        return False
    row = image.row
    return row is not None and shape_of(node).lets_through(row)


def edge_id(parent: Node, key: str, child: Node) -> EdgeId:
    """The children of one row (or of one value, under a virtual place) along a `many` relation."""
    return parent.table, key, child.table, child.join


def assemble(aggregate: Aggregate, key: str, memory: Memory) -> Assembled:
    """The document of one root. A value that does not fit is named, and everything else is still consulted."""
    walk = _Walk(memory)
    shape = shape_of(aggregate.root)
    image = memory.images[shape.table, key]
    body = walk.build(shape, key, "", image)
    if body is not None and shape.hides:
        _take_out_hidden(shape, body)
    fingerprint = hashlib.blake2b(aggregate.digest.encode(), digest_size=16)
    fingerprint.update("".join(walk.consulted).encode("utf-8", "surrogatepass"))
    return Assembled(body, fingerprint.hexdigest(), tuple(walk.misfits), tuple(walk.reasons), image is not None)


class _Walk:
    """One walk down the tree: all it consults and the misfits it meets."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.consulted: list[str] = []
        self.misfits: list[str] = []
        self.reasons: dict[str, None] = {}

    def consult(self, place: str, table: str, key: str, image: Image | None) -> None:
        """Place, row and version, absent rows included: equal bodies of different histories must differ."""
        version = image.state.version + image.lag if image else NEVER
        self.consulted.append(f"{place}\x00{table}\x00{key}\x00{version}\x01")

    def misfit(self, place: str, what: str) -> None:
        self.misfits.append(f"{place or '/'}: {what}")
        # of a place below a `many` only the first name is no key; the table stands in `what`
        self.reasons[f"{'/'.join(place.split('/', 2)[:2]) or '/'}: {what}"] = None

    def build(self, shape: Shape, key: str, place: str, image: Image | None) -> dict[str, Any] | None:
        """What a row shows at one place, hidden relations included; None if it does not stand there."""
        self.consult(place, shape.table, key, image)
        if image is None:
            return None
        row = image.state.row
        if row is None:
            return None
        if (shape.filters or not (shape.needs <= row.keys())) and not self.lets_through(shape, row, place):
            return None
        body = self.attributes(shape, row, place)
        if not shape.has_more:
            return body
        for child in shape.children:
            body[child.name] = self.relation(shape, key, image, row, child, place)
        if shape.calculations:
            self.calculate(shape, row, body, place)
        return body

    def lets_through(self, shape: Shape, row: Row, place: str) -> bool:
        """A row waits for columns not seen yet, unless what was seen of it leaves it out already."""
        through = shape.lets_through(row)
        if not (shape.needs <= row.keys()) and (through or shape.may_let_through(row)):
            not_seen = ", ".join(sorted(shape.needs - row.keys()))
            self.misfit(place, f"{shape.table}: {not_seen} of this row not seen yet")
        return through

    def attributes(self, shape: Shape, row: Row, place: str) -> dict[str, Any]:
        try:
            return {
                name: row.get(column) if read is None else read(row.get(column))
                for name, column, read, _ in shape.attributes
            }
        except DoesNotFit:
            return self.attributes_that_fit(shape, row, place)

    def attributes_that_fit(self, shape: Shape, row: Row, place: str) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for attribute in shape.attributes:
            value = row.get(attribute.column)
            if attribute.read is not None:
                try:
                    value = attribute.read(value)
                except DoesNotFit as problem:
                    self.misfit(place, f"{attribute.what}: {problem}")
                    continue
            body[attribute.name] = value
        return body

    def calculate(self, shape: Shape, row: Row, body: dict[str, Any], place: str) -> None:
        for calculation in shape.calculations:
            try:
                body[calculation.name] = calculation.compute(row, body)
            except DoesNotFit as problem:
                self.misfit(place, f"{calculation.what}: {problem}")

    def relation(self, shape: Shape, key: str, image: Image, row: Row, child: Shape, place: str) -> Any:
        if child.many:
            return self.children(shape, key, child, place)
        at = f"{place}/{child.name}"
        target = child.reads_join(row)
        if child.virtual:
            return self.holders(child, target, place, at)
        if target is None:
            return None
        if child.copy_id is not None:
            return self.copied(child, target, at, image.copied.get(child.copy_id))
        return self.build(child, target, at, self.memory.images[child.table, target])

    def holders(self, virtual: Shape, value: str | None, place: str, at: str) -> Any:
        """The rows that hold the same value, one or all of them; the value itself is no row and always stands."""
        if value is None:
            return None if virtual.first else []
        self.consult(at, virtual.table, value, None)
        found = self.children(virtual, value, virtual.children[0], place)
        if virtual.first:
            return found[0] if found else None
        return found

    def copied(self, child: Shape, key: str, place: str, taken: Copy | None) -> dict[str, Any] | None:
        """A looked-up row as the referring row keeps it; absent until the copy is taken."""
        version, row = (taken.version, taken.row) if taken else (NEVER, None)
        self.consulted.append(f"{place}\x00{child.table}\x00{key}\x00{version}\x01")
        if row is None or not self.lets_through(child, row, place):
            return None
        body = self.attributes(child, row, place)
        self.calculate(child, row, body, place)
        return body

    def children(self, shape: Shape, key: str, child: Shape, place: str) -> list[Any]:
        """The elements of a `many`, in order; an edge counts only if the child's image points back at the parent."""
        found: list[tuple[Any, Any]] = []
        columns = child.order_columns
        only = columns[0] if len(columns) == 1 else None
        memory, table, first_place = self.memory, child.table, f"{place}/{child.name}/"
        for child_key in memory.edges[shape.table, key, child.table, child.join]:
            at = first_place + child_key
            image = memory.images[table, child_key]
            row = image.state.row if image is not None else None
            if image is None or row is None or child.reads_join(row) != key:
                self.consult(at, table, child_key, image)  # it has left: its coming back must change the hash
                continue
            element: Any = self.build(child, child_key, at, image)
            if element is None:
                continue
            if child.unwrap is not None:
                element = element[child.unwrap]
                if element is None:
                    continue
            order = rank(row.get(only)) if only is not None else tuple([rank(row.get(column)) for column in columns])
            found.append((order, element))
        found.sort(key=itemgetter(0))
        return [element for _, element in found]


def _take_out_hidden(shape: Shape, body: dict[str, Any]) -> None:
    """Only now: attributes computed at any level above may have needed them."""
    for child in shape.children:
        if child.hidden:
            del body[child.name]
        elif child.hides:
            shown, found = child.shown, body[child.name]
            for element in found if isinstance(found, list) else [found]:
                if element is not None:
                    _take_out_hidden(shown, element)
