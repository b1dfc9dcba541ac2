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
from typing import Final

from contract.keys import DOCUMENT_SK, document_pk
from contract.parts import OLD_PARTS, PARTS
from contract.values import Item
from worker.projection.flat import CLAIMED, VERSION
from worker.projection.image import Image
from worker.projection.operations import Get, TableName
from worker.projection.plan import CACHED, Link, Place, Plan

HEAD: Final = ("_rev", "_fp", "_gen", "_refs", "_as_of", VERSION, CLAIMED, PARTS, OLD_PARTS)
"""What is read of a document before it is written."""

RowId = tuple[str, str]
"""Table and key text."""

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


@lru_cache(maxsize=CACHED)
def places_under_roots(plan: Plan, table: str) -> tuple[Place, ...]:
    """Where a table stands, if that is right under roots alone and its images hold no copies; else nothing."""
    places = plan.places.get(table, ())
    if plan.copies.get(table) or table in plan.flats:
        return ()
    under = all(place.by_links and place.above is not None and place.above.above is None for place in places)
    return places if under else ()


def documents_of(places: tuple[Place, ...], links: frozenset[Link]) -> Iterator[DocumentId]:
    """The documents right above a row with these links."""
    for place in places:
        if place.above is not None:
            wanted = place.above.node.table, place.node.join
            for link in links:
                if link[:2] == wanted:
                    yield place.aggregate.name, link.key
