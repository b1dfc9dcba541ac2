"""A mapping prepared for the engine: where a table stands, which way leads up to the roots."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from contract.keys import edge_pk, edge_pks, edge_sk, edge_sk_prefix
from contract.mapping import Aggregate, Kind, Lookup, Mapping, Node, Reference
from worker.records.rows import Row, parent_key


class Link(NamedTuple):
    """One foreign key of a row that points somewhere: the parent's table, the columns, the parent's key text."""

    parent: str
    columns: tuple[str, ...]
    key: str
    spread: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """A node of an aggregate's tree together with the way up."""

    aggregate: Aggregate
    node: Node
    above: Place | None


@dataclass(frozen=True, slots=True)
class CopyReference:
    """A foreign key of `table` by which rows keep a copy of the row they point at."""

    table: str
    reference: Reference
    id: str


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The compiled mapping: places and foreign keys by table.

    `reference_ids`: what an image calls the foreign keys whose edges it covers. `copies`, `copied_from`: the foreign
    keys that take copies, by the table that holds them and by the table they point at.
    """

    mapping: Mapping
    places: dict[str, tuple[Place, ...]]
    references: dict[str, tuple[Reference, ...]]
    reference_ids: dict[str, dict[Reference, str]]
    copies: dict[str, tuple[CopyReference, ...]]
    copied_from: dict[str, tuple[CopyReference, ...]]
    spreads: dict[tuple[str, tuple[str, ...], str], int]

    def only_children(self, node: Node) -> bool:
        """Whether every edge that can stand in a row's partition belongs to one of the node's `many` relations."""
        relations = {(child.table, child.join) for child in node.children if child.kind is Kind.MANY}
        pointing = {
            (table, reference.columns)
            for table, references in self.references.items()
            for reference in references
            if reference.parent == node.table
        }
        return pointing == relations and all(self.spread(*relation, node.table) == 1 for relation in relations)

    def links(self, table: str, row: Row | None) -> frozenset[Link]:
        """Where a row points; nowhere if it is deleted or all its foreign keys are NULL."""
        return frozenset(self._links(self.references[table], row))

    def covered_links(self, table: str, row: Row | None, covered: frozenset[str]) -> frozenset[Link]:
        """Those whose foreign keys an image covers: their edges are there."""
        ids = self.reference_ids[table]
        return frozenset(self._links((ref for ref in self.references[table] if ids[ref] in covered), row))

    def coverage(self, table: str, row: Row | None) -> frozenset[str]:
        """What an image covers once the edges of all its links are there.

        A foreign key whose column the image lacks (no mapping kept it when it was written) is not covered.
        """
        ids = self.reference_ids[table]
        if row is None:
            return frozenset(ids.values())
        return frozenset(id_ for ref, id_ in ids.items() if all(column in row for column in ref.columns))

    def _links(self, references: Iterable[Reference], row: Row | None) -> Iterable[Link]:
        if row is None:
            return
        for ref in references:
            key = parent_key(row, ref.columns)
            if key is not None:
                yield Link(ref.parent, ref.columns, key, ref.spread)

    def spread(self, table: str, columns: tuple[str, ...], parent: str) -> int:
        """Over how many partitions the edges of a foreign key are spread under the row it points at."""
        return self.spreads.get((table, columns, parent), 1)

    def edge_queries(self, table: str, columns: tuple[str, ...], parent: str, key: str) -> list[tuple[str, str]]:
        """Partition and sort-key prefix of each Query that finds the rows pointing at a parent by one foreign key."""
        prefix = edge_sk_prefix(table, columns)
        return [(pk, prefix) for pk in edge_pks(parent, key, self.spread(table, columns, parent))]


def edge_address(table: str, key: str, link: Link) -> tuple[str, str]:
    """Partition and sort key of the edge of a row's link."""
    return edge_pk(link.parent, link.key, key, link.spread), edge_sk(table, link.columns, key)


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
    references = {name: table.references for name, table in mapping.tables.items()}
    copies = {
        name: tuple(CopyReference(name, ref, _copy_id(ref.parent, ref.columns)) for ref in refs if ref.copied)
        for name, refs in references.items()
    }
    taken = [copy for found in copies.values() for copy in found]
    return Plan(
        mapping=mapping,
        places={table: tuple(found) for table, found in places.items()},
        references=references,
        reference_ids={name: {ref: _reference_id(ref) for ref in refs} for name, refs in references.items()},
        copies=copies,
        copied_from={name: tuple(copy for copy in taken if copy.reference.parent == name) for name in references},
        spreads={(name, ref.columns, ref.parent): ref.spread for name, refs in references.items() for ref in refs},
    )


def copy_id(node: Node) -> str:
    """What the referring row's image calls the copy that this place shows."""
    return _copy_id(node.table, node.join)


def _copy_id(parent: str, columns: tuple[str, ...]) -> str:
    return f"{parent}|{','.join(columns)}"


def is_copied(node: Node) -> bool:
    """Whether the place shows a copy that the referring row's image holds."""
    return node.lookup is Lookup.COPY


def needs_links(place: Place) -> bool:
    """Whether going up from this place follows the row's own foreign keys (else the edges that point at it)."""
    return place.above is not None and place.node.kind is Kind.MANY


def _reference_id(ref: Reference) -> str:
    # where its edges stand is part of it: edges spread anew are not there yet
    text = f"{ref.parent}|{','.join(ref.columns)}|{ref.spread}|{ref.followed}"
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()
