"""A stored document and the rows it was built from, read the way the engine reads them. Steps, for any store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from contract.keys import DOCUMENT_SK, document_pk
from contract.parts import reading
from contract.values import Item, from_item
from worker.projection.assemble import Memory, assemble
from worker.projection.flat_documents import holds_row, stored_rows
from worker.projection.operations import Get, Operation, Steps, TableName
from worker.projection.plan import Plan
from worker.projection.reading import read_trees
from worker.projection.roots import Root
from worker.projection.shape import Shape, shape_of
from worker.records.rows import Row

MOST_ROWS: Final = 500
"""Rows that are shown; a document may have very many."""


@dataclass(slots=True)
class Node:
    """A row at one place of a document.

    `state`: `row`, `deleted`, `never seen`, `left` (an edge is there, but the row points elsewhere by now), `copied`.
    """

    place: str
    table: str
    key: str
    state: str
    version: str = ""
    columns: Row = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored: system attributes and body of the document, its rows; `left_out`: rows beyond those shown.

    `misfits`: what keeps the document as it is. `due`: the rows say something else than the document does.
    """

    system: dict[str, Any] | None
    body: dict[str, Any] | None
    rows: Node
    left_out: int
    misfits: tuple[str, ...]
    differs: bool


def look(plan: Plan, root: Root) -> Steps[Found]:
    """Read a document and its rows; nothing is written. Raises PartsMissing."""
    aggregate, key = root
    (item,) = yield [Get(TableName.DOCUMENTS, document_pk(aggregate.name, key), DOCUMENT_SK)]
    whole = (yield from _whole(item)) if item is not None else None
    table = aggregate.root.table
    if item is not None and holds_row(item):
        version, row = (yield from stored_rows(plan, [(table, key)])).get((table, key), ("", None))
        rows = Node(aggregate.name, table, key, _state(version, row), version, row or {})
        return Found(_system(item), _body(whole), rows, 0, (), differs=False)
    memory = yield from read_trees(plan, [root])
    built = assemble(aggregate, key, memory)
    walk = _Walk(memory)
    rows = walk.node(shape_of(aggregate.root), aggregate.name, key)
    stored = item["_fp"]["S"] if item is not None and "_fp" in item else ""
    differs = built.fingerprint != stored and (item is not None or built.body is not None)
    return Found(_system(item), _body(whole), rows, walk.left_out, built.misfits, differs)


def _whole(item: Item) -> Steps[Item | None]:
    pk = item["pk"]["S"]
    steps = reading(item)
    try:
        sort_keys, _ = next(steps)
        while True:
            gets: list[Operation] = [Get(TableName.DOCUMENTS, pk, sk) for sk in sort_keys]
            replies = yield gets
            present = {sk: reply for sk, reply in zip(sort_keys, replies, strict=True) if reply is not None}
            sort_keys, _ = steps.send(present)
    except StopIteration as end:
        found: Item | None = end.value
        return found


def _system(item: Item | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return from_item({name: value for name, value in item.items() if name.startswith("_") and name != "_parts"})


def _body(item: Item | None) -> dict[str, Any] | None:
    if item is None or "_deleted" in item:
        return None
    return from_item({n: v for n, v in item.items() if not n.startswith("_") and n not in ("pk", "sk")})


def _state(version: str, row: Row | None) -> str:
    return "row" if row is not None else "deleted" if version else "never seen"


class _Walk:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._left = MOST_ROWS
        self.left_out = 0

    def node(self, shape: Shape, place: str, key: str, parent: str | None = None) -> Node:
        """A row and all below it. `parent`: the key that the row must point at."""
        image = self._memory.images.get((shape.table, key))
        row = image.row if image else None
        node = Node(place, shape.table, key, _state(image.version if image else "", row))
        self._left -= 1
        if image is None:
            return node
        node.version, node.columns = image.version, row or {}
        if row is None:
            return node
        if parent is not None and shape.reads_join(row) != parent:
            node.state = "left"
            return node
        for child in shape.children:
            if child.copy_id is not None and child.copy_id in image.copied:
                taken = image.copied[child.copy_id]
                node.children.append(Node(child.name, child.table, taken.key, "copied", taken.version, taken.row))
            elif child.many:
                node.children += self._elements(shape.table, key, child, child.name)
            elif (target := child.reads_join(row)) is not None:
                node.children += self._looked_up(child, target)
        return node

    def _looked_up(self, child: Shape, target: str) -> Iterator[Node]:
        if child.virtual:
            yield from self._elements(child.table, target, child.children[0], child.name)
        elif child.copy_id is None:
            yield self.node(child, child.name, target)

    def _elements(self, table: str, key: str, child: Shape, place: str) -> Iterator[Node]:
        for child_key in self._memory.edges.get((table, key, child.table, child.join), ()):
            if self._left <= 0:
                self.left_out += 1
            else:
                yield self.node(child, place, child_key, parent=key)
