"""What is stored of one row: its image, its edges both ways, the documents that show it, what is due. Steps, by key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contract.keys import DOCUMENT_SK, ROW_SK, document_pk, edge_pk, edge_sk, row_pk
from contract.parts import parts_of
from contract.values import Item
from worker.projection.due import DUE_PK, LISTED, list_due
from worker.projection.flat_documents import stored_rows
from worker.projection.image import Image, read_image
from worker.projection.images import Touched
from worker.projection.operations import Get, Operation, Query, Steps, TableName
from worker.projection.plan import Link, Plan
from worker.projection.referrers import Limits
from worker.projection.roots import Root, find_roots
from worker.records.mark import parse_mark
from worker.records.rows import Row
from worker.trace.version import Version, read_version

SHOWN: Final = 20
"""Keys of one foreign key that are shown; all are counted, up to COUNTED."""
COUNTED: Final = 1000
DOCUMENTS: Final = 100
_FINGERPRINT: Final = 12


@dataclass(frozen=True, slots=True)
class EdgeOut:
    """A row that this one points at, or pointed at (`former`); `edge`: whether the edge is there, of which version."""

    parent: str
    columns: tuple[str, ...]
    key: str
    former: bool
    edge: Version | None


@dataclass(frozen=True, slots=True)
class EdgesIn:
    """The rows that point at this one by one foreign key; `more`: there are more than were counted."""

    table: str
    columns: tuple[str, ...]
    count: int
    keys: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The last write of a document; `state`: written, parked, deleted, or never written."""

    aggregate: str
    key: str
    state: str
    revision: int = 0
    generation: int = 0
    fingerprint: str = ""
    as_of: str = ""
    parked: str = ""
    holds_row: Version | None = None
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """Documents above this row that are being rebuilt in slices; complete up to `since` only."""

    shard: str
    path: tuple[str, ...]
    begun: bool
    again: bool
    since_micros: int


@dataclass(frozen=True, slots=True)
class RowTrace:
    """All of it. `state`: row, deleted, in a document, or never seen; `columns` without values unless asked for.

    `older`: columns whose value is of an older version than the row. `more_documents`: more than are followed.
    """

    table: str
    key: str
    state: str
    version: Version | None = None
    revision: int = 0
    columns: Row = field(default_factory=dict)
    older: dict[str, Version] = field(default_factory=dict)
    copies: tuple[str, ...] = ()
    edges_out: tuple[EdgeOut, ...] = ()
    edges_in: tuple[EdgesIn, ...] = ()
    documents: tuple[Written, ...] = ()
    more_documents: bool = False
    due: tuple[Due, ...] = ()
    due_unknown: bool = False


def trace_row(plan: Plan, table: str, key: str) -> Steps[RowTrace]:
    """Follow a row; nothing is written."""
    (item,) = yield [Get(TableName.ROWS, row_pk(table, key), ROW_SK)]
    image = read_image(item)
    stored = yield from stored_rows(plan, [(table, key)])
    version, row = stored.get((table, key), ("", None))
    links = plan.links(table, row) | (image.former if image else frozenset())
    touched = Touched(table, key, links, version, frozenset(), "")
    found = yield from find_roots(plan, [touched], Limits(DOCUMENTS, DOCUMENTS))
    due, due_unknown = yield from _due(table, key)
    return RowTrace(
        table,
        key,
        _state(image, version, row),
        read_version(version) if version else None,
        image.revision if image else 0,
        row or {},
        {name: read_version(older) for name, older in image.state.older.items()} if image else {},
        tuple(sorted(image.copied)) if image else (),
        (yield from _edges_out(plan, table, key, row, image)),
        (yield from _edges_in(plan, table, key)),
        (yield from written(found.roots)),
        bool(found.fan_outs),
        due,
        due_unknown,
    )


def _state(image: Image | None, version: str, row: Row | None) -> str:
    if not version:
        return "never seen"
    where = "row" if image is not None and image.version == version else "in a document"
    return where if row is not None else "deleted"


def _edges_out(plan: Plan, table: str, key: str, row: Row | None, image: Image | None) -> Steps[tuple[EdgeOut, ...]]:
    links: list[tuple[Link, bool]] = [(link, False) for link in sorted(plan.links(table, row))]
    links += [(link, True) for link in sorted(image.former)] if image else []
    gets: list[Operation] = [
        Get(TableName.ROWS, edge_pk(link.parent, link.key, key, link.spread), edge_sk(table, link.columns, key))
        for link, _ in links
    ]
    items = (yield list(dict.fromkeys(gets))) if gets else []
    there = dict(zip(dict.fromkeys(gets), items, strict=True))
    found = []
    for (link, former), get in zip(links, gets, strict=True):
        edge = there[get]
        version = None if edge is None else read_version(edge["v"]["S"])
        found.append(EdgeOut(link.parent, link.columns, link.key, former, version))
    return tuple(found)


def _edges_in(plan: Plan, table: str, key: str) -> Steps[tuple[EdgesIn, ...]]:
    foreign = sorted(
        {
            (child.name, reference.columns)
            for child in plan.mapping.tables.values()
            for reference in child.references
            if reference.parent == table
        }
    )
    found = []
    for child, columns in foreign:
        queries = plan.edge_queries(child, columns, table, key)
        asked: list[Operation] = [Query(TableName.ROWS, pk, prefix, COUNTED + 1) for pk, prefix in queries]
        replies = yield asked
        prefix = queries[0][1]
        keys = [sort_key.removeprefix(prefix) for sort_keys in replies for sort_key in sort_keys]
        if keys:
            found.append(EdgesIn(child, columns, min(len(keys), COUNTED), tuple(keys[:SHOWN]), len(keys) > COUNTED))
    return tuple(found)


def written(roots: Sequence[Root]) -> Steps[tuple[Written, ...]]:
    """The last writes of documents."""
    gets: list[Operation] = [
        Get(TableName.DOCUMENTS, document_pk(aggregate.name, key), DOCUMENT_SK) for aggregate, key in roots
    ]
    items = (yield gets) if gets else []
    return tuple(_written(a.name, key, item) for (a, key), item in zip(roots, items, strict=True))


def _written(aggregate: str, key: str, item: Item | None) -> Written:
    if item is None:
        return Written(aggregate, key, "never written")
    parked = item.get("_parked", {}).get("S", "")
    return Written(
        aggregate,
        key,
        "parked" if parked else "deleted" if "_deleted" in item else "written",
        int(item["_rev"]["N"]),
        int(item["_gen"]["N"]),
        item["_fp"]["S"][:_FINGERPRINT],
        item["_as_of"]["S"],
        parked,
        read_version(item["_v"]["S"]) if "_v" in item else None,
        len(parts_of(item)),
    )


def _due(table: str, key: str) -> Steps[tuple[tuple[Due, ...], bool]]:
    listed = yield from list_due()
    if len(listed) >= LISTED:
        return (), True
    items = (yield [Get(TableName.ROWS, DUE_PK, sk) for sk in listed]) if listed else []
    return tuple(_read_due(item) for item in items if item is not None and _is_about(item, table, key)), False


def _is_about(item: Item, table: str, key: str) -> bool:
    (_, _, parent, parent_key), _ = json.loads(item["what"]["S"])
    return (parent, parent_key) == (table, key)


def _read_due(item: Item) -> Due:
    _, path = json.loads(item["what"]["S"])
    at: Any = json.loads(item["at"]["S"])
    since = parse_mark(item.get("since", {}).get("S", ""))
    shard = item["sk"]["S"].partition("#")[0]
    return Due(shard, tuple(path), at != [0, 0, ""], item["again"]["BOOL"], since.commit_micros)
