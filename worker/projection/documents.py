"""Step 7 of the protocol: rebuild documents from the rows, a group at a time, and write them if nobody else has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from contract.keys import DOCUMENT_SK, document_pk
from contract.mapping import Aggregate
from contract.parts import OLD_PARTS, PARTS
from contract.values import MAX_ITEM_BYTES, Item, NotStorable, item_bytes, to_item
from worker.projection.ahead import Ahead, read_head
from worker.projection.assemble import Assembled, assemble
from worker.projection.flat import CLAIMED, VERSION
from worker.projection.flat_documents import claim, holds_row
from worker.projection.generations import Generations, refuse_newer
from worker.projection.images import Counts, fold, store_rows
from worker.projection.operations import (
    APPLIED,
    Condition,
    Insert,
    Operation,
    Replace,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.overflow import TooLarge
from worker.projection.overflow_parts import NO_PARTS, Kept, Made, after_parts, clean_up, kept, write_parts
from worker.projection.plan import NO_RELATIONS, Plan
from worker.projection.reading import NOTHING_KNOWN, read_trees
from worker.projection.roots import Root
from worker.records.version import NEVER
from worker.value import Value

GROUP: Final = 100
"""Documents rebuilt together share what they read; it bounds memory."""

FORGOTTEN: Final = "repair"
"""The fingerprint of a document of which nothing is taken for right, its parts included."""

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
    parts: Kept = NO_PARTS


def rebuild(
    plan: Plan,
    roots: Sequence[Root],
    as_of: str,
    generations: Generations,
    counts: Counts,
    ahead: Ahead | None = None,
) -> Steps[None]:
    """Make every root's document equal to its rows, in groups. `as_of`: newest commit time this batch has seen.

    Of those that were read `ahead`, the batch's own images need not be read again; a lost race reads everything.

    A document of other relations than the mapping's stays as it is, or unwritten, until their edges are known to be
    there; the rebuild that makes sure of it comes to every document afterwards. Raises NewerGeneration.
    """
    heads = ahead.heads if ahead is not None else {}
    early = [root for root in roots if _id(root) in heads]
    others = [root for root in roots if _id(root) not in heads]
    for part, known in ((early, ahead), (others, None)):
        for start in range(0, len(part), GROUP):
            pending, read = part[start : start + GROUP], known
            taken_over: set[tuple[str, str]] = set()
            while pending:
                pending = yield from _rebuild_once(plan, pending, as_of, generations, counts, taken_over, read)
                read = None


def _rebuild_once(
    plan: Plan,
    roots: list[Root],
    as_of: str,
    generations: Generations,
    counts: Counts,
    taken_over: set[tuple[str, str]],
    ahead: Ahead | None,
) -> Steps[list[Root]]:
    """One try for a group; returns the roots that lost a race. Revisions first, then all that the documents show.

    `taken_over`: documents whose rows were taken over into images since this group began.
    """
    heads = yield from _heads(roots, ahead)
    flat = [root for root, head in zip(roots, heads, strict=True) if head.holds_row and _id(root) not in taken_over]
    if flat:
        taken_over.update(map(_id, flat))
        return roots + (yield from _take_over(plan, flat, roots, counts))
    memory = yield from read_trees(plan, roots, ahead.images if ahead is not None else NOTHING_KNOWN)
    writes: dict[int, Operation] = {}
    parked: set[int] = set()
    in_parts: dict[int, Made] = {}
    for at, ((aggregate, key), head) in enumerate(zip(roots, heads, strict=True)):
        refuse_newer(aggregate, head.generation)
        if not generations.may_follow(plan, aggregate, head.relations):
            counts.documents_waiting += 1
            continue
        assembled = assemble(aggregate, key, memory)
        if (head.revision and assembled.fingerprint == head.fingerprint) or not (head.revision or assembled.root_seen):
            counts.documents_skipped += 1
            if head.parts.old:
                yield from clean_up(document_pk(aggregate.name, key), head.parts)
            continue
        system = _system(plan, aggregate, assembled, head, as_of)
        item = _item(aggregate, key, assembled, system)
        if isinstance(item, Large) or (head.parts is not NO_PARTS and not isinstance(item, str)):
            found = yield from _in_parts(plan, item, head, system, counts)
            if found is None:
                continue
            if isinstance(found, Made):
                in_parts[at] = found
            item = found.item if isinstance(found, Made) else found
        if isinstance(item, str):
            parked.add(at)
            writes[at] = _parked(aggregate, key, head, system, item)
        else:
            writes[at] = _put(item["pk"]["S"], item, head, aggregate)
    if not writes:
        return []
    replies = yield list(writes.values())
    done = {at for at, reply in zip(writes, replies, strict=True) if reply == APPLIED}
    for at, made in in_parts.items():
        yield from after_parts(made, written=at in done)
    counts.documents_written += len(done - parked)
    counts.documents_parked += len(done & parked)
    counts.documents_in_parts += sum(bool(made.names) for at, made in in_parts.items() if at in done)
    return [roots[at] for at in writes if at not in done]


def _heads(roots: list[Root], ahead: Ahead | None) -> Steps[list[Head]]:
    if ahead is not None:
        return [_head(ahead.heads[_id(root)]) for root in roots]
    items = yield [read_head(*_id(root)) for root in roots]
    return [_head(item) for item in items]


def _in_parts(plan: Plan, item: Item | Large, head: Head, system: Item, counts: Counts) -> Steps[Made | str | None]:
    """What to write of a document that is too large for one item, or has been, once its parts are there.

    None if it is stored already that the document is too large; else a text that says so.
    """
    whole, fits = (item.item, False) if isinstance(item, Large) else (item, True)
    anew = head.fingerprint == FORGOTTEN
    try:
        made = yield from write_parts(whole, head.revision + 1, head.parts, plan.sizes, fits=fits, anew=anew)
    except TooLarge as problem:
        counts.largest_document = max(counts.largest_document, problem.size)
        fingerprint = f"{whole['_fp']['S']}~{plan.sizes.document}"  # with another limit it is tried again
        system["_fp"] = text(fingerprint)
        if fingerprint == head.fingerprint:
            counts.documents_skipped += 1
            return None
        return str(problem)
    counts.largest_document = max(counts.largest_document, made.size)
    return made


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
    parts = kept(item) if PARTS in item or OLD_PARTS in item else NO_PARTS
    return Head(revision, fingerprint, generation, relations, as_of, holds_row(item), parts)


def _system(plan: Plan, aggregate: Aggregate, assembled: Assembled, head: Head, as_of: str) -> Item:
    return {
        "_rev": number(head.revision + 1),
        "_fp": text(assembled.fingerprint),
        "_gen": number(aggregate.generation),
        "_refs": text(plan.relations[aggregate.name]),
        "_as_of": text(max(as_of, head.as_of)),
    }


class Large(Value, frozen=True):
    """A document's item that is too large for DynamoDB."""

    item: Item


def _item(aggregate: Aggregate, key: str, assembled: Assembled, system: Item) -> Item | Large | str:
    """The document's item; a text that says why there can be none."""
    if assembled.misfits:
        return "; ".join(assembled.reasons)
    keys: Item = {"pk": text(document_pk(aggregate.name, key)), "sk": text(DOCUMENT_SK)}
    try:
        item = {**_body(aggregate, key, assembled), **keys, **system}
        return item if _fits(item) else Large(item)
    except NotStorable as problem:
        return str(problem)
    except UnicodeEncodeError:
        return "text that is not Unicode (a lone surrogate)"


def _parked(aggregate: Aggregate, key: str, head: Head, system: Item, misfit: str) -> Operation:
    """Flags a document whose newest state cannot be stored; what it shows stays."""
    pk = document_pk(aggregate.name, key)
    flags = {**aggregate.parked_attributes(key), "_parked": misfit[:PARKED_TEXT_CHARACTERS]}
    if head.holds_row:
        flags[CLAIMED] = NEVER  # its image has what it holds
    flagged = {**system, **to_item(flags)}
    if head.revision == 0:
        new: Item = {"pk": text(pk), "sk": text(DOCUMENT_SK), **flagged, "_deleted": {"BOOL": True}}
        return _put(pk, new, head, aggregate)
    return Update(TableName.DOCUMENTS, pk, DOCUMENT_SK, flagged, _unchanged(head, aggregate))


def _fits(item: Item) -> bool:
    """As JSON an item is longer than DynamoDB counts it, so mostly nothing has to be counted."""
    try:
        return len(orjson.dumps(item)) <= MAX_ITEM_BYTES or item_bytes(item) <= MAX_ITEM_BYTES
    except orjson.JSONEncodeError:
        return item_bytes(item) <= MAX_ITEM_BYTES


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
