"""What the examples of an aggregate have exercised: operations of each table, branches of the documents they check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from contract.keys import ROW_SK, scalar_text
from contract.mapping import Aggregate, Kind, Node
from worker.examples.model import Example
from worker.projection.assemble import stands
from worker.projection.filters import passes
from worker.projection.flat import VERSION, digest_of, read_recipe
from worker.projection.flat_documents import RECIPES_PK, holds_row
from worker.projection.image import Image, make_image, read_image
from worker.projection.merge import RowState
from worker.projection.operations import TableName
from worker.records.envelope import Operation
from worker.records.rows import Row, parent_key
from worker.store.memory import MemoryStore

Branch = tuple[str, str]
"""A place of the document (`lines.product`), and what can be the case there."""

ROOT_PLACE: Final = "(root)"


@dataclass(slots=True)
class Coverage:
    """Counts for one aggregate: changes by table and operation, and how often each branch was taken."""

    aggregate: str
    changes: dict[str, Counter[Operation]]
    branches: dict[Branch, int]
    examples: int = field(default=0)

    @property
    def taken(self) -> int:
        """How many branches were taken at least once."""
        return sum(count > 0 for count in self.branches.values())

    @property
    def missing(self) -> list[Branch]:
        """Branches that no checked document has taken."""
        return [branch for branch, count in self.branches.items() if not count]


def empty_coverage(aggregate: Aggregate) -> Coverage:
    """Nothing exercised yet: every table and every branch of the aggregate."""
    nodes = list(aggregate.root.walk())
    tables = dict.fromkeys(node.table for node in nodes if not node.virtual)
    branches = dict.fromkeys(_possible(aggregate.root, ()), 0)
    return Coverage(aggregate.name, {table: Counter() for table in tables}, branches)


def add_example(coverage: Coverage, aggregate: Aggregate, example: Example, store: MemoryStore) -> None:
    """Count the example's changes, and the branches that the documents it checks have taken at its end."""
    coverage.examples += 1
    for change in example.changes:
        if change.table in coverage.changes:
            coverage.changes[change.table][change.operation] += 1
    walk = _Walk(store)
    for expectation in example.expected:
        for branch in walk.visit(aggregate.root, expectation.key, ()):
            coverage.branches[branch] += 1


def _place(path: tuple[str, ...]) -> str:
    return ".".join(path) or ROOT_PLACE


def _possible(node: Node, path: tuple[str, ...]) -> Iterator[Branch]:
    place = _place(path)
    for rule in node.where:
        yield from ((place, f"where {rule.column} {rule.test}: {case}") for case in ("passes", "fails"))
    for entry in node.fields:
        shown = [f"{entry.name}: {'null' if value is None else value}" for value, _ in entry.values]
        yield from ((place, case) for case in [*shown, *([f"{entry.name}: otherwise"] if entry.otherwise else [])])
    for child in node.children:
        below = (*path, child.name)
        yield from ((_place(below), case) for case in _cases(child))
        yield from _possible(child.children[0] if child.virtual else child, below)


def _cases(child: Node) -> tuple[str, str]:
    single = child.first if child.virtual else child.kind is Kind.ONE
    return ("found", "absent") if single else ("elements", "empty")


class _Walk:
    """A walk through the stored rows along their foreign keys, beside the engine's own by edges."""

    def __init__(self, store: MemoryStore) -> None:
        self.rows: dict[str, dict[str, Image]] = {}
        for (table, pk, sk), item in store.items.items():
            if table is TableName.ROWS and sk == ROW_SK:
                name, _, key = pk.partition("#")
                image = read_image(item)
                if image is not None and image.row is not None:
                    self.rows.setdefault(name, {})[key] = image
            if table is TableName.DOCUMENTS and holds_row(item):
                aggregate, _, key = pk.partition("#")
                recipe = read_recipe(
                    store.items[TableName.ROWS, RECIPES_PK, f"{aggregate}#{digest_of(item)}"]["recipe"]["S"]
                )
                if (row := recipe.row(item)) is not None:
                    state = RowState(item[VERSION]["S"], row)
                    image = make_image(state, frozenset(), frozenset(), {}, None)
                    self.rows.setdefault(recipe.table, {})[key] = image

    def visit(self, node: Node, key: str, path: tuple[str, ...]) -> Iterator[Branch]:
        """The branches taken at a row and below it."""
        image = self.rows.get(node.table, {}).get(key)
        if image is None or image.row is None:
            return
        place = _place(path)
        for rule in node.where:
            yield place, f"where {rule.column} {rule.test}: {'passes' if passes(rule)(image.row) else 'fails'}"
        if not stands(image, node):
            return
        yield from ((place, case) for case in _mapped(node, image.row))
        for child in node.children:
            yield from self.relation(image.row, key, child, (*path, child.name))

    def relation(self, row: Row, key: str, child: Node, path: tuple[str, ...]) -> Iterator[Branch]:
        """The branches taken along one relation of a row."""
        target, keys = child, self.children(row, key, child)
        if child.virtual:
            (target,) = child.children
            value = parent_key(row, child.join)
            keys = [] if value is None else self.pointing(target, value)
        there = [k for k in keys if stands(self.rows.get(target.table, {}).get(k), target)]
        yield _place(path), _cases(child)[0 if there else 1]
        for child_key in keys:
            yield from self.visit(target, child_key, path)

    def children(self, row: Row, key: str, child: Node) -> list[str]:
        if child.kind is Kind.MANY:
            return self.pointing(child, key)
        parent = parent_key(row, child.join)
        return [] if parent is None else [parent]

    def pointing(self, child: Node, value: str) -> list[str]:
        rows = self.rows.get(child.table, {})
        return [key for key, image in rows.items() if image.row and parent_key(image.row, child.join) == value]


def _mapped(node: Node, row: Row) -> Iterable[str]:
    for entry in node.fields:
        if not entry.values and not entry.otherwise:
            continue
        value = row.get(entry.column)
        text = None if value is None else scalar_text(value) if not isinstance(value, (dict, list)) else ""
        if any(text == known for known, _ in entry.values):
            yield f"{entry.name}: {'null' if text is None else text}"
        elif text is not None and entry.otherwise:
            yield f"{entry.name}: otherwise"
