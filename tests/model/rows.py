"""Steps 2 to 5 and 8 of the protocol: merge changes into images, edges first; cover, copy, clean up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.model.mapping import Link, Mapping, Reference
from tests.model.partial import Change, State, handed_on, known_to, merge
from tests.model.store import EdgeKey, Image, RowId, Store

Steps = Iterator[None]
"""A part of the protocol: each `yield` ends one store operation, and anything may happen before the next."""


@dataclass(eq=False, slots=True)
class Worker:
    """One process that projects: its mapping, and the rules it breaks."""

    store: Store
    mapping: Mapping
    broken: frozenset[str]
    shard: int = -1
    turns: int = 0

    def turn(self) -> int:
        """Whose turn it is among what is due."""
        self.turns += 1
        return self.turns

    def breaks(self, rule: str) -> bool:
        """Whether this defect is planted."""
        return rule in self.broken


@dataclass(slots=True)
class Touched:
    """A row whose documents are to be rebuilt, and what is cleaned up after that."""

    row: RowId
    links: frozenset[Link]
    version: int
    former: frozenset[Link]
    copied: frozenset[Link] = frozenset()


def links(image: Image | None, references: frozenset[Reference]) -> frozenset[Link]:
    """Where a row points by these references."""
    if image is None:
        return frozenset()
    values = ((ref, image.value(ref.column)) for ref in references)
    return frozenset(Link(ref.parent, ref.column, key) for ref, key in values if key is not None)


def edge(worker: Worker, row: RowId, link: Link) -> EdgeKey:
    """An edge's key under its parent."""
    return (row[0], "" if worker.breaks("edge_shared_by_keys") else link.column, row[1])


def store_row(worker: Worker, row: RowId, changes: list[Change], found: list[Touched], onward: list[Change]) -> Steps:
    """Bring one row's image up to date; what must be rebuilt goes to `found`, what a moved row hands on to `onward`.

    Without changes it only makes sure that the edges of all this worker's references stand (`rebuild`).
    """
    store = worker.store
    while True:
        yield
        stored, before, state = merged(worker, row, changes)
        if not worker.breaks("nothing_handed_on"):
            onward += handed_on(state, row[0], changes)
        if state is before and (stored is None or covers(worker, row[0], stored)):
            if stored is not None and not _stale_is_done(worker, stored, changes):
                yield from find(worker, row, stored, found, again=True)
            return
        image = next_image(worker, row[0], state, stored, fresh=state is not before)
        if edges_were_first(worker, state, before):
            yield from put_edges(worker, row, image, stored)
        yield
        if not store.swap_image(row, stored, image, _ignored(worker)):
            continue
        if not edges_were_first(worker, state, before):
            yield from put_edges(worker, row, image, stored)
        if worker.breaks("no_tombstone") and state.cells is None:
            store.images.pop(row, None)
        if not no_op(worker, row[0], stored, image, changes):
            yield from find(worker, row, image, found)
        return


def merged(worker: Worker, row: RowId, changes: list[Change]) -> tuple[Image | None, State, State]:
    """The image as it is stored, its state as this mapping knows it, and the state after these changes."""
    stored, kept = worker.store.images.get(row), worker.mapping.kept[row[0]]
    before = state = known_to(stored.state if stored else State(), kept, worker.broken)
    for change in changes:
        state = merge(state, change, kept, worker.broken)
    return stored, before, state


def covers(worker: Worker, table: str, image: Image) -> bool:
    """Whether the edges of all references of this worker's mapping stand, as far as the columns are seen."""
    needed = {ref for ref in worker.mapping.references[table] if image.seen(ref.column)}
    return needed <= image.cov or worker.breaks("cov_ignored")


def edges_were_first(worker: Worker, state: State, before: State) -> bool:
    """The rule, but for the defects that break it."""
    late = worker.breaks("image_before_edges") or (worker.breaks("cov_before_edges") and state is before)
    return not late


def _stale_is_done(worker: Worker, stored: Image, changes: list[Change]) -> bool:
    versions = [change.version for change in changes]
    if worker.breaks("stale_is_done") and versions and max(versions) < stored.version:
        return True
    return worker.breaks("equal_is_done") and stored.version in versions


def _ignored(worker: Worker) -> tuple[str, ...]:
    parts = ("version", "lag", "columns", "cov", "copies")
    if worker.breaks("image_not_conditioned"):
        return parts
    return tuple(part for part in parts[1:] if worker.breaks(f"{part}_not_conditioned"))


def next_image(worker: Worker, table: str, state: State, stored: Image | None, *, fresh: bool) -> Image:
    """The image to write; `fresh`: cells changed, so that only the writer's own references are covered."""
    if stored is None:
        stored = Image(State())
    ours, draft = worker.mapping.references[table], Image(state)
    cov = frozenset(ref for ref in ours if draft.seen(ref.column))
    if not fresh or worker.breaks("cov_is_union"):
        cov |= stored.cov
    old = links(stored, ours if worker.breaks("former_of_own_references") else ours | stored.cov)
    former = frozenset() if worker.breaks("no_former") else (stored.former | old) - links(draft, cov)
    copies = {ref: copy for ref, copy in stored.copies.items() if draft.value(ref.column) == copy[0]}
    return Image(state, former, cov, copies)


def put_edges(worker: Worker, row: RowId, image: Image, stored: Image | None) -> Steps:
    """An edge for every link that the stored image does not cover."""
    ours = worker.mapping.references[row[0]]
    known = links(stored, (ours if worker.breaks("cov_ignored") else stored.cov) if stored else ours)
    for link in sorted(links(image, ours) - known):
        parent, key, there = (link.parent, link.key), edge(worker, row, link), False
        while not there:
            yield
            if worker.store.put_edge(parent, key, image.version) or worker.breaks("edge_not_raised"):
                break
            yield
            there = worker.store.raise_edge(parent, key, image.version)


def no_op(worker: Worker, table: str, stored: Image | None, image: Image, changes: list[Change]) -> bool:
    """Nothing a document could show has changed, nothing waits for clean-up, and nobody's work is replayed."""
    if stored is None or _ours(worker, table, image.former) or stored.cov != image.cov:
        return False
    replay = any(change.version <= stored.version for change in changes) and not worker.breaks("no_op_ignores_replay")
    return not replay and _values(stored.state) == _values(image.state)


def _values(state: State) -> dict[str, Any] | None:
    return None if state.cells is None else {column: cell.value for column, cell in state.cells.items()}


def _ours(worker: Worker, table: str, former: frozenset[Link]) -> frozenset[Link]:
    """The links of references that this worker's mapping knows; it neither follows nor cleans up others."""
    known = {(ref.parent, ref.column) for ref in worker.mapping.references[table]}
    return frozenset(link for link in former if (link.parent, link.column) in known)


def find(worker: Worker, row: RowId, image: Image, found: list[Touched], *, again: bool = False) -> Steps:
    """This row's documents are to be rebuilt, and those of rows that wait to copy it. Takes the copies that lack.

    `again`: the row was stored before, by somebody who may have died.
    """
    yield from _touch(worker, row, image, found, copying=not (again and worker.breaks("copy_not_tried_again")))
    if image.state.cells is None or worker.breaks("looked_up_row_gives_no_copy"):
        return
    for table, ref in worker.mapping.copied_from(row[0]):
        yield
        waiting = [key for t, column, key in sorted(worker.store.edges[row]) if (t, column) == (table, ref.column)]
        for key in waiting:
            yield
            referrer = worker.store.images.get((table, key))
            if referrer is not None and referrer.value(ref.column) == row[1]:
                yield from _touch(worker, (table, key), referrer, found)


def _touch(worker: Worker, row: RowId, image: Image, found: list[Touched], *, copying: bool = True) -> Steps:
    ours, newest = worker.mapping.references[row[0]], [image]
    for ref in sorted(ours):
        if ref.copied and copying:
            yield from take_copy(worker, row, ref, newest)
    pointing = links(image, ours) | image.former
    image = newest[0]
    touched = Touched(row, pointing | links(image, ours) | image.former, image.version, image.former)
    touched.copied = frozenset(
        Link(ref.parent, ref.column, key) for ref, (key, _) in image.copies.items() if not ref.followed
    )
    if worker.breaks("copied_edge_deleted_first"):
        yield from _delete_copied(worker, touched)
    found.append(touched)


def take_copy(worker: Worker, row: RowId, ref: Reference, image: list[Image]) -> Steps:
    """Store the looked-up row in its referrer's image as soon as both are there; the newest image goes to `image`."""
    while ref not in image[0].copies and (key := image[0].value(ref.column)) is not None:
        yield
        parent = worker.store.images.get((ref.parent, key))
        if parent is None or not all(parent.seen(column) for column in worker.mapping.copied_columns(ref)):
            return
        copied = replace(image[0], copies={**image[0].copies, ref: (key, dict(parent.state.cells or {}))})
        yield
        if worker.store.swap_image(row, image[0], copied, ("copies",) if worker.breaks("copy_not_conditioned") else ()):
            image[0] = copied
            return
        yield
        image[0] = worker.store.images[row]


def clean_up(worker: Worker, touched: Touched) -> Steps:
    """Delete the edges under parents that a row has left, unless it is there again; then those of copied rows."""
    store, row = worker.store, touched.row
    former = touched.former if worker.breaks("cleans_unknown_references") else _ours(worker, row[0], touched.former)
    for link in sorted(former):
        yield
        below = 1 << 60 if worker.breaks("edge_delete_not_conditioned") else touched.version
        store.delete_edge((link.parent, link.key), edge(worker, row, link), below)
    if former:
        yield
        image = store.images.get(row)
        if image is not None and image.version == touched.version:
            store.images[row] = replace(image, former=image.former - former)
    if not worker.breaks("copied_edge_deleted_first"):
        yield from _delete_copied(worker, touched)


def _delete_copied(worker: Worker, touched: Touched) -> Steps:
    for link in sorted(touched.copied):
        yield
        worker.store.delete_edge((link.parent, link.key), edge(worker, touched.row, link), touched.version + 1)
