"""Steps 1 to 5 and 8 of the protocol: fold changes, put edges, write row images, clean up what rows left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from contract.keys import ROW_SK, row_pk
from contract.values import Item
from worker.projection.ahead import Ahead, DocumentId, documents_of, read_head, ways_to_roots
from worker.projection.habit import Habit, is_worth_a_look
from worker.projection.image import NO_FORMER, Copy, Image, covered_by, make_image, read_image
from worker.projection.merge import NOT_SEEN, RowState, forwards, merge, storable
from worker.projection.operations import (
    Condition,
    Delete,
    Get,
    InsertEdge,
    Operation,
    Refused,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.plan import Link, Plan, edge_address, followed, is_part, links_by
from worker.records.rows import RowChange, RowId
from worker.records.version import NEVER
from worker.value import Value


@dataclass(slots=True)
class Folded:
    """The changes of one row in a batch, oldest first, and every version seen.

    What a document held comes before all of them, however new: a change that is older came late. Were it merged first,
    it would find a row that nobody has seen, and a changed key would believe that whatever comes later is its newest.
    """

    changes: list[RowChange]
    versions: set[str]

    @property
    def newest(self) -> str:
        """The greatest version, NEVER of no change."""
        return max(self.versions, default=NEVER)


class Touched(Value, frozen=True):
    """A row whose documents must be rebuilt: where it points or pointed, and what to clean up afterwards."""

    table: str
    key: str
    links: frozenset[Link]
    version: str
    former: frozenset[Link]
    former_text: str


class Write(Value, frozen=True):
    """An image that is to be stored over another one, and where its row points."""

    image: Image
    stored: Image | None
    links: frozenset[Link]


@dataclass(slots=True)
class Counts:
    """What one projection did."""

    folded: int = 0
    stale: int = 0
    settled: int = 0
    unchanged: int = 0
    rows_written: int = 0
    documents_written: int = 0
    documents_skipped: int = 0
    documents_parked: int = 0
    documents_waiting: int = 0
    documents_in_parts: int = 0
    largest_document: int = 0
    due: int = 0


def fold(changes: Iterable[RowChange]) -> dict[RowId, Folded]:
    """The changes of a batch by row; a version seen twice is the same change.

    None is left out, not even under a complete newer one: it may be of a life that moved on to another key.
    """
    rows: dict[RowId, Folded] = {}
    for change in changes:
        row_id = (change.table, change.key)
        folded = rows.get(row_id)
        if folded is None:
            rows[row_id] = Folded([change], {change.version})
        elif change.version not in folded.versions or change.life or change.held:
            folded.versions.add(change.version)
            folded.changes.append(change)
    for folded in rows.values():
        if len(folded.changes) > 1:
            folded.changes.sort(key=_turn)
    return rows


def _turn(change: RowChange) -> tuple[bool, str]:
    return not change.held, change.version


def store_rows(
    plan: Plan,
    rows: dict[RowId, Folded],
    counts: Counts,
    habit: Habit | None = None,
    ahead: Ahead | None = None,
    *,
    settled: bool = False,
) -> Steps[list[Touched]]:
    """Bring every row's image to its newest version; return the rows whose documents must be rebuilt.

    A row that is already newer in the store is touched as well: whoever stored it may have died before its documents
    were written. Not so if these changes are `settled`: their documents were, and whoever stored a newer row sees to
    its own. Of a changed key the put is stored first: it must be there when the old key hands on what it lacks. Rows
    right under roots are stored last, and `ahead` gets what need not be read again. With a `habit`, rows that are said
    to be new may be written without a look.
    """
    touched: dict[RowId, Touched] = {}
    moved, others, lowest = _parts(plan, rows)
    for part in (moved, others, lowest):
        pending, first = part, ahead if part is lowest else None
        while pending:
            handed_on: list[RowChange] = []
            for row in (yield from _store(plan, pending, counts, handed_on, habit, first, settled=settled)):
                known = touched.get((row.table, row.key))
                touched[row.table, row.key] = replace(row, links=row.links | known.links) if known else row
            pending, first = fold(handed_on), None
    return list(touched.values())


def _parts(plan: Plan, rows: dict[RowId, Folded]) -> tuple[dict[RowId, Folded], ...]:
    """Rows with a changed key; the others; of these, those that stand right under roots."""
    parts: tuple[dict[RowId, Folded], ...] = ({}, {}, {})
    for row_id, folded in rows.items():
        moved = any(change.moved_from for change in folded.changes)
        parts[0 if moved else 2 if ways_to_roots(plan, row_id[0]) else 1][row_id] = folded
    return parts


def cover(plan: Plan, row_ids: Iterable[RowId], counts: Counts) -> Steps[None]:
    """Put the edges that stored rows lack for this mapping, and say so in their images."""
    yield from _store(plan, {row_id: Folded([], set()) for row_id in row_ids}, counts, [])


def put_edges(plan: Plan, images: Mapping[RowId, Image]) -> Steps[None]:
    """Put every edge of stored rows, whatever their images say: a replica may have an image without its edges."""
    links = {row_id: plan.links(row_id[0], image.row) for row_id, image in images.items()}
    yield from _put_edges(plan, {row_id: Write(image, None, links[row_id]) for row_id, image in images.items()})


def _store(
    plan: Plan,
    rows: dict[RowId, Folded],
    counts: Counts,
    handed_on: list[RowChange],
    habit: Habit | None = None,
    ahead: Ahead | None = None,
    *,
    settled: bool = False,
) -> Steps[list[Touched]]:
    touched: list[Touched] = []
    pending = dict(rows)
    new = [row_id for row_id, folded in rows.items() if folded.changes and folded.changes[0].new] if habit else []
    looks = habit is None or habit.looks_for_new or settled
    items: dict[RowId, Item | None] = {} if looks else dict.fromkeys(new)
    while pending:
        yield from _look(pending, items)
        writes: dict[RowId, Write] = {}
        to_hand_on: dict[RowId, list[RowChange]] = {}
        for row_id in list(pending):
            item = items[row_id]
            folded = pending[row_id]
            changes = folded.changes
            if settled and item is not None and changes and _is_in_place(plan, row_id[0], item, folded.newest):
                counts.settled += len(changes)
                del pending[row_id]
                continue
            stored = read_image(item)
            before = after = stored.state if stored is not None else NOT_SEEN
            for change in changes:
                after = merge(after, change)
            if after.moves:
                to_hand_on[row_id] = list(forwards(row_id[0], after, changes))
            if after is not before and (after := storable(after)) == before:
                after = before
            if after is not before or (stored is not None and not covers(plan, row_id, stored)):
                writes[row_id] = _next_write(plan, row_id, after, stored)
                continue
            if stored is not None:
                counts.stale += bool(changes) and stored.version > folded.newest
                if not settled:
                    touched.append(touch(plan, row_id, stored))
            del pending[row_id]
        documents = _documents_of(plan, writes, pending) if ahead is not None else {}
        heads = yield from _put_edges(plan, writes, [read_head(*document) for document in documents])
        if ahead is not None:
            ahead.heads.update(zip(documents, heads, strict=True))
        touched += yield from _write_images(pending, writes, counts, ahead)
        # not of a lost race: what its state would hand on may be outdated by what won, and nobody would mend it
        handed_on += [change for row_id in to_hand_on if row_id not in pending for change in to_hand_on[row_id]]
        if habit is not None and new:
            habit.looks_for_new = _is_doubtful(new, items if looks else pending)
        items, new, ahead = {}, [], None  # of a lost race nothing that was read counts
    return touched


def _look(pending: Iterable[RowId], items: dict[RowId, Item | None]) -> Steps[None]:
    """Read the stored images that are not among the items."""
    unknown = [row_id for row_id in pending if row_id not in items]
    if unknown:
        found = yield [Get(TableName.ROWS, row_pk(table, key), ROW_SK) for table, key in unknown]
        items.update(zip(unknown, found, strict=True))


def _is_doubtful(new: list[RowId], found: Mapping[RowId, object]) -> bool:
    """Whether so many of the rows that were said to be new have been found that the next batch looks."""
    return is_worth_a_look(sum(found.get(row_id) is not None for row_id in new), len(new))


def _is_in_place(plan: Plan, table: str, item: Item, newest: str) -> bool:
    """Whether an ordinary image (no column older than the row, no moves) is at least of that version, and covered."""
    return (
        item["v"]["S"] >= newest
        and ("lag" not in item or not item["lag"]["S"])
        and is_part(plan.coverings[table], covered_by(item))
    )


def covers(plan: Plan, row_id: RowId, image: Image) -> bool:
    """Whether the edges of all links that this mapping follows stand."""
    return is_part(plan.coverage(row_id[0], image.row), image.covered)


def touch(plan: Plan, row_id: RowId, image: Image) -> Touched:
    """The row as one whose documents must be rebuilt."""
    return _touched(row_id, image, plan.links(row_id[0], image.row))


def _touched(row_id: RowId, image: Image, links: frozenset[Link]) -> Touched:
    pointing = links | image.former if image.former else links
    return Touched(*row_id, pointing, image.state.version, image.former, image.former_text)


def _put_edges(plan: Plan, writes: dict[RowId, Write], beside: Sequence[Get] = ()) -> Steps[list[Item | None]]:
    """Edges go before the image: whenever an image points to a parent, the edge under that parent exists.

    Returns what was read `beside` them.
    """
    missing: dict[tuple[str, str], str] = {}
    for (table, key), write in writes.items():
        version = write.image.state.version
        for link in _without_edge(plan, table, write):
            missing[edge_address(table, key, link)] = version
    read: list[Item | None] = []
    reads: list[Operation] = list(beside)
    while missing or reads:
        inserts = [InsertEdge(pk, sk, version) for (pk, sk), version in missing.items()]
        replies = yield [*inserts, *reads]
        read += replies[len(inserts) :]
        reads = []
        there = [
            edge for edge, reply in zip(missing, replies[: len(inserts)], strict=True) if isinstance(reply, Refused)
        ]
        if not there:
            break
        # raise its version to ours, so that nobody's late clean-up can remove it; gone meanwhile: insert again
        replies = yield [
            Update(TableName.ROWS, pk, sk, {"v": text(missing[pk, sk])}, (Condition("v", "<", text(missing[pk, sk])),))
            for pk, sk in there
        ]
        gone = {
            edge
            for edge, reply in zip(there, replies, strict=True)
            if isinstance(reply, Refused) and reply.item is None
        }
        missing = {edge: version for edge, version in missing.items() if edge in gone}
    return read


def _documents_of(plan: Plan, writes: dict[RowId, Write], rows: dict[RowId, Folded]) -> dict[DocumentId, None]:
    """The documents right above these rows that will have to be looked at, each one once."""
    found: dict[DocumentId, None] = {}
    for row_id, write in writes.items():
        if not _is_no_op(write.image, write.stored, rows[row_id].versions):
            for document in documents_of(ways_to_roots(plan, row_id[0]), write.links):
                found[document] = None
    return found


def _without_edge(plan: Plan, table: str, write: Write) -> frozenset[Link]:
    """The links that the stored image does not cover and that need an edge."""
    links = write.links
    if write.stored is not None:
        # an edge that only served a copy may be gone
        links -= links_by(followed(write.stored.covered), write.stored.row)
    if plan.copies[table]:
        links -= _copied_links(plan, table, write.image, links)
    return links


def _copied_links(plan: Plan, table: str, image: Image, links: frozenset[Link]) -> frozenset[Link]:
    """Those that need no edge: nobody follows them, and the copy is there."""
    ids = {copy.reference.columns: copy.id for copy in plan.copies[table] if not copy.reference.followed}
    return frozenset(link for link in links if ids.get(link.columns, "") in image.copied)


def _write_images(
    pending: dict[RowId, Folded], writes: dict[RowId, Write], counts: Counts, ahead: Ahead | None
) -> Steps[list[Touched]]:
    """Write each image if the stored one is still the one read; a lost race stays pending and is read again."""
    if not writes:
        return []
    replies = yield [_image_write(row_id, write.image, write.stored) for row_id, write in writes.items()]
    touched: list[Touched] = []
    for (row_id, write), reply in zip(writes.items(), replies, strict=True):
        if isinstance(reply, Refused):
            continue
        counts.rows_written += 1
        if ahead is not None and not write.image.lag:  # what lacks nothing nobody fills, this batch neither
            ahead.images[row_id] = write.image
        if _is_no_op(write.image, write.stored, pending[row_id].versions):
            counts.unchanged += 1
        else:
            touched.append(_touched(row_id, write.image, write.links))
        del pending[row_id]
    return touched


def _next_write(plan: Plan, row_id: RowId, state: RowState, stored: Image | None) -> Write:
    links = plan.links(row_id[0], state.row)
    return Write(_next_image(plan, row_id[0], state, stored, links), stored, links)


def _next_image(plan: Plan, table: str, state: RowState, stored: Image | None, links: frozenset[Link]) -> Image:
    covered = plan.coverage(table, state.row)
    if stored is None:
        return make_image(state, frozenset(), covered, {}, None)
    if state is stored.state:
        covered |= stored.covered  # the row is the same, so those edges still stand
        old_links = stored.former
    else:
        # by what the image covers, not by what this mapping follows: another mapping's edges must not be forgotten
        old_links = stored.former | links_by(stored.covered, stored.row)
    return make_image(state, old_links - links, covered, _kept_copies(plan, table, links, stored), stored)


def _kept_copies(plan: Plan, table: str, links: frozenset[Link], stored: Image) -> dict[str, Copy]:
    """The copies of rows that this row still points at."""
    if not stored.copied:
        return {}
    keys = {(link.parent, link.columns): link.key for link in links}
    wanted = {copy.id: keys.get((copy.reference.parent, copy.reference.columns)) for copy in plan.copies[table]}
    return {name: copy for name, copy in stored.copied.items() if wanted.get(name) == copy.key}


def _image_write(row_id: RowId, image: Image, stored: Image | None) -> Operation:
    pk = row_pk(*row_id)
    if stored is None:
        return image.first(pk)
    return Update(TableName.ROWS, pk, ROW_SK, image.attributes(), still(stored))


def still(stored: Image) -> tuple[Condition, ...]:
    """That the stored image is the one read: fills, coverage and copies change it without changing its version."""
    return (Condition("rev", "=", number(stored.revision)),)


def _is_no_op(image: Image, stored: Image | None, versions: set[str]) -> bool:
    """Nothing a document could show has changed, nothing waits for clean-up, and nobody else's work is replayed."""
    return (
        stored is not None
        and stored.body == image.body
        and stored.covered == image.covered
        and not image.former
        and not any(version <= stored.version for version in versions)
    )


def clean_up(touched: Iterable[Touched]) -> Steps[None]:
    """Delete the edges under parents that rows have left, unless a newer change has put them there again."""
    left = [row for row in touched if row.former]
    if not left:
        return
    yield [
        Delete(TableName.ROWS, *edge_address(row.table, row.key, link), (Condition("v", "<", text(row.version)),))
        for row in left
        for link in row.former
    ]
    yield [
        Update(
            TableName.ROWS,
            row_pk(row.table, row.key),
            ROW_SK,
            {"former": text(NO_FORMER)},
            (Condition("v", "=", text(row.version)), Condition("former", "=", text(row.former_text))),
        )
        for row in left
    ]
