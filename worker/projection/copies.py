"""Copied lookups: the first time both rows are there, the referring row's image takes a copy of the other.

The edge under the looked-up row stands before the referring image, as for any foreign key; the looked-up row is read
after that image is durable. So of a referring row and a looked-up row that are stored at the same time, at least one
sees the other. The copy stays as long as the foreign key does, whatever happens to the looked-up row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from contract.keys import ROW_SK, row_pk
from worker.projection.image import Copy, Image, copied_text, read_image
from worker.projection.images import RowId, Touched, still, touch
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Operation,
    Query,
    Steps,
    TableName,
    Update,
    text,
)
from worker.projection.plan import CopyReference, Link, Plan, edge_address


class _Wish(NamedTuple):
    """A row that may lack the copy of a row it points at."""

    copy: CopyReference
    key: str


def take_copies(plan: Plan, touched: list[Touched]) -> Steps[list[Touched]]:
    """Take every copy that a touched row lacks or makes possible; return the touched rows and those that got one."""
    wishes = {_Wish(copy, row.key) for row in touched for copy in plan.copies[row.table]}
    wishes |= yield from _referrers(plan, touched)
    known = {(row.table, row.key): row for row in touched}
    while wishes:
        taken, wishes = yield from _take(plan, wishes)
        for row in taken:
            before = known.get((row.table, row.key))
            known[row.table, row.key] = replace(row, links=row.links | before.links) if before else row
    return list(known.values())


def _referrers(plan: Plan, touched: Iterable[Touched]) -> Steps[set[_Wish]]:
    """The rows under whose edges a touched row stands as the looked-up one."""
    asked = {
        (copy, pk, prefix)
        for row in touched
        for copy in plan.copied_from[row.table]
        for pk, prefix in plan.edge_queries(copy.table, copy.reference.columns, row.table, row.key)
    }
    if not asked:
        return set()
    order = sorted(asked, key=lambda query: query[1:])
    replies = yield [Query(TableName.ROWS, pk, prefix) for _, pk, prefix in order]
    return {
        _Wish(copy, sort_key[len(prefix) :])
        for (copy, _, prefix), sort_keys in zip(order, replies, strict=True)
        for sort_key in sort_keys
    }


def _take(plan: Plan, wishes: set[_Wish]) -> Steps[tuple[list[Touched], set[_Wish]]]:
    """One try for each wish: the rows that got a copy, and the wishes that lost a race."""
    row_ids: list[RowId] = sorted({(wish.copy.table, wish.key) for wish in wishes})
    items = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in row_ids]
    images = {row_id: read_image(item) for row_id, item in zip(row_ids, items, strict=True)}
    lacking = {wish: link for wish in wishes if (link := _lacks(plan, wish, images[wish.copy.table, wish.key]))}
    if not lacking:
        return [], set()
    sources: list[RowId] = sorted({(link.parent, link.key) for link in lacking.values()})
    items = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in sources]
    found = {row_id: read_image(item) for row_id, item in zip(sources, items, strict=True)}
    takers: dict[RowId, dict[str, Copy]] = {}
    for wish, link in lacking.items():
        source = found[link.parent, link.key]
        if source is not None and source.row is not None:
            copies = takers.setdefault((wish.copy.table, wish.key), {})
            copies[wish.copy.id] = Copy(source.version, source.row, link.key)
    return (yield from _write(plan, lacking, images, takers))


def _lacks(plan: Plan, wish: _Wish, image: Image | None) -> Link | None:
    """Where the row points, if it has no copy of that row yet."""
    if image is None or wish.copy.id in image.copied:
        return None
    reference = wish.copy.reference
    links = plan.links(wish.copy.table, image.row)
    return next((link for link in links if (link.parent, link.columns) == (reference.parent, reference.columns)), None)


def _write(
    plan: Plan, lacking: dict[_Wish, Link], images: dict[RowId, Image | None], takers: dict[RowId, dict[str, Copy]]
) -> Steps[tuple[list[Touched], set[_Wish]]]:
    writes: dict[RowId, Operation] = {}
    for row_id, copies in takers.items():
        image = images[row_id]
        if image is not None:
            taken = copied_text({**image.copied, **copies})
            writes[row_id] = Update(TableName.ROWS, row_pk(*row_id), ROW_SK, {"copied": text(taken)}, still(image))
    if not writes:
        return [], set()
    replies = yield list(writes.values())
    done = {row_id for row_id, reply in zip(writes, replies, strict=True) if reply == APPLIED}
    yield from _drop_edges(lacking, images, done)
    touched = [touch(plan, row_id, image) for row_id in done if (image := images[row_id]) is not None]
    lost = {wish for wish in lacking if (row_id := (wish.copy.table, wish.key)) in writes and row_id not in done}
    return touched, lost


def _drop_edges(lacking: dict[_Wish, Link], images: dict[RowId, Image | None], done: set[RowId]) -> Steps[None]:
    """Edges that only served to find out who lacks a copy; one that a newer change needs has a newer version."""
    deletes: dict[tuple[str, str], Operation] = {}
    for wish, link in lacking.items():
        image = images[wish.copy.table, wish.key]
        if wish.copy.reference.followed or image is None or (wish.copy.table, wish.key) not in done:
            continue
        pk, sk = edge_address(wish.copy.table, wish.key, link)
        deletes[pk, sk] = Delete(TableName.ROWS, pk, sk, (Condition("v", "<=", text(image.version)),))
    if deletes:
        yield list(deletes.values())
