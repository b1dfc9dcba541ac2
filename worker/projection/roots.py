"""Step 6 of the protocol: from changed rows up to the documents that may hold them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contract.keys import ROW_SK, row_pk
from contract.mapping import Aggregate
from worker.projection.image import read_image
from worker.projection.images import Touched
from worker.projection.operations import Get, Operation, Steps, TableName
from worker.projection.plan import Link, Place, Plan, is_copied
from worker.projection.referrers import FanOut, Limits, Referrers, look_up
from worker.records.rows import RowId

READ_AT_ONCE: Final = 1000
"""Rows of which only their links are kept; whole they would take much more memory."""

Root = tuple[Aggregate, str]
"""An aggregate and the key text of one of its documents."""

Step = tuple[Place, str]
"""A place where a row may stand, and the row's key."""

Links = dict[RowId, frozenset[Link]]


@dataclass(frozen=True, slots=True)
class Found:
    """Documents to rebuild, ways up that too many rows take for following them at once, and the links followed."""

    roots: list[Root]
    fan_outs: list[FanOut]
    links: Links


def find_roots(plan: Plan, touched: Iterable[Touched], limits: Limits) -> Steps[Found]:
    """Every document in which a touched row stands or stood: up through present and former parents, at every level.

    Each table is looked for at every place of every aggregate; a root table can stand lower down, too. Not at those
    that show copies: the rows that took one, or may lack it, are touched themselves.
    """
    links = links_of(touched)
    followed = {
        table: [p for p in plan.places[table] if not is_copied(p.node)] for table in {table for table, _ in links}
    }
    return (yield from climb(plan, [(place, key) for table, key in links for place in followed[table]], links, limits))


def links_of(touched: Iterable[Touched]) -> Links:
    """Where touched rows point or pointed."""
    links: Links = {}
    for row in touched:
        links[row.table, row.key] = links.get((row.table, row.key), frozenset()) | row.links
    return links


def climb(plan: Plan, frontier: list[Step], links: Links, limits: Limits) -> Steps[Found]:
    """Every document above these places. `links`: of the rows that have been read, others are read and added.

    What is held is bounded by the first steps and by the limits: only referrers can be many.
    """
    roots: dict[tuple[str, str], Root] = {}
    fan_outs: dict[FanOut, None] = {}
    known: dict[Referrers, tuple[str, ...]] = {}
    seen: set[Step] = set()
    left = limits.in_all
    while frontier:
        frontier = [step for step in dict.fromkeys(frontier) if step not in seen]
        seen.update(frontier)
        yield from _read_links(plan, frontier, links)
        ways = [_way_up(place, key) for place, key in frontier]
        asked = [referrers for referrers in ways if referrers is not None and referrers not in known]
        found = yield from look_up(plan, asked, Limits(limits.of_one_row, left))
        known.update(found)
        left -= sum(map(len, found.values()))
        higher: list[Step] = []
        for (place, key), referrers in zip(frontier, ways, strict=True):
            if place.above is None:
                roots[place.aggregate.name, key] = (place.aggregate, key)
            elif referrers is None:
                wanted = (place.above.node.table, place.node.join)
                pointed = links[place.node.table, key]
                higher += [(place.above, link.key) for link in pointed if (link.parent, link.columns) == wanted]
            elif referrers in known:
                higher += [(place.above, referrer) for referrer in known[referrers]]
            else:
                fan_outs[FanOut(referrers, _path(place))] = None
        frontier = higher
    return Found(list(roots.values()), list(fan_outs), links)


def above(plan: Plan, fan_out: FanOut) -> list[Place]:
    """The places of the rows that a fan-out is about; none if the mapping does not know it."""
    referrers, path = fan_out
    places = [place for place in plan.places.get(referrers.parent, ()) if _way_up(place, referrers.key) == referrers]
    wanted = [place for place in places if (_path(place) == path if path else is_copied(place.node))]
    return [place.above for place in wanted if place.above is not None]


def _way_up(place: Place, key: str) -> Referrers | None:
    """The rows that point at this one, if the way up leads to them; None: by its own links, or it is a root."""
    if place.above is None or place.by_links:
        return None
    return Referrers(place.above.node.table, place.node.join, place.node.table, key)


def _path(place: Place) -> tuple[str, ...]:
    return (*_path(place.above), place.node.name) if place.above else (place.aggregate.name,)


def _read_links(plan: Plan, frontier: list[Step], links: Links) -> Steps[None]:
    wanted = [(place.node.table, key) for place, key in frontier if place.by_links]
    unknown = [row_id for row_id in dict.fromkeys(wanted) if row_id not in links]
    if not unknown:
        return
    for start in range(0, len(unknown), READ_AT_ONCE):
        part = unknown[start : start + READ_AT_ONCE]
        reads: list[Operation] = [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in part]
        for row_id, item in zip(part, (yield reads), strict=True):
            image = read_image(item)
            links[row_id] = plan.links(row_id[0], image.row) | image.former if image else frozenset()
