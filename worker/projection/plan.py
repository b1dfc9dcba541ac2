"""A mapping prepared for the engine: where a table stands, which way leads up to the roots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from contract.mapping import Aggregate, Kind, Mapping, Node, Reference
from worker.records.rows import Row, parent_key


class Link(NamedTuple):
    """One foreign key of a row that points somewhere: the parent's table, the columns, the parent's key text."""

    parent: str
    columns: tuple[str, ...]
    key: str


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """A node of an aggregate's tree together with the way up."""

    aggregate: Aggregate
    node: Node
    above: Place | None


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The compiled mapping: places and foreign keys by table."""

    mapping: Mapping
    places: dict[str, tuple[Place, ...]]
    references: dict[str, tuple[Reference, ...]]

    def only_children(self, node: Node) -> bool:
        """Whether every edge that can stand under a row of this node belongs to one of the node's `many` relations."""
        relations = {(child.table, child.join) for child in node.children if child.kind is Kind.MANY}
        pointing = {
            (table, reference.columns)
            for table, references in self.references.items()
            for reference in references
            if reference.parent == node.table
        }
        return pointing == relations

    def links(self, table: str, row: Row | None) -> frozenset[Link]:
        """Where a row points; nowhere if it is deleted or all its foreign keys are NULL."""
        if row is None:
            return frozenset()
        found = ((reference, parent_key(row, reference.columns)) for reference in self.references[table])
        return frozenset(Link(ref.parent, ref.columns, key) for ref, key in found if key is not None)


def make_plan(mapping: Mapping) -> Plan:
    """Prepare a mapping once per process."""
    places: dict[str, list[Place]] = {}

    def visit(aggregate: Aggregate, node: Node, above: Place | None) -> None:
        place = Place(aggregate, node, above)
        places.setdefault(node.table, []).append(place)
        for child in node.children:
            visit(aggregate, child, place)

    for aggregate in mapping.aggregates:
        visit(aggregate, aggregate.root, None)
    return Plan(
        mapping=mapping,
        places={table: tuple(found) for table, found in places.items()},
        references={name: table.references for name, table in mapping.tables.items()},
    )


def needs_links(place: Place) -> bool:
    """Whether going up from this place follows the row's own foreign keys (else the edges that point at it)."""
    return place.above is not None and place.node.kind is Kind.MANY
