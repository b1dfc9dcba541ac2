"""What a batch need not read back: images it has written itself, for documents whose revisions it read before that.

A document may show a row as a batch has just written it, if nothing is written over the document that has seen more.
So the document's revision is read before the image is written: whoever changes the row later rebuilds the document too,
and the revision tells. And nothing above the row may be written after it, or somebody who changed the row between the
two found no way up. So the rows of tables right under the roots are written last, and of those alone it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from contract.keys import DOCUMENT_SK, document_pk
from contract.parts import OLD_PARTS, PARTS
from contract.values import Item
from worker.projection.flat import CLAIMED, VERSION
from worker.projection.image import Image
from worker.projection.operations import Get, TableName
from worker.projection.plan import CACHED, Link, Plan
from worker.records.rows import RowId

HEAD: Final = ("_rev", "_fp", "_gen", "_refs", "_as_of", VERSION, CLAIMED, PARTS, OLD_PARTS)
"""What is read of a document before it is written."""

DocumentId = tuple[str, str]
"""Aggregate and key text."""


@dataclass(slots=True)
class Ahead:
    """Documents as they were (None: not there) before these images were written."""

    heads: dict[DocumentId, Item | None] = field(default_factory=dict)
    images: dict[RowId, Image] = field(default_factory=dict)


def read_head(aggregate: str, key: str) -> Get:
    """The read of a document's head."""
    return Get(TableName.DOCUMENTS, document_pk(aggregate, key), DOCUMENT_SK, HEAD)


class Way(NamedTuple):
    """A foreign key that leads right to a root: the root's table, the columns, the aggregate."""

    parent: str
    columns: tuple[str, ...]
    aggregate: str


@lru_cache(maxsize=CACHED)
def ways_to_roots(plan: Plan, table: str) -> tuple[Way, ...]:
    """Of a table that stands right under roots alone, and whose images hold no copies; else none."""
    ways: list[Way] = []
    for place in plan.places.get(table, ()):
        if place.above is None or place.above.above is not None or not place.by_links:
            return ()
        ways.append(Way(place.above.node.table, place.node.join, place.aggregate.name))
    return () if plan.copies.get(table) else tuple(ways)


def documents_of(ways: tuple[Way, ...], links: frozenset[Link]) -> Iterator[DocumentId]:
    """The documents right above a row with these links."""
    for parent, columns, aggregate in ways:
        for link in links:
            if link.parent == parent and link.columns == columns:
                yield aggregate, link.key
