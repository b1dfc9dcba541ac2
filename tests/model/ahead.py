"""Rows that are written last: a batch knows what it has written, under documents whose heads it read before that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.mapping import Link
from tests.model.partial import Change, handed_on
from tests.model.rows import (
    Steps,
    Touched,
    Worker,
    covers,
    edges_were_first,
    find,
    links,
    merged,
    next_image,
    no_op,
    put_edges,
    store_row,
)
from tests.model.store import Document, DocumentId, Image, RowId, lag


@dataclass(slots=True)
class Ahead:
    """Documents as they were before these images were written."""

    heads: dict[DocumentId, Document] = field(default_factory=dict)
    images: dict[RowId, Image] = field(default_factory=dict)


@dataclass(slots=True)
class Prepared:
    """An image whose edges stand, and what it is to be written over."""

    row: RowId
    changes: list[Change]
    stored: Image | None
    image: Image


def is_lowest(worker: Worker, table: str) -> bool:
    """Whether a table's rows stand right under roots and nowhere else, and hold no copies."""
    places = worker.mapping.places.get(table, [])
    under = all(node.kind == "many" and node.above and node.above.above is None for _, node in places)
    return bool(places) and under and not any(ref.copied for ref in worker.mapping.references[table])


def _documents(worker: Worker, table: str, pointing: frozenset[Link]) -> Iterator[DocumentId]:
    for aggregate, node in worker.mapping.places[table]:
        wanted = (node.above.table if node.above else "", node.column)
        yield from ((aggregate.name, link.key) for link in sorted(pointing) if (link.parent, link.column) == wanted)


def store_lowest(
    worker: Worker, rows: dict[RowId, list[Change]], found: list[Touched], onward: list[Change], ahead: Ahead
) -> Steps:
    """All edges, then all heads, then all images; whatever is not simply written goes the ordinary way."""
    store = worker.store
    prepared: list[Prepared] = []
    for row, changes in rows.items():
        yield
        stored, before, state = merged(worker, row, changes)
        as_stored = state is before and (stored is None or covers(worker, row[0], stored))
        if as_stored or not edges_were_first(worker, state, before):
            yield from store_row(worker, row, changes, found, onward)
            continue
        image = next_image(worker, row[0], state, stored, fresh=state is not before)
        yield from put_edges(worker, row, image, stored)
        prepared.append(Prepared(row, changes, stored, image))
    if not worker.breaks("heads_after_images"):
        yield from _read_heads(worker, prepared, ahead)
    for one in prepared:
        yield
        if not store.swap_image(one.row, one.stored, one.image):
            yield from store_row(worker, one.row, one.changes, found, onward)
            continue
        if not any(lag(one.image)) or worker.breaks("known_though_it_lacks"):
            ahead.images[one.row] = one.image
        onward += handed_on(one.image.state, one.row[0], one.changes)
        if not no_op(worker, one.row[0], one.stored, one.image, one.changes):
            yield from find(worker, one.row, one.image, found)
    if worker.breaks("heads_after_images"):
        yield from _read_heads(worker, prepared, ahead)


def _read_heads(worker: Worker, prepared: list[Prepared], ahead: Ahead) -> Steps:
    for one in prepared:
        pointing = links(one.image, worker.mapping.references[one.row[0]])
        for document in _documents(worker, one.row[0], pointing):
            if document not in ahead.heads:
                yield
                ahead.heads[document] = worker.store.documents.get(document, Document())
