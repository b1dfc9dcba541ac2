"""Copied lookups: the first time both rows are there, the referring row's image takes a copy of the other.

The edge under the looked-up row stands before the referring image, as for any foreign key; the looked-up row is read
after that image is durable. So of a referring row and a looked-up row that are stored at the same time, at least one
sees the other. The copy stays as long as the foreign key does, whatever happens to the looked-up row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from contract.keys import ROW_SK, row_pk
from worker.projection.image import Copy, Image, copied_text, read_image
from worker.projection.images import Touched, still, touch
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Operation,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.plan import CopyReference, Link, Plan, edge_address, links_by
from worker.projection.referrers import FanOut, Limits, Referrers, look_up
from worker.records.rows import RowId


class _Wish(NamedTuple):
    """A row that may lack the copy of a row it points at."""

    copy: CopyReference
    key: str


class SurplusEdge(NamedTuple):
    """An edge that only served to find out who lacks a copy, and the version of the image that has taken it."""

    pk: str
    sk: str
    version: str


class Taken(NamedTuple):
    """Rows whose documents must be rebuilt, the edges to drop after that, and looked-up rows that too many point at."""

    touched: list[Touched]
    surplus: list[SurplusEdge]
    fan_outs: list[FanOut]


def take_copies(plan: Plan, touched: list[Touched], limits: Limits) -> Steps[Taken]:
    """Take every copy that a touched row lacks or makes possible.

    Returns the touched rows and all rows that an edge shows to want a copy of one of them. Such a row is touched even
    if it has its copy: whoever took it may have died before the documents were written, and while the edge stands they
    may not have been.
    """
    asked = [
        Referrers(copy.table, copy.reference.columns, row.table, row.key)
        for row in touched
        for copy in plan.copied_from[row.table]
    ]
    found = (yield from look_up(plan, asked, limits)) if asked else {}
    with_edge = {wish for referrers, keys in found.items() for wish in _wishes(plan, referrers, keys)}
    own = {_Wish(copy, row.key) for row in touched for copy in plan.copies[row.table]}
    rows, surplus = yield from _fulfil(plan, touched, with_edge | own, frozenset(with_edge))
    return Taken(rows, surplus, [FanOut(referrers, ()) for referrers in asked if referrers not in found])


def take_copies_of(plan: Plan, pointing: Iterable[tuple[Referrers, Iterable[str]]]) -> Steps[Taken]:
    """The same for rows that edges show to want copies, whoever changed the rows they look up."""
    wishes = {wish for referrers, keys in pointing for wish in _wishes(plan, referrers, keys)}
    return Taken(*(yield from _fulfil(plan, [], wishes, frozenset(wishes))), [])


def _wishes(plan: Plan, referrers: Referrers, keys: Iterable[str]) -> set[_Wish]:
    relation = (referrers.columns, referrers.parent)
    copies = plan.copies[referrers.table]
    wanted = [copy for copy in copies if (copy.reference.columns, copy.reference.parent) == relation]
    return {_Wish(copy, key) for copy in wanted for key in keys}


def _fulfil(
    plan: Plan, touched: list[Touched], wishes: set[_Wish], with_edge: frozenset[_Wish]
) -> Steps[tuple[list[Touched], list[SurplusEdge]]]:
    """All rows that are touched now, and the edges that have served."""
    known = {(row.table, row.key): row for row in touched}
    surplus: list[SurplusEdge] = []
    while wishes:
        images = yield from _read({(wish.copy.table, wish.key) for wish in wishes})
        for row_id, image in images.items():
            row, before = touch(plan, row_id, image), known.get(row_id)
            known[row_id] = replace(row, links=row.links | before.links) if before else row
        pointing = {wish for wish in wishes if _link(wish, images)}
        lacking = {wish for wish in pointing if wish.copy.id not in images[wish.copy.table, wish.key].copied}
        taken, lost = yield from _take(plan, lacking, images)
        surplus += _surplus(taken | (with_edge & pointing - lacking), images)
        wishes = lost
    return list(known.values()), surplus


def drop_edges(surplus: Iterable[SurplusEdge]) -> Steps[None]:
    """Delete edges that have served; one that a newer change of the row needs has a newer version."""
    deletes: list[Operation] = [
        Delete(TableName.ROWS, edge.pk, edge.sk, (Condition("v", "<=", text(edge.version)),))
        for edge in dict.fromkeys(surplus)
    ]
    if deletes:
        yield deletes


def _read(row_ids: Iterable[RowId]) -> Steps[dict[RowId, Image]]:
    order = sorted(row_ids)
    items = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in order]
    found = {row_id: read_image(item) for row_id, item in zip(order, items, strict=True)}
    return {row_id: image for row_id, image in found.items() if image is not None}


def _link(wish: _Wish, images: dict[RowId, Image]) -> Link | None:
    """Where the row points by the foreign key that takes the copy."""
    image = images.get((wish.copy.table, wish.key))
    found = links_by((wish.copy.reference,), image.row if image else None)
    return next(iter(found), None)


def _take(plan: Plan, lacking: set[_Wish], images: dict[RowId, Image]) -> Steps[tuple[set[_Wish], set[_Wish]]]:
    """One try: the wishes that were fulfilled, and those that lost a race and must be looked at again."""
    if not lacking:
        return set(), set()
    links = {wish: link for wish in lacking if (link := _link(wish, images))}
    sources = yield from _read({(link.parent, link.key) for link in links.values()})
    copies: dict[RowId, dict[str, Copy]] = {}
    for wish, link in links.items():
        source = sources.get((link.parent, link.key))
        # a row of which a column is not seen yet would be incomplete for ever
        if source is not None and source.row is not None and plan.columns[link.parent] <= source.row.keys():
            taken = Copy(source.version, source.row, link.key)
            copies.setdefault((wish.copy.table, wish.key), {})[wish.copy.id] = taken
    if not copies:
        return set(), set()
    replies = yield [_image_with(row_id, images[row_id], taken) for row_id, taken in copies.items()]
    done = {row_id for row_id, reply in zip(copies, replies, strict=True) if reply == APPLIED}
    tried = {wish for wish in lacking if wish.copy.id in copies.get((wish.copy.table, wish.key), {})}
    taken_now = {wish for wish in tried if (wish.copy.table, wish.key) in done}
    return taken_now, tried - taken_now


def _image_with(row_id: RowId, image: Image, copies: dict[str, Copy]) -> Operation:
    assign = {"copied": text(copied_text({**image.copied, **copies})), "rev": number(image.revision + 1)}
    return Update(TableName.ROWS, row_pk(*row_id), ROW_SK, assign, still(image))


def _surplus(fulfilled: set[_Wish], images: dict[RowId, Image]) -> list[SurplusEdge]:
    """Edges under rows whose copy is taken and that nobody else follows."""
    found: list[SurplusEdge] = []
    for wish in fulfilled:
        link = _link(wish, images)
        if link is not None and not wish.copy.reference.followed:
            row_id = (wish.copy.table, wish.key)
            found.append(SurplusEdge(*edge_address(*row_id, link), images[row_id].version))
    return found
