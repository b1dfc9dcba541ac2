"""What a group of rebuilds reads: every image and edge that its documents consult, level by level, each one once.

Parents before children: whoever changes a row after it was read here finds his way up as this document shows it, or
some row on that way was changed before. Either way somebody rebuilds this document who has seen the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from contract.keys import ROW_SK, edge_sk_prefix, row_pk
from worker.projection.assemble import EdgeId, Memory
from worker.projection.image import Image, read_image
from worker.projection.operations import Get, Operation, Query, Steps, TableName
from worker.projection.plan import CACHED, Plan
from worker.projection.roots import Root
from worker.projection.shape import Shape, shape_of
from worker.records.rows import RowId

Level = dict[Shape, dict[str, None]]
"""Places with the keys of the rows that may stand there, in order."""

EdgeQuery = tuple[str, str]
"""Partition and prefix of a Query."""


NOTHING_KNOWN: Final[Mapping[RowId, Image]] = {}


def read_trees(plan: Plan, roots: Iterable[Root], known: Mapping[RowId, Image] = NOTHING_KNOWN) -> Steps[Memory]:
    """Read all that the documents of these roots consult; what several of them consult is shared.

    `known`: images that are not read again (worker.projection.ahead).
    """
    memory = Memory(dict(known))
    level: Level = {}
    for aggregate, key in roots:
        level.setdefault(shape_of(aggregate.root), {})[key] = None
    seen: dict[Shape, set[str]] = {}
    while level:
        for shape, keys in level.items():
            before = seen.setdefault(shape, set())
            if before:
                level[shape] = keys = {key: None for key in keys if key not in before}
            before.update(keys)
        yield from _read_level(plan, level, memory)
        level = _next_level(level, memory)
    return memory


def _read_level(plan: Plan, level: Level, memory: Memory) -> Steps[None]:
    """Read what is not known yet of the rows at these places, and of the edges under them."""
    gets: dict[RowId, Operation] = {}
    queries: dict[EdgeQuery, list[EdgeId]] = {}
    for shape, keys in level.items():
        table = shape.table
        if not shape.virtual:
            unknown = [key for key in keys if (table, key) not in memory.images]
            gets.update({(table, key): Get(TableName.ROWS, row_pk(table, key), ROW_SK) for key in unknown})
        if shape.manys:
            queries.update(query for key in keys for query in _edge_queries(plan, shape, key))
    wanted = {query: edges for query, edges in queries.items() if not all(edge in memory.edges for edge in edges)}
    if not gets and not wanted:
        return
    replies = yield [*gets.values(), *(Query(TableName.ROWS, pk, prefix) for pk, prefix in wanted)]
    for row_id, item in zip(gets, replies[: len(gets)], strict=True):
        memory.images[row_id] = read_image(item)
    memory.edges.update(_children(wanted.values(), replies[len(gets) :]))


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


def _next_level(level: Level, memory: Memory) -> Level:
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
                for child in shape.lookups:
                    target = child.reads_join(row)
                    if target is not None:
                        below[child][target] = None
            for child in shape.manys:
                below[child].update(dict.fromkeys(memory.edges[shape.table, key, child.table, child.join]))
    return {shape: keys for shape, keys in below.items() if keys}
