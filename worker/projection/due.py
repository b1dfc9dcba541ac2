"""Large fan-outs: what is above a row that very many point at is rebuilt in slices, from an item that says so.

A batch that meets one stores it as due before it returns; a slice rebuilds the documents above some of the referrers
and moves the cursor behind them. An item that is put again says so: its pass goes on, and another one follows it. Every
write of an item gives it a revision that it never had before, and is conditioned on the one read: a worker that slept
knows nothing of what was put meanwhile, and cannot call it done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from typing import Final, NamedTuple

from contract.keys import key_text
from contract.values import AttributeValue, Item
from worker.projection.copies import SurplusEdge, drop_edges, take_copies_of
from worker.projection.documents import rebuild
from worker.projection.generations import look_at_fence
from worker.projection.images import Counts
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Operation,
    Query,
    Steps,
    TableName,
    Update,
    text,
)
from worker.projection.plan import Plan
from worker.projection.referrers import FanOut, Limits, Referrers, edge_queries, row_keys
from worker.projection.roots import Links, Root, above, climb, links_of
from worker.records.mark import NOTHING, Mark, parse_mark

DUE_PK: Final = "#due"

ITEMS_AT_ONCE: Final = 20
"""Due items that may share a slice: many small ones must not cost a slice each."""

PARTITIONS_AT_ONCE: Final = 8
"""Partitions of spread edges that a slice asks at once, for each item."""

WIDEST_SLICE: Final = 16
"""By so much a slice grows over its number of documents where many referrers share a few of them."""

FOLLOWED_TOGETHER: Final = 1000
"""Documents that are collected before they are rebuilt where nobody waits: those that fan-outs share are built once."""

LISTED: Final = 1000

HIGHEST: Final = 999
"""Above every place: a path has fewer names."""

_SINCE: Final = ("since",)


@dataclass(frozen=True, slots=True)
class Dues:
    """Where a worker stores what is due. `owner`: the shard; `new_revision`: a text that it gives only once.

    `complete`: up to where the shard had come before the batch or slice that finds something due.
    """

    owner: str
    new_revision: Callable[[], str]
    limits: Limits = field(default_factory=Limits)
    complete: Callable[[], Mark] = lambda: NOTHING


class Cursor(NamedTuple):
    """Up to where a pass has come: behind an edge's sort key in one of so many partitions."""

    partitions: int
    partition: int
    after: str


START: Final = Cursor(0, 0, "")


@dataclass(frozen=True, slots=True)
class DueItem:
    """A fan-out that is due, as stored. `again`: it was put again since its pass began.

    `since`: its documents may lack changes after that; `again_since`: the same of those of its next pass.
    """

    sk: str
    fan_out: FanOut
    cursor: Cursor
    again: bool
    revision: str
    as_of: str
    since: Mark = NOTHING
    again_since: Mark | None = None


@dataclass(slots=True)
class Slice:
    """What one slice did. `last`: the sort key of the last item that had its turn, "" if none was there.

    `referrers`: how many the next slice may look at.
    """

    counts: Counts = field(default_factory=Counts)
    last: str = ""
    finished: int = 0
    referrers: int = 0


def put_due(dues: Dues, fan_outs: Iterable[FanOut], as_of: str) -> Steps[None]:
    """Store fan-outs as due. The rows they are about must be durable."""
    yield from _put(dues, _owner_prefix(dues.owner), fan_outs, as_of, dues.complete())


def _put(dues: Dues, prefix: str, fan_outs: Iterable[FanOut], as_of: str, since: Mark) -> Steps[None]:
    pending = {prefix + _sort_key(fan_out): fan_out for fan_out in fan_outs}
    while pending:
        order = list(pending)
        replies = yield [_insert(sk, pending[sk], dues.new_revision(), as_of, since) for sk in order]
        there = [sk for sk, reply in zip(order, replies, strict=True) if reply != APPLIED]
        if not there:
            return
        items = yield [Get(TableName.ROWS, DUE_PK, sk) for sk in there]
        stored = [_read(item) for item in items if item is not None]
        again: list[Operation] = [_put_again(item, dues, as_of, since) for item in stored]
        replies = (yield again) if again else []
        done = {item.sk for item, reply in zip(stored, replies, strict=True) if reply == APPLIED}
        pending = {sk: pending[sk] for sk in there if sk not in done}


def _put_again(item: DueItem, dues: Dues, as_of: str, since: Mark) -> Operation:
    """A pass that has begun does not count for what is put now: another one follows it."""
    if item.again or item.cursor != START:
        follows = since if item.again_since is None else since.earlier(item.again_since)
        return _update(replace(item, again_since=follows), item.cursor, again=True, dues=dues, as_of=as_of)
    return _update(replace(item, since=since.earlier(item.since)), item.cursor, again=False, dues=dues, as_of=as_of)


def next_due(owner: str, after: str) -> Steps[list[str]]:
    """Sort keys of some items of an owner: those behind one of them, and then from the first."""
    prefix = _owner_prefix(owner)
    (found,) = yield [Query(TableName.ROWS, DUE_PK, prefix, ITEMS_AT_ONCE, after)]
    if after and len(found) < ITEMS_AT_ONCE:
        (first,) = yield [Query(TableName.ROWS, DUE_PK, prefix, ITEMS_AT_ONCE - len(found))]
        found = dict.fromkeys((*found, *first))
    return list(found)


def list_due(owner: str = "") -> Steps[tuple[str, ...]]:
    """Sort keys of what is due, of one owner or of all; no more than LISTED."""
    (found,) = yield [Query(TableName.ROWS, DUE_PK, _owner_prefix(owner) if owner else "", LISTED)]
    listed: tuple[str, ...] = found
    return listed


def revisions(sort_keys: Sequence[str]) -> Steps[dict[str, str]]:
    """The revisions of the items that are there."""
    items = (yield [Get(TableName.ROWS, DUE_PK, sk, ("rev",)) for sk in sort_keys]) if sort_keys else []
    return {sk: item["rev"]["S"] for sk, item in zip(sort_keys, items, strict=True) if item is not None}


def held_since(sort_keys: Sequence[str]) -> Steps[list[Mark]]:
    """Up to where all is done, as far as the items that are still there are concerned.

    Whoever lists the items in the order of their sort keys and then asks this of them misses nothing that was due when
    he began: what a slice finds due is put behind the item that it works off, before that one is deleted.
    """
    items = (yield [Get(TableName.ROWS, DUE_PK, sk, _SINCE) for sk in sort_keys]) if sort_keys else []
    return [_since(item) for item in items if item is not None]


def is_owned_by(owner: str, sort_key: str) -> bool:
    """Whether it was put by that shard's worker."""
    return sort_key.startswith(_owner_prefix(owner))


def work_off(plan: Plan, dues: Dues, sort_keys: Sequence[str], referrers: int = 0) -> Steps[Slice]:
    """One slice of these items, the first ones as far as they fit into it. Raises NewerGeneration.

    It looks at so many referrers; 0: at as many as there are documents in a slice.

    It may be stopped after any operation and run again, beside others at the same items. An item that this mapping does
    not know is deleted: the rebuild of the mapping that does comes later, or this worker would have met its fence.
    """
    size = referrers or dues.limits.in_slice
    done = Slice(referrers=size)
    found = (yield [Get(TableName.ROWS, DUE_PK, sk) for sk in sort_keys]) if sort_keys else []
    items = [_read(item) for item in found if item is not None]
    if not items:
        return done
    as_of = max(item.as_of for item in items)
    passes = [(item.fan_out, item.cursor) for item in items]
    found_due, cursors, done.referrers = yield from _rebuild_slice(plan, dues, passes, as_of, size, done.counts)
    since = reduce(Mark.earlier, (item.since for item in items))
    yield from _put(dues, max(_prefix_of(item.sk) for item in items), found_due, as_of, since)
    moved = list(zip(items, cursors, strict=False))
    replies = yield [_move(item, cursor, dues) for item, cursor in moved]
    ended = [cursor is None and not item.again for item, cursor in moved]
    done.finished = sum(end and reply == APPLIED for end, reply in zip(ended, replies, strict=True))
    done.last = moved[-1][0].sk
    return done


def follow(plan: Plan, fan_outs: Sequence[FanOut], as_of: str, limits: Limits, counts: Counts) -> Steps[None]:
    """The same to the end at once, for a caller that nobody waits for and that repeats everything if it is stopped.

    Raises NewerGeneration.
    """
    roots: dict[tuple[str, str], Root] = {}
    surplus: list[SurplusEdge] = []
    links: Links = {}
    todo = dict.fromkeys(fan_outs)
    while todo:
        passes = [(fan_out, START) for fan_out in islice(todo, ITEMS_AT_ONCE)]
        for fan_out, _ in passes:
            del todo[fan_out]
        while passes:
            found = yield from _climb_slice(plan, passes, limits, WIDEST_SLICE * limits.in_slice, links)
            served = zip(passes, found.pages, strict=False)
            rest = [(fan_out, page.cursor) for (fan_out, _), page in served if page.cursor is not None]
            passes = rest + passes[len(found.pages) :]
            todo |= dict.fromkeys(found.fan_outs)  # once, however often it is met before its turn
            roots.update({(aggregate.name, key): (aggregate, key) for aggregate, key in found.roots})
            surplus += found.surplus
            if len(roots) >= FOLLOWED_TOGETHER or not (passes or todo):
                generations = yield from look_at_fence(plan)
                yield from rebuild(plan, list(roots.values()), as_of, generations, counts)
                yield from drop_edges(surplus)
                roots, surplus, links = {}, [], {}


def _rebuild_slice(
    plan: Plan, dues: Dues, passes: Sequence[tuple[FanOut, Cursor]], as_of: str, size: int, counts: Counts
) -> Steps[tuple[list[FanOut], list[Cursor | None], int]]:
    """Rebuild what is above the next `size` referrers of the first passes.

    Returns the fan-outs met on the way, which become due; the passes' new cursors, None at a list's end; and how many
    referrers the next slice may look at.
    """
    found = yield from _climb_slice(plan, passes, dues.limits, size, {})
    generations = yield from look_at_fence(plan)
    yield from rebuild(plan, found.roots, as_of, generations, counts)
    counts.due += len(found.fan_outs)
    yield from drop_edges(found.surplus)
    looked_at = sum(len(page.keys) for page in found.pages)
    next_size = _next_size(dues.limits, size, looked_at, len(found.roots))
    return found.fan_outs, [page.cursor for page in found.pages], next_size


def _climb_slice(
    plan: Plan, passes: Sequence[tuple[FanOut, Cursor]], limits: Limits, size: int, links: Links
) -> Steps[_Climbed]:
    """What is above the next `size` referrers of the first passes; the copies that they lack are taken.

    `links`: where rows point that were read since the documents above them were last rebuilt; others are added.
    """
    pages = yield from _pages(plan, passes, size)
    found_by = [(fan_out, page.keys) for (fan_out, _), page in zip(passes, pages, strict=False) if page.keys]
    taken = yield from take_copies_of(
        plan, [(fan_out.referrers, keys) for fan_out, keys in found_by if not fan_out.path]
    )
    steps = [(place, key) for fan_out, keys in found_by for place in above(plan, fan_out) for key in keys]
    narrow = replace(limits, in_all=limits.of_one_row)
    links.update(links_of(taken.touched))
    found = yield from climb(plan, steps, links, narrow)
    return _Climbed(pages, found.roots, found.fan_outs, taken.surplus)


def _next_size(limits: Limits, size: int, referrers: int, documents: int) -> int:
    """Thousands of referrers may stand in one document: looking at a few at a time would build it as many times."""
    if documents > limits.in_slice:
        return limits.in_slice
    if referrers == size and 2 * documents <= limits.in_slice:
        return min(2 * size, WIDEST_SLICE * limits.in_slice)
    return size


class _Climbed(NamedTuple):
    """Where passes have come to, the documents to rebuild, fan-outs met on the way, edges to drop afterwards."""

    pages: list[_Page]
    roots: list[Root]
    fan_outs: list[FanOut]
    surplus: Sequence[SurplusEdge]


class _Page(NamedTuple):
    """Referrers, and where the next ones begin; None: there are no more."""

    keys: list[str]
    cursor: Cursor | None


def _pages(plan: Plan, passes: Sequence[tuple[FanOut, Cursor]], size: int) -> Steps[list[_Page]]:
    """The next referrers of the first passes, `size` in all; the list ends where nothing is left for a pass."""
    queries = [_next_queries(plan, fan_out, cursor, size) for fan_out, cursor in passes]
    asked: list[Operation] = [query for _, part in queries for query in part]
    replies: Iterator[tuple[str, ...]] = iter((yield asked) if asked else ())
    pages: list[_Page] = []
    for (fan_out, _), (at, part) in zip(passes, queries, strict=True):
        parts = [next(replies) for _ in part]
        if size > 0:
            page = _page(fan_out, at, parts, size)
            pages.append(page)
            size -= len(page.keys)
    return pages


def _next_queries(plan: Plan, fan_out: FanOut, cursor: Cursor, size: int) -> tuple[Cursor, list[Operation]]:
    """What to ask, and the cursor as this mapping means it: where edges are spread anew, a pass starts over."""
    if not above(plan, fan_out):
        return START, []
    partitions = edge_queries(plan, fan_out.referrers)
    at = cursor if cursor.partitions == len(partitions) else Cursor(len(partitions), 0, "")
    part = partitions[at.partition : at.partition + PARTITIONS_AT_ONCE]
    return at, [
        Query(TableName.ROWS, pk, prefix, size, "" if number else at.after) for number, (pk, prefix) in enumerate(part)
    ]


def _page(fan_out: FanOut, at: Cursor, parts: Sequence[tuple[str, ...]], size: int) -> _Page:
    taken: list[str] = []
    for partition, sort_keys in enumerate(parts, at.partition):
        room = size - len(taken)
        taken += row_keys(fan_out.referrers, sort_keys[:room])
        if len(sort_keys) >= room:
            return _Page(taken, Cursor(at.partitions, partition, sort_keys[room - 1]))
    partition = at.partition + len(parts)
    return _Page(taken, Cursor(at.partitions, partition, "") if partition < at.partitions else None)


def _move(item: DueItem, cursor: Cursor | None, dues: Dues) -> Operation:
    if cursor is None and not item.again:
        return Delete(TableName.ROWS, DUE_PK, item.sk, _still(item))
    if cursor is None:  # the pass is over, and with it what it was about
        item = replace(item, since=item.again_since or item.since, again_since=None)
        return _update(item, START, again=False, dues=dues, as_of=item.as_of)
    return _update(item, cursor, again=item.again, dues=dues, as_of=item.as_of)


def _insert(sk: str, fan_out: FanOut, revision: str, as_of: str, since: Mark) -> Operation:
    keys: Item = {"pk": text(DUE_PK), "sk": text(sk), "what": text(_fan_out_text(fan_out))}
    state = _state(START, again=False, revision=revision, as_of=as_of)
    return Insert(TableName.ROWS, DUE_PK, sk, {**keys, **state, **_marks(since, None)})


def _update(item: DueItem, cursor: Cursor, *, again: bool, dues: Dues, as_of: str) -> Operation:
    state = _state(cursor, again=again, revision=dues.new_revision(), as_of=max(as_of, item.as_of))
    marks = _marks(item.since, item.again_since)
    return Update(TableName.ROWS, DUE_PK, item.sk, {**state, **marks}, _still(item))


def _marks(since: Mark, again_since: Mark | None) -> dict[str, AttributeValue]:
    return {"since": text(since.text()), "again_since": text(again_since.text() if again_since else "")}


def _since(item: Item) -> Mark:
    return parse_mark(item["since"]["S"]) if "since" in item else NOTHING


def _state(cursor: Cursor, *, again: bool, revision: str, as_of: str) -> dict[str, AttributeValue]:
    return {
        "at": text(json.dumps(cursor)),
        "again": {"BOOL": again},
        "rev": text(revision),
        "as_of": text(as_of),
    }


def _still(item: DueItem) -> tuple[Condition, ...]:
    return (Condition("rev", "=", text(item.revision)),)


def _read(item: Item) -> DueItem:
    (table, columns, parent, key), path = json.loads(item["what"]["S"])
    return DueItem(
        sk=item["sk"]["S"],
        fan_out=FanOut(Referrers(table, tuple(columns), parent, key), tuple(path)),
        cursor=Cursor(*json.loads(item["at"]["S"])),
        again=item["again"]["BOOL"],
        revision=item["rev"]["S"],
        as_of=item["as_of"]["S"],
        since=_since(item),
        again_since=parse_mark(again_since) if (again_since := item.get("again_since", {}).get("S", "")) else None,
    )


def _owner_prefix(owner: str) -> str:
    return f"{key_text([owner])}#"


def _prefix_of(sort_key: str) -> str:
    return sort_key[: sort_key.index("#") + 1]


def _sort_key(fan_out: FanOut) -> str:
    """Higher places sort behind lower ones, as what a slice finds due is always higher up (`held_since`)."""
    rank = HIGHEST - len(fan_out.path) if fan_out.path else 0
    # names and keys may be longer than a sort key
    digest = hashlib.blake2s(_fan_out_text(fan_out).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{rank:03d}{digest}"


def _fan_out_text(fan_out: FanOut) -> str:
    return json.dumps(fan_out)
