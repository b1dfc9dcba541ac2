"""What a group of rebuilds reads: every image and edge that its documents consult, level by level, each one once.

A child must still point at its parent after everything below it was read, so it is looked at again. What a row was seen
to look up before is read early, together with its parent: then the row itself comes last, and one look does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from contract.keys import ROW_SK, edge_sk_prefix, row_pk
from contract.values import Item
from worker.projection.assemble import EdgeId, Memory
from worker.projection.image import Image, read_image
from worker.projection.images import RowId
from worker.projection.operations import Get, Operation, Query, Steps, TableName
from worker.projection.plan import CACHED, Plan
from worker.projection.roots import Links, Root
from worker.projection.shape import Shape, shape_of

Level = dict[Shape, dict[str, None]]
"""Places with the keys of the rows that may stand there, in order."""

EdgeQuery = tuple[str, str]
"""Partition and prefix of a Query."""


Guesses = Mapping[RowId, Collection[RowId]]
"""By parent: rows that its children look up, as far as somebody has seen it. A wrong one costs a read, no more."""

NO_GUESSES: Final[Guesses] = {}


def guesses(plan: Plan, links: Links) -> Guesses:
    """What rows with these links look up, by the parents whose children they are."""
    found: dict[RowId, dict[RowId, None]] = {}
    for (table, _), pointing in links.items():
        parents, lookups = _neighbours(plan, table)
        if not lookups:
            continue
        looked_up = [(link.parent, link.key) for link in pointing if link[:2] in lookups]
        if looked_up:
            for link in pointing:
                if link[:2] in parents:
                    found.setdefault((link.parent, link.key), {}).update(dict.fromkeys(looked_up))
    return found


Relation = tuple[str, tuple[str, ...]]
"""A parent's table, and the columns by which rows point at it."""


@lru_cache(maxsize=CACHED)
def _neighbours(plan: Plan, table: str) -> tuple[frozenset[Relation], frozenset[Relation]]:
    """Of a table whose rows are children somewhere: the relations to their parents, and to the rows they look up."""
    parents: set[Relation] = set()
    lookups: set[Relation] = set()
    for place in plan.places.get(table, ()):
        if place.above is not None and place.by_links:
            parents.add((place.above.node.table, place.node.join))
            lookups.update((child.table, child.join) for child in shape_of(place.node).lookups if not child.virtual)
    return frozenset(parents), frozenset(lookups)


def read_trees(plan: Plan, roots: Iterable[Root], guesses: Guesses = NO_GUESSES) -> Steps[Memory]:
    """Read all that the documents of these roots consult; what several of them consult is shared."""
    memory = Memory()
    level: Level = {}
    for aggregate, key in roots:
        level.setdefault(shape_of(aggregate.root), {})[key] = None
    seen: dict[Shape, set[str]] = {}
    look_again: dict[RowId, None] = {}
    while level:
        for shape, keys in level.items():
            known = seen.setdefault(shape, set())
            if known:
                level[shape] = keys = {key: None for key in keys if key not in known}
            known.update(keys)
        just_read = yield from _read_level(plan, level, memory, guesses)
        level = _next_level(level, memory, just_read, look_again)
    if look_again:
        memory.again = yield from _look_again(memory.images, list(look_again))
    return memory


def _look_again(first: dict[RowId, Image | None], row_ids: list[RowId]) -> Steps[dict[RowId, Image | None]]:
    """The images of these rows now. Of most the version tells that they are what was read first."""
    heads = yield [Get(TableName.ROWS, row_pk(table, key), ROW_SK, ("v", "lag")) for table, key in row_ids]
    again: dict[RowId, Image | None] = {}
    changed: list[RowId] = []
    for row_id, head in zip(row_ids, heads, strict=True):
        image = first[row_id]
        if _is_still(image, head):
            again[row_id] = image
        else:
            changed.append(row_id)
    if changed:
        items = yield [Get(TableName.ROWS, row_pk(table, key), ROW_SK) for table, key in changed]
        again.update({row_id: read_image(item) for row_id, item in zip(changed, items, strict=True)})
    return again


def _is_still(image: Image | None, head: Item | None) -> bool:
    if image is None or head is None:
        return image is None and head is None
    return bool(head["v"]["S"] == image.state.version and (head["lag"]["S"] if "lag" in head else "") == image.lag)


def _read_level(plan: Plan, level: Level, memory: Memory, guesses: Guesses) -> Steps[Collection[RowId]]:
    """Returns the rows that were read now; all others that are known were read before."""
    gets: dict[RowId, Operation] = {}
    queries: dict[EdgeQuery, list[EdgeId]] = {}
    for shape, keys in level.items():
        table = shape.table
        if not shape.virtual:
            unknown = [key for key in keys if (table, key) not in memory.images]
            gets.update({(table, key): Get(TableName.ROWS, row_pk(table, key), ROW_SK) for key in unknown})
        if shape.manys:
            queries.update(query for key in keys for query in _edge_queries(plan, shape, key))
            if guesses:
                early = [
                    row_id for key in keys for row_id in guesses.get((table, key), ()) if row_id not in memory.images
                ]
                gets.update({row_id: Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in early})
    wanted = {query: edges for query, edges in queries.items() if not all(edge in memory.edges for edge in edges)}
    if not gets and not wanted:
        return ()
    replies = yield [*gets.values(), *(Query(TableName.ROWS, pk, prefix) for pk, prefix in wanted)]
    for row_id, item in zip(gets, replies[: len(gets)], strict=True):
        memory.images[row_id] = read_image(item)
    memory.edges.update(_children(wanted.values(), replies[len(gets) :]))
    return gets.keys()


def _children(wanted: Iterable[list[EdgeId]], replies: list[tuple[str, ...]]) -> dict[EdgeId, tuple[str, ...]]:
    """The keys of the rows that point at each parent, in order; two places may have asked for the same in two ways."""
    found: dict[EdgeId, set[str]] = {}
    for edges, sort_keys in zip(wanted, replies, strict=True):
        for edge in edges:
            prefix = edge_sk_prefix(edge[2], edge[3])
            start = len(prefix)
            children = [sort_key[start:] for sort_key in sort_keys if sort_key.startswith(prefix)]
            found.setdefault(edge, set()).update(children)
    return {edge: tuple(sorted(children)) for edge, children in found.items()}


def _edge_queries(plan: Plan, shape: Shape, key: str) -> Iterator[tuple[EdgeQuery, list[EdgeId]]]:
    """Partition and prefix of each Query that a row's children need, with the relations it answers.

    A row whose edges are all wanted is asked for all of them at once; where other rows point at it too (a product
    that stands in thousands of lines), each relation is asked for on its own.
    """
    relations = [(shape.table, key, child.table, child.join) for child in shape.manys]
    if _asked_at_once(plan, shape):
        yield (row_pk(shape.table, key), ""), relations
        return
    for edge in relations:
        for query in plan.edge_queries(edge[2], edge[3], shape.table, key):
            yield query, [edge]


@lru_cache(maxsize=CACHED)
def _asked_at_once(plan: Plan, shape: Shape) -> bool:
    relations = {(child.table, child.join) for child in shape.manys}
    return len(shape.manys) > 1 and plan.only_children(shape.table, relations)


def _next_level(level: Level, memory: Memory, just_read: Collection[RowId], look_again: dict[RowId, None]) -> Level:
    below: Level = {}
    for shape, keys in level.items():
        if not shape.children:
            continue
        for child in shape.children:
            below.setdefault(child, {})
        for key in keys:
            if not shape.virtual:
                image = memory.images[shape.table, key]
                row = image.state.row if image is not None else None
                if row is None or not shape.lets_through(row):
                    continue
                # a child that was itself read earlier, as somebody's guess, may be older than what it looks up
                early = shape.many and not shape.manys and (shape.table, key) in just_read
                for child in shape.lookups:
                    target = child.reads_join(row)
                    if target is not None:
                        below[child][target] = None
                        early = early and _is_known(child, target, memory, just_read)
                if shape.many and not early:
                    look_again[shape.table, key] = None
            for child in shape.manys:
                below[child].update(dict.fromkeys(memory.edges[shape.table, key, child.table, child.join]))
    return {shape: keys for shape, keys in below.items() if keys}


def _is_known(shape: Shape, key: str, memory: Memory, just_read: Collection[RowId]) -> bool:
    """Whether a row and all that it shows was read before what was just read."""
    row_id = shape.table, key
    if shape.virtual or shape.manys or row_id not in memory.images or row_id in just_read:
        return False
    image = memory.images[row_id]
    row = image.state.row if image is not None else None
    if row is None or not shape.lets_through(row):
        return True
    targets = [(child, child.reads_join(row)) for child in shape.lookups]
    return all(target is None or _is_known(child, target, memory, just_read) for child, target in targets)
