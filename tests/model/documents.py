"""Steps 6 and 7 of the protocol: from touched rows up to the documents above them, and their assembly."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.model.mapping import Aggregate, Link, Node
from tests.model.partial import UNSEEN, Cells
from tests.model.rows import Steps, Touched, Worker
from tests.model.store import Document, DocumentId, Image, RowId, lag


class NewerGeneration(Exception):
    """Something belongs to a newer generation than this worker's: it stops."""


FanOut = tuple[str, tuple[str, ...], str]
"""Aggregate, way down from its root, key of a row at a place where too many rows point at it."""


def find_roots(worker: Worker, touched: list[Touched], fan_outs: set[FanOut]) -> Generator[None, None, set[DocumentId]]:
    """Every document in which a touched row stands or stood, but for those above fan-outs: these are added."""
    roots: set[DocumentId] = set()
    for one in touched:
        for aggregate, node in worker.mapping.places.get(one.row[0], []):
            if worker.breaks("root_is_only_root") and node.above and aggregate.root.table == node.table:
                continue
            roots |= yield from _ascend(worker, aggregate, node, one.row[1], one.links, fan_outs)
    return roots


def _ascend(
    worker: Worker, aggregate: Aggregate, node: Node, key: str, links: frozenset[Link], fan_outs: set[FanOut]
) -> Generator[None, None, set[DocumentId]]:
    above = node.above
    if above is None:
        return {(aggregate.name, key)}
    if node.kind == "many":
        parents = [link.key for link in links if (link.parent, link.column) == (above.table, node.column)]
    else:
        yield
        parents = referrers(worker, node, key)
        if len(parents) > worker.store.follows:
            fan_outs.add((aggregate.name, _path(node), key))
            return set()
    return (yield from ascend_from(worker, aggregate, node, parents, fan_outs))


def ascend_from(
    worker: Worker, aggregate: Aggregate, node: Node, parents: list[str], fan_outs: set[FanOut]
) -> Generator[None, None, set[DocumentId]]:
    """The same from rows above a place."""
    above = node.above
    assert above is not None
    found: set[DocumentId] = set()
    for parent in sorted(set(parents)):
        further: frozenset[Link] = frozenset()
        if above.above is not None and above.kind == "many":
            yield
            image = worker.store.images.get((above.table, parent))
            further = _all_links(worker, above.table, image) if image else frozenset()
        found |= yield from _ascend(worker, aggregate, above, parent, further, fan_outs)
    return found


def referrers(worker: Worker, node: Node, key: str) -> list[str]:
    """The rows that point at the row at a place, in the order of their keys."""
    assert node.above is not None
    return sorted(_children(worker, (node.table, key), node.above.table, node.column))


def find_node(root: Node, path: tuple[str, ...]) -> Node | None:
    """The place at the end of a way down."""
    node: Node | None = root
    for name in path:
        node = node.children.get(name) if node else None
    return node


def _path(node: Node) -> tuple[str, ...]:
    if node.above is None:
        return ()
    name = next(name for name, child in node.above.children.items() if child is node)
    return (*_path(node.above), name)


def _all_links(worker: Worker, table: str, image: Image) -> frozenset[Link]:
    former = frozenset() if worker.breaks("former_only_at_first_level") else image.former
    values = ((ref, image.value(ref.column)) for ref in worker.mapping.references[table])
    return former | {Link(ref.parent, ref.column, key) for ref, key in values if key is not None}


def _children(worker: Worker, parent: RowId, table: str, column: str) -> list[str]:
    wanted = "" if worker.breaks("edge_shared_by_keys") else column
    return [key for t, c, key in worker.store.edges[parent] if (t, c) == (table, wanted)]


@dataclass(eq=False, slots=True)
class Walk:
    """One assembly of a document: everything consulted, and whether it has to wait for a column."""

    worker: Worker
    known: dict[RowId, Image] = field(default_factory=dict)
    used: set[Any] = field(default_factory=set)
    waiting: bool = False

    def image(self, row: RowId) -> Image | None:
        """A row's image, as it is or as the batch has written it."""
        return self.known[row] if row in self.known else self.worker.store.images.get(row)

    def consult(self, place: tuple[str, ...], row: RowId, image: Image | None) -> None:
        """Place, row and version of all that was looked at, absent rows included."""
        at = () if self.worker.breaks("fp_without_place") else place
        detail: Any = image.version if image else 0
        if image and not self.worker.breaks("fp_without_lag"):
            detail = (detail, repr(lag(image)), tuple(sorted(c for c in image.state.cells or {} if image.seen(c))))
        copies = sorted((ref, key, repr(cells)) for ref, (key, cells) in image.copies.items()) if image else []
        self.used.add((at, row, detail, () if self.worker.breaks("fp_without_copies") else tuple(copies)))


def _assemble(walk: Walk, node: Node, key: str, place: tuple[str, ...]) -> Generator[None, None, Any]:
    if node.virtual:
        child = node.children["rows"]
        return (yield from _elements(walk, child, key, place))
    yield
    image = walk.image((node.table, key))
    return (yield from _shown(walk, node, key, place, image))


def _shown(
    walk: Walk, node: Node, key: str, place: tuple[str, ...], image: Image | None
) -> Generator[None, None, dict[str, Any] | None]:
    """What a row shows at a place, from its image as it was read."""
    walk.consult(place, (node.table, key), image)
    if image is None or image.state.cells is None:
        return None
    if not all(image.seen(column) for column in (*node.needs, *(("val",) if node.only is not None else ()))):
        walk.waiting = True
    if node.only is not None and image.value("val") != node.only:
        return None
    body: dict[str, Any] = {column: image.value(column) for column in node.shows}
    for name, child in node.children.items():
        if child.kind == "many":
            body[name] = yield from _elements(walk, child, key, (*place, name))
        elif child.copied:
            body[name] = _copy(image, child)
        else:
            parent = image.value(child.column)
            body[name] = (yield from _assemble(walk, child, parent, (*place, name))) if parent is not None else None
    return body


def _copy(image: Image, child: Node) -> Any:
    for ref, (_, cells) in image.copies.items():
        if (ref.column, ref.parent) == (child.column, child.table):
            return {column: _value(cells, column) for column in child.shows}
    return None


def _value(cells: Cells, column: str) -> Any:
    return cells[column].value if column in cells else UNSEEN


def _elements(walk: Walk, node: Node, key: str, place: tuple[str, ...]) -> Generator[None, None, dict[str, Any]]:
    """The children of a row or value; an edge counts only if the child, read once, points back."""
    assert node.above is not None
    yield
    found: dict[str, Any] = {}
    for child in _children(walk.worker, (node.above.table, key), node.table, node.column):
        here = (*place, child)
        yield
        image = walk.image((node.table, child))
        if image is None or image.value(node.column) != key:
            if not walk.worker.breaks("fp_forgets_who_left"):
                walk.consult(here, (node.table, child), image)
            continue
        body = yield from _shown(walk, node, child, here, image)
        if body is not None:
            found[child] = body
    return found


def rebuild(
    worker: Worker, document: DocumentId, early: Document | None = None, known: dict[RowId, Image] | None = None
) -> Steps:
    """Make one document equal to the rows: head first, then everything it shows, then a conditional write.

    `early`: the head as it was before the images of `known` were written. A lost race forgets both.
    """
    store, aggregate = worker.store, worker.mapping.aggregates[document[0]]
    while True:
        head = early
        if head is None:
            yield
            head = store.documents.get(document, Document())
        if head.generation > aggregate.generation and not worker.breaks("generation_not_conditioned"):
            raise NewerGeneration
        new = head.revision == 0 and worker.breaks("new_document_does_not_wait")
        if aggregate.generation > 1 and not new and not worker.breaks("ready_ignored"):
            yield
            if store.ready < aggregate.generation:
                return  # `rebuild` will build it, once the edges of all rows stand
        walk = Walk(worker, dict(known or {}) if early is not None else {})
        if worker.breaks("known_after_lost_race"):
            walk.known = dict(known or {})
        early = None
        body = yield from _assemble(walk, aggregate.root, document[1], ())
        fingerprint = frozenset(walk.used | {("generation", aggregate.generation)})
        same = head.body == body if worker.breaks("equal_body_is_skipped") else head.fingerprint == fingerprint
        if head.revision and same:
            return
        if head.revision == 0 and (aggregate.root.table, document[1]) not in store.images:
            return  # nobody has ever seen this root
        yield
        written = Document(head.revision + 1, fingerprint, aggregate.generation, body, aggregate.generation)
        if walk.waiting:
            written = replace(written, body=head.body, body_generation=head.body_generation, waiting=True)
        read = store.documents.get(document, head) if worker.breaks("document_not_conditioned") else head
        if store.swap_document(document, read, written, not worker.breaks("generation_not_conditioned")):
            if worker.breaks("deleted_document_forgets_revision") and body is None and not walk.waiting:
                del store.documents[document]
            _watch(worker, document, written)
            return


def _watch(worker: Worker, document: DocumentId, new: Document) -> None:
    """A document of the new generation lacks no row that stood still since before the new mapping was deployed."""
    if document[0] != "customer" or new.body is None or new.waiting or new.generation == 1:
        return
    store = worker.store
    for (table, key), version in store.settled.items():
        image = store.images.get((table, key))
        still = table == "order" and image is not None and image.version == version
        if still and image and image.value("agent") == document[1] and key not in new.body["handled"]:
            store.problems.add("a half-built document of the new generation")
