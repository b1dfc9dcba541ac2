"""Step 6 of the protocol: from changed rows up to the documents that may hold them."""

from __future__ import annotations

from collections.abc import Iterable

from contract.keys import ROW_SK, row_pk
from contract.mapping import Aggregate
from worker.projection.image import read_image
from worker.projection.images import RowId, Touched
from worker.projection.operations import Get, Operation, Query, Steps, TableName
from worker.projection.plan import Link, Place, Plan, needs_links

Root = tuple[Aggregate, str]
"""An aggregate and the key text of one of its documents."""

Step = tuple[Place, str]


def find_roots(plan: Plan, touched: Iterable[Touched]) -> Steps[list[Root]]:
    """Every document in which a touched row stands or stood: up through present and former parents, at every level.

    Each table is looked for at every place of every aggregate; a root table can stand lower down, too.
    """
    links: dict[RowId, frozenset[Link]] = {}
    for row in touched:
        links[row.table, row.key] = links.get((row.table, row.key), frozenset()) | row.links
    frontier: list[Step] = [(place, key) for table, key in links for place in plan.places[table]]
    referrers: dict[tuple[str, str], tuple[str, ...]] = {}
    roots: dict[tuple[str, str], Root] = {}
    seen: set[Step] = set()
    while frontier:
        frontier = [step for step in dict.fromkeys(frontier) if step not in seen]
        seen.update(frontier)
        yield from _look_up(plan, frontier, links, referrers)
        above: list[Step] = []
        for place, key in frontier:
            if place.above is None:
                roots[place.aggregate.name, key] = (place.aggregate, key)
            else:
                above += [(place.above, parent) for parent in _parents(plan, place, key, links, referrers)]
        frontier = above
    return list(roots.values())


def _look_up(
    plan: Plan,
    frontier: list[Step],
    links: dict[RowId, frozenset[Link]],
    referrers: dict[tuple[str, str], tuple[str, ...]],
) -> Steps[None]:
    """Read the links and edges that the next level up needs and that are not known yet."""
    rows: dict[RowId, Operation] = {}
    edges: dict[tuple[str, str], Operation] = {}
    for place, key in frontier:
        row_id = (place.node.table, key)
        if needs_links(place) and row_id not in links:
            rows[row_id] = Get(TableName.ROWS, row_pk(*row_id), ROW_SK)
        elif place.above is not None and not needs_links(place):
            for asked in _referrer_queries(plan, place, key):
                if asked not in referrers:
                    edges[asked] = Query(TableName.ROWS, *asked)
    if not rows and not edges:
        return
    replies = yield [*rows.values(), *edges.values()]
    for row_id, item in zip(rows, replies[: len(rows)], strict=True):
        image = read_image(item)
        links[row_id] = plan.links(row_id[0], image.row) | image.former if image else frozenset()
    for asked, sort_keys in zip(edges, replies[len(rows) :], strict=True):
        referrers[asked] = tuple(sort_key[len(asked[1]) :] for sort_key in sort_keys)


def _parents(
    plan: Plan,
    place: Place,
    key: str,
    links: dict[RowId, frozenset[Link]],
    referrers: dict[tuple[str, str], tuple[str, ...]],
) -> Iterable[str]:
    assert place.above is not None  # noqa: S101  for the type checker: roots have no parents
    if needs_links(place):
        wanted = (place.above.node.table, place.node.join)
        return [link.key for link in links[place.node.table, key] if (link.parent, link.columns) == wanted]
    return [parent for asked in _referrer_queries(plan, place, key) for parent in referrers[asked]]


def _referrer_queries(plan: Plan, place: Place, key: str) -> list[tuple[str, str]]:
    assert place.above is not None  # noqa: S101  for the type checker: roots have no parents
    return plan.edge_queries(place.above.node.table, place.node.join, place.node.table, key)
