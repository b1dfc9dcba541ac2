"""A mapping prepared for the engine: where a table stands, which way leads up to the roots."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from contract.keys import KeyReader, edge_pk, edge_pks, edge_sk_prefix, key_reader, row_pk
from contract.mapping import Aggregate, Kind, Lookup, Mapping, Node, Reference
from worker.projection.flat import Flat, flat_aggregates
from worker.projection.overflow import DEFAULT_DOCUMENT_BYTES, Sizes
from worker.records.rows import Row, parent_key

CACHED: Final = 1024
"""Sets of references that are remembered: a table has one of its own and one for every mapping that stored its rows."""


class Link(NamedTuple):
    """One foreign key of a row that points somewhere: the parent's table, the columns, the parent's key text."""

    parent: str
    columns: tuple[str, ...]
    key: str
    spread: int = 1


NOWHERE: Final[frozenset[Link]] = frozenset()


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """A node of an aggregate's tree and the way up: `by_links` of the row itself, else by edges that point at it."""

    aggregate: Aggregate
    node: Node
    above: Place | None
    by_links: bool


@dataclass(frozen=True, slots=True)
class CopyReference:
    """A foreign key of `table` by which rows keep a copy of the row they point at."""

    table: str
    reference: Reference
    id: str


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The compiled mapping: places and foreign keys by table.

    `coverings`: a table's foreign keys as images name those whose edges they cover. `copies`, `copied_from`: the
    foreign keys that take copies, by the table that holds them and by the table they point at. `relations`: a digest of
    the foreign keys that an aggregate's documents need, by aggregate. `pointers`: the references with how the key they
    point at is read of a row. `flats`: by table, the aggregates whose documents hold their row themselves. `sizes`: how
    documents are cut that are too large for one item.
    """

    mapping: Mapping
    places: dict[str, tuple[Place, ...]]
    references: dict[str, tuple[Reference, ...]]
    coverings: dict[str, frozenset[Reference]]
    copies: dict[str, tuple[CopyReference, ...]]
    copied_from: dict[str, tuple[CopyReference, ...]]
    columns: dict[str, frozenset[str]]
    spreads: dict[tuple[str, tuple[str, ...], str], int]
    relations: dict[str, str]
    flats: dict[str, Flat]
    pointers: dict[str, tuple[tuple[Reference, KeyReader], ...]]
    sizes: Sizes

    def only_children(self, parent: str, relations: Collection[tuple[str, tuple[str, ...]]]) -> bool:
        """Whether every edge that can stand in a row's partition is of one of these tables and foreign keys."""
        pointing = {
            (table, reference.columns)
            for table, references in self.references.items()
            for reference in references
            if reference.parent == parent
        }
        return pointing == set(relations) and all(self.spread(*relation, parent) == 1 for relation in relations)

    def links(self, table: str, row: Row | None) -> frozenset[Link]:
        """Where a row points; nowhere if it is deleted or all its foreign keys are NULL."""
        if row is None:
            return NOWHERE
        return frozenset(
            [
                Link(ref.parent, ref.columns, key, ref.spread)
                for ref, reads in self.pointers[table]
                if (key := reads(row)) is not None
            ]
        )

    def coverage(self, table: str, row: Row | None) -> frozenset[Reference]:
        """What an image covers once the edges of all its links are there.

        A foreign key whose column the image lacks (no mapping kept it when it was written) is not covered.
        """
        covering = self.coverings[table]
        if row is None or _columns(covering) <= row.keys():
            return covering
        return frozenset(ref for ref in covering if all(column in row for column in ref.columns))

    def spread(self, table: str, columns: tuple[str, ...], parent: str) -> int:
        """Over how many partitions the edges of a foreign key are spread under the row it points at."""
        return self.spreads.get((table, columns, parent), 1)

    def edge_queries(self, table: str, columns: tuple[str, ...], parent: str, key: str) -> list[tuple[str, str]]:
        """Partition and sort-key prefix of each Query that finds the rows pointing at a parent by one foreign key."""
        prefix = edge_sk_prefix(table, columns)
        return [(pk, prefix) for pk in edge_pks(parent, key, self.spread(table, columns, parent))]


def links_by(references: Iterable[Reference], row: Row | None) -> frozenset[Link]:
    """Where a row points by these foreign keys."""
    if row is None:
        return frozenset()
    return frozenset(
        [
            Link(ref.parent, ref.columns, key, ref.spread)
            for ref in references
            if (key := parent_key(row, ref.columns)) is not None
        ]
    )


@lru_cache(maxsize=CACHED)
def followed(covered: frozenset[Reference]) -> frozenset[Reference]:
    """Those whose edges stand as long as the row points by them."""
    return frozenset(ref for ref in covered if ref.followed)


@lru_cache(maxsize=CACHED)
def is_part(some: frozenset[Reference], covered: frozenset[Reference]) -> bool:
    """Whether all of some references are covered; remembered, for there are few such sets and many rows."""
    return some <= covered


@lru_cache(maxsize=CACHED)
def _columns(references: frozenset[Reference]) -> frozenset[str]:
    return frozenset(column for ref in references for column in ref.columns)


def edge_address(table: str, key: str, link: Link) -> tuple[str, str]:
    """Partition and sort key of the edge of a row's link."""
    parent = row_pk(link.parent, link.key) if link.spread == 1 else edge_pk(link.parent, link.key, key, link.spread)
    return parent, edge_sk_prefix(table, link.columns) + key


def make_plan(mapping: Mapping, max_document_bytes: int = DEFAULT_DOCUMENT_BYTES) -> Plan:
    """Prepare a mapping once per process."""
    places: dict[str, list[Place]] = {}

    def visit(aggregate: Aggregate, node: Node, above: Place | None) -> None:
        place = Place(aggregate, node, above, by_links=above is not None and node.kind is Kind.MANY)
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
        coverings={name: frozenset(map(_covering, refs)) for name, refs in references.items()},
        copies=copies,
        copied_from={name: tuple(copy for copy in taken if copy.reference.parent == name) for name in references},
        columns={name: frozenset(table.columns) for name, table in mapping.tables.items()},
        spreads={(name, ref.columns, ref.parent): ref.spread for name, refs in references.items() for ref in refs},
        relations={aggregate.name: _relations(aggregate, references) for aggregate in mapping.aggregates},
        flats=flat_aggregates(mapping),
        pointers={name: tuple((ref, key_reader(ref.columns)) for ref in refs) for name, refs in references.items()},
        sizes=Sizes(max_document_bytes),
    )


def copy_id(node: Node) -> str:
    """What the referring row's image calls the copy that this place shows."""
    return _copy_id(node.table, node.join)


def _copy_id(parent: str, columns: tuple[str, ...]) -> str:
    return f"{parent}|{','.join(columns)}"


def is_copied(node: Node) -> bool:
    """Whether the place shows a copy that the referring row's image holds."""
    return node.lookup is Lookup.COPY


def _covering(ref: Reference) -> Reference:
    # where its edges stand, and whether they stay, is part of it: edges spread anew are not there yet
    return replace(ref, copied=False)


def _relations(aggregate: Aggregate, references: dict[str, tuple[Reference, ...]]) -> str:
    own = Mapping((aggregate,)).tables
    wanted = {(name, ref.columns, ref.parent) for name, table in own.items() for ref in table.references}
    known = [(name, ref) for name, refs in references.items() for ref in refs]
    needed = sorted(repr((name, _covering(ref))) for name, ref in known if (name, ref.columns, ref.parent) in wanted)
    return _digest(needed)


def _digest(needed: list[str]) -> str:
    return hashlib.blake2s("\n".join(needed).encode(), digest_size=6).hexdigest()


NO_RELATIONS: Final = _digest([])
