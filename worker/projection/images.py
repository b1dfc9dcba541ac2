"""Steps 1 to 5 and 8 of the protocol: fold changes, put edges, write row images, clean up what rows left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from contract.keys import ROW_SK, edge_sk, row_pk
from contract.values import Item
from worker.projection.merge import RowState, forwards, lag_text, merge, parse_state
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Operation,
    Refused,
    Steps,
    TableName,
    Update,
    text,
)
from worker.projection.plan import Link, Plan
from worker.records.rows import Row, RowChange, row_body

RowId = tuple[str, str]
"""Table and key text."""

NO_FORMER: Final = "[]"


@dataclass(frozen=True, slots=True)
class Image:
    """A stored row: its state, and the parents it left, not yet cleaned up; texts as stored, for conditions."""

    state: RowState
    body: str
    lag: str
    former_text: str
    former: frozenset[Link]

    @property
    def version(self) -> str:
        """Version of the row."""
        return self.state.version

    @property
    def row(self) -> Row | None:
        """The kept columns that are known; None for a tombstone."""
        return self.state.row


@dataclass(slots=True)
class Folded:
    """The changes of one row in a batch that can still matter, oldest first, and every version seen."""

    changes: list[RowChange]
    versions: set[str]


@dataclass(frozen=True, slots=True)
class Touched:
    """A row whose documents must be rebuilt: where it points or pointed, and what to clean up afterwards."""

    table: str
    key: str
    links: frozenset[Link]
    version: str
    former: frozenset[Link]
    former_text: str


@dataclass(slots=True)
class Counts:
    """What one projection did."""

    folded: int = 0
    stale: int = 0
    unchanged: int = 0
    rows_written: int = 0
    documents_written: int = 0
    documents_skipped: int = 0
    documents_parked: int = 0


def fold(changes: Iterable[RowChange]) -> dict[RowId, Folded]:
    """Per row what a complete newest change does not make needless; a version seen twice is the same change."""
    rows: dict[RowId, Folded] = {}
    for change in changes:
        folded = rows.setdefault((change.table, change.key), Folded([], set()))
        if change.version not in folded.versions or change.forwarded:
            folded.versions.add(change.version)
            folded.changes.append(change)
    for folded in rows.values():
        if len(folded.changes) > 1:
            folded.changes.sort(key=lambda change: change.version)
            complete = [at for at, change in enumerate(folded.changes) if not change.missing and not change.forwarded]
            del folded.changes[: complete[-1] if complete else 0]
    return rows


def read_image(item: Item | None) -> Image | None:
    """The image in a stored item."""
    if item is None:
        return None
    body, lag, former = item["row"]["S"], item["lag"]["S"], item["former"]["S"]
    return Image(parse_state(item["v"]["S"], body, lag), body, lag, former, parse_former(former))


def former_text(links: frozenset[Link]) -> str:
    """Canonical text of former parents: the same set is the same text, so that a condition can compare it."""
    return json.dumps(sorted([link.parent, list(link.columns), link.key] for link in links)) if links else NO_FORMER


def parse_former(stored: str) -> frozenset[Link]:
    """Former parents, back."""
    if stored == NO_FORMER:
        return frozenset()
    return frozenset(Link(parent, tuple(columns), key) for parent, columns, key in json.loads(stored))


def store_rows(plan: Plan, rows: dict[RowId, Folded], counts: Counts) -> Steps[list[Touched]]:
    """Bring every row's image to its newest version; return the rows whose documents must be rebuilt.

    A row that is already newer in the store is touched as well: whoever stored it may have died before its documents
    were written. Of a changed key the put is stored first: it must be there when the tombstone hands on what it lacks.
    """
    touched: dict[RowId, Touched] = {}
    moved = {row_id: folded for row_id, folded in rows.items() if any(c.moved_from for c in folded.changes)}
    for part in (moved, {row_id: folded for row_id, folded in rows.items() if row_id not in moved}):
        pending = part
        while pending:
            handed_on: list[RowChange] = []
            for row in (yield from _store(plan, pending, counts, handed_on)):
                known = touched.get((row.table, row.key))
                touched[row.table, row.key] = replace(row, links=row.links | known.links) if known else row
            pending = fold(handed_on)
    return list(touched.values())


def _store(plan: Plan, rows: dict[RowId, Folded], counts: Counts, handed_on: list[RowChange]) -> Steps[list[Touched]]:
    touched: list[Touched] = []
    pending = dict(rows)
    while pending:
        order = list(pending)
        items = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in order]
        writes: dict[RowId, tuple[Image, Image | None]] = {}
        for row_id, item in zip(order, items, strict=True):
            stored = read_image(item)
            before = stored.state if stored else RowState()
            after = before
            for change in pending[row_id].changes:
                after = merge(after, change)
            handed_on += forwards(row_id[0], after)
            if after is not before:
                writes[row_id] = (_next_image(plan, row_id, after, stored), stored)
                continue
            if stored is not None:
                counts.stale += stored.version > pending[row_id].changes[-1].version
                touched.append(_touched(plan, row_id, stored))
            del pending[row_id]
        yield from _put_edges(plan, writes)
        touched += yield from _write_images(plan, pending, writes, counts)
    return touched


def _touched(plan: Plan, row_id: RowId, image: Image) -> Touched:
    links = plan.links(row_id[0], image.row) | image.former
    return Touched(*row_id, links, image.version, image.former, image.former_text)


def _put_edges(plan: Plan, writes: dict[RowId, tuple[Image, Image | None]]) -> Steps[None]:
    """Edges go before the image: whenever an image points to a parent, the edge under that parent exists."""
    missing: dict[tuple[str, str], str] = {}
    for (table, key), (image, stored) in writes.items():
        known = plan.links(table, stored.row) if stored else frozenset()
        for link in plan.links(table, image.row) - known:
            missing[row_pk(link.parent, link.key), edge_sk(table, link.columns, key)] = image.version
    while missing:
        order = list(missing)
        replies = yield [
            Insert(TableName.ROWS, pk, sk, {"pk": text(pk), "sk": text(sk), "v": text(missing[pk, sk])})
            for pk, sk in order
        ]
        there = [edge for edge, reply in zip(order, replies, strict=True) if isinstance(reply, Refused)]
        if not there:
            return
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


def _write_images(
    plan: Plan, pending: dict[RowId, Folded], writes: dict[RowId, tuple[Image, Image | None]], counts: Counts
) -> Steps[list[Touched]]:
    """Write each image if the stored one is still the one read; a lost race stays pending and is read again."""
    if not writes:
        return []
    replies = yield [_image_write(row_id, image, stored) for row_id, (image, stored) in writes.items()]
    touched: list[Touched] = []
    for (row_id, (image, stored)), reply in zip(writes.items(), replies, strict=True):
        if reply != APPLIED:
            continue
        counts.rows_written += 1
        if _is_no_op(image, stored, pending[row_id].versions):
            counts.unchanged += 1
        else:
            touched.append(_touched(plan, row_id, image))
        del pending[row_id]
    return touched


def _next_image(plan: Plan, row_id: RowId, state: RowState, stored: Image | None) -> Image:
    old_links = (stored.former | plan.links(row_id[0], stored.row)) if stored else frozenset()
    former = old_links - plan.links(row_id[0], state.row)
    body = "" if state.row is None else row_body(state.row).decode()
    return Image(state, body, lag_text(state), former_text(former), former)


def _image_write(row_id: RowId, image: Image, stored: Image | None) -> Operation:
    pk = row_pk(*row_id)
    attributes = {
        "v": text(image.version),
        "row": text(image.body),
        "lag": text(image.lag),
        "former": text(image.former_text),
    }
    if stored is None:
        return Insert(TableName.ROWS, pk, ROW_SK, {"pk": text(pk), "sk": text(ROW_SK), **attributes})
    # a fill changes `lag` and leaves the version; `former` may shrink meanwhile (a clean-up), and writing back a longer
    # one only costs a clean-up again
    unchanged = (Condition("v", "=", text(stored.version)), Condition("lag", "=", text(stored.lag)))
    return Update(TableName.ROWS, pk, ROW_SK, attributes, unchanged)


def _is_no_op(image: Image, stored: Image | None, versions: set[str]) -> bool:
    """Nothing a document could show has changed, nothing waits for clean-up, and nobody else's work is replayed."""
    return (
        stored is not None
        and stored.body == image.body
        and not image.former
        and not any(version <= stored.version for version in versions)
    )


def clean_up(touched: Iterable[Touched]) -> Steps[None]:
    """Delete the edges under parents that rows have left, unless a newer change has put them there again."""
    left = [row for row in touched if row.former]
    if not left:
        return
    yield [
        Delete(
            TableName.ROWS,
            row_pk(link.parent, link.key),
            edge_sk(row.table, link.columns, row.key),
            (Condition("v", "<", text(row.version)),),
        )
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
