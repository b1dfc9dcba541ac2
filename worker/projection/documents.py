"""Step 7 of the protocol: rebuild documents from the rows, a group at a time, and write them if nobody else has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import DOCUMENT_SK, ROW_SK, document_pk, edge_sk_prefix, row_pk
from contract.mapping import Aggregate, Kind, Node
from contract.values import MAX_ITEM_BYTES, Item, NotStorable, item_bytes, to_item
from worker.projection.assemble import Assembled, EdgeId, Memory, assemble, edge_id, stands
from worker.projection.flat import CLAIMED, VERSION
from worker.projection.flat_documents import claim, holds_row
from worker.projection.generations import Generations, refuse_newer
from worker.projection.image import read_image
from worker.projection.images import Counts, RowId, fold, store_rows
from worker.projection.operations import (
    APPLIED,
    Condition,
    Get,
    Insert,
    Operation,
    Query,
    Replace,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.plan import NO_RELATIONS, Plan, is_copied
from worker.projection.roots import Root
from worker.records.rows import parent_key
from worker.records.version import NEVER

GROUP: Final = 100
"""Documents rebuilt together share what they read; it bounds memory."""

HEAD: Final = ("_rev", "_fp", "_gen", "_refs", "_as_of", VERSION, CLAIMED)

PARKED_TEXT_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Head:
    """The stored state of a document that a write must not step over; revision 0: never written.

    `holds_row`: it is or was flat, and what it holds of its row may not be in the row's image.
    """

    revision: int
    fingerprint: str
    generation: int
    relations: str
    as_of: str
    holds_row: bool = False


def rebuild(plan: Plan, roots: Sequence[Root], as_of: str, generations: Generations, counts: Counts) -> Steps[None]:
    """Make every root's document equal to its rows, in groups. `as_of`: newest commit time this batch has seen.

    A document of other relations than the mapping's stays as it is, or unwritten, until their edges are known to be
    there; the rebuild that makes sure of it comes to every document afterwards. Raises NewerGeneration.
    """
    for start in range(0, len(roots), GROUP):
        pending = list(roots[start : start + GROUP])
        taken_over: set[tuple[str, str]] = set()
        while pending:
            pending = yield from _rebuild_once(plan, pending, as_of, generations, counts, taken_over)


def _rebuild_once(
    plan: Plan,
    roots: list[Root],
    as_of: str,
    generations: Generations,
    counts: Counts,
    taken_over: set[tuple[str, str]],
) -> Steps[list[Root]]:
    """One try for a group; returns the roots that lost a race. Revisions first, then all that the documents show.

    `taken_over`: documents whose rows were taken over into images since this group began.
    """
    items = yield [Get(TableName.DOCUMENTS, document_pk(a.name, key), DOCUMENT_SK, HEAD) for a, key in roots]
    heads = [_head(item) for item in items]
    flat = [root for root, head in zip(roots, heads, strict=True) if head.holds_row and _id(root) not in taken_over]
    if flat:
        taken_over.update(map(_id, flat))
        return roots + (yield from _take_over(plan, flat, roots, counts))
    memory = Memory()
    yield from _read_trees(plan, roots, memory)
    writes: dict[int, Operation] = {}
    parked: set[int] = set()
    for at, ((aggregate, key), head) in enumerate(zip(roots, heads, strict=True)):
        refuse_newer(aggregate, head.generation)
        if not generations.may_follow(plan, aggregate, head.relations):
            counts.documents_waiting += 1
            continue
        assembled = assemble(aggregate, key, memory)
        if (head.revision and assembled.fingerprint == head.fingerprint) or not (head.revision or assembled.root_seen):
            counts.documents_skipped += 1
            continue
        system = _system(plan, aggregate, assembled, head, as_of)
        writes[at], fits = _write(aggregate, key, assembled, head, system)
        if not fits:
            parked.add(at)
    if not writes:
        return []
    replies = yield list(writes.values())
    done = {at for at, reply in zip(writes, replies, strict=True) if reply == APPLIED}
    counts.documents_written += len(done - parked)
    counts.documents_parked += len(done & parked)
    return [roots[at] for at in writes if at not in done]


def _id(root: Root) -> tuple[str, str]:
    return root[0].name, root[1]


def _take_over(plan: Plan, flat: list[Root], roots: list[Root], counts: Counts) -> Steps[list[Root]]:
    """Bring the rows that documents hold into images; return the documents of other rows that this changed."""
    changes = yield from claim(plan, flat)
    touched = yield from store_rows(plan, fold(changes), counts)
    known = set(map(_id, roots))
    aggregates = {aggregate.root.table: aggregate for aggregate, _ in flat}
    more = [(aggregates[row.table], row.key) for row in touched if row.table in aggregates]
    return [root for root in more if _id(root) not in known]


def _head(item: Item | None) -> Head:
    if item is None:
        return Head(0, "", 0, "", "")
    flat = VERSION in item
    generation, relations = int(item["_gen"]["N"]), NO_RELATIONS if flat else item["_refs"]["S"]
    revision, fingerprint, as_of = int(item["_rev"]["N"]), item["_fp"]["S"], item["_as_of"]["S"]
    return Head(revision, fingerprint, generation, relations, as_of, holds_row(item))


def _system(plan: Plan, aggregate: Aggregate, assembled: Assembled, head: Head, as_of: str) -> Item:
    return {
        "_rev": number(head.revision + 1),
        "_fp": text(assembled.fingerprint),
        "_gen": number(aggregate.generation),
        "_refs": text(plan.relations[aggregate.name]),
        "_as_of": text(max(as_of, head.as_of)),
    }


def _read_trees(plan: Plan, roots: list[Root], memory: Memory) -> Steps[None]:
    """Read, level by level, every image and edge that the group's documents consult; shared within the group."""
    frontier: list[tuple[Node, str]] = [(aggregate.root, key) for aggregate, key in roots]
    seen: set[tuple[int, str]] = set()
    look_again: dict[RowId, None] = {}
    while frontier:
        level = {(id(node), key): (node, key) for node, key in frontier if (id(node), key) not in seen}
        seen.update(level)
        yield from _read_level(plan, list(level.values()), memory)
        frontier = []
        for node, key in level.values():
            frontier += _next_level(node, key, memory, look_again)
    if look_again:
        items = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in look_again]
        memory.again = {row_id: read_image(item) for row_id, item in zip(look_again, items, strict=True)}


def _read_level(plan: Plan, level: list[tuple[Node, str]], memory: Memory) -> Steps[None]:
    gets: dict[RowId, Operation] = {}
    wanted: dict[tuple[str, str], list[EdgeId]] = {}
    for node, key in level:
        if not node.virtual and (node.table, key) not in memory.images:
            gets[node.table, key] = Get(TableName.ROWS, row_pk(node.table, key), ROW_SK)
        queries = _edge_queries(plan, node, key)
        wanted.update({query: edges for query, edges in queries if any(edge not in memory.edges for edge in edges)})
    if not gets and not wanted:
        return
    replies = yield [*gets.values(), *(Query(TableName.ROWS, pk, prefix) for pk, prefix in wanted)]
    for row_id, item in zip(gets, replies[: len(gets)], strict=True):
        memory.images[row_id] = read_image(item)
    found: dict[EdgeId, set[str]] = {}  # two places may ask for the same edges in two ways
    for edges, sort_keys in zip(wanted.values(), replies[len(gets) :], strict=True):
        for edge in edges:
            prefix = edge_sk_prefix(edge[2], edge[3])
            children = (sort_key[len(prefix) :] for sort_key in sort_keys if sort_key.startswith(prefix))
            found.setdefault(edge, set()).update(children)
    memory.edges.update({edge: tuple(sorted(children)) for edge, children in found.items()})


def _edge_queries(plan: Plan, node: Node, key: str) -> Iterator[tuple[tuple[str, str], list[EdgeId]]]:
    """Partition and prefix of each Query that a row's children need, with the relations it answers.

    A row whose edges are all wanted is asked for all of them at once; where other rows point at it too (a product
    that stands in thousands of lines), each relation is asked for on its own.
    """
    relations = [edge_id(node, key, child) for child in node.children if child.kind is Kind.MANY]
    if len(relations) > 1 and plan.only_children(node):
        yield (row_pk(node.table, key), ""), relations
        return
    for edge in relations:
        for query in plan.edge_queries(edge[2], edge[3], node.table, key):
            yield query, [edge]


def _next_level(node: Node, key: str, memory: Memory, look_again: dict[RowId, None]) -> list[tuple[Node, str]]:
    image = None if node.virtual else memory.images[node.table, key]
    row = image.row if image is not None else None
    if not node.virtual and (row is None or not stands(image, node)):
        return []
    below: list[tuple[Node, str]] = []
    for child in node.children:
        if child.kind is Kind.MANY:
            children = memory.edges[edge_id(node, key, child)]
            below += [(child, child_key) for child_key in children]
            if child.children:
                look_again.update(((child.table, child_key), None) for child_key in children)
        elif row is not None and not is_copied(child) and (parent := parent_key(row, child.join)) is not None:
            below.append((child, parent))
    return below


def _write(aggregate: Aggregate, key: str, assembled: Assembled, head: Head, system: Item) -> tuple[Operation, bool]:
    """The conditional write of a document, and whether its state fits (else it is parked with its last good state)."""
    pk = document_pk(aggregate.name, key)
    keys: Item = {"pk": text(pk), "sk": text(DOCUMENT_SK)}
    misfit = "; ".join(assembled.misfits)
    if not misfit:
        try:
            item = {**_body(aggregate, key, assembled), **keys, **system}
            if item_bytes(item) <= MAX_ITEM_BYTES:
                return _put(pk, item, head, aggregate), True
            misfit = f"the document takes {item_bytes(item)} bytes; DynamoDB holds {MAX_ITEM_BYTES}"
        except NotStorable as problem:
            misfit = str(problem)
        except UnicodeEncodeError:
            misfit = "text that is not Unicode (a lone surrogate)"
    flags = {**aggregate.parked_attributes(key), "_parked": misfit[:PARKED_TEXT_CHARACTERS]}
    if head.holds_row:
        flags[CLAIMED] = NEVER  # its image has what it holds
    flagged = {**system, **to_item(flags)}
    if head.revision == 0:
        return _put(pk, {**keys, **flagged, "_deleted": {"BOOL": True}}, head, aggregate), False
    return Update(TableName.DOCUMENTS, pk, DOCUMENT_SK, flagged, _unchanged(head, aggregate)), False


def _body(aggregate: Aggregate, key: str, assembled: Assembled) -> Item:
    if assembled.body is None:
        return {"_deleted": {"BOOL": True}}
    values: dict[str, Any] = {**assembled.body, **aggregate.index_attributes(key, assembled.body)}
    return to_item(values)


def _put(pk: str, item: Item, head: Head, aggregate: Aggregate) -> Operation:
    if head.revision == 0:
        return Insert(TableName.DOCUMENTS, pk, DOCUMENT_SK, item)
    return Replace(TableName.DOCUMENTS, pk, DOCUMENT_SK, item, _unchanged(head, aggregate))


def _unchanged(head: Head, aggregate: Aggregate) -> tuple[Condition, ...]:
    return (
        Condition("_rev", "=", number(head.revision)),
        Condition("_gen", "<=", number(aggregate.generation)),
    )
