"""What is due: rows that more rows point at than a worker follows at once; their documents are rebuilt in slices."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from tests.model.documents import FanOut, NewerGeneration, ascend_from, find_node, rebuild, referrers
from tests.model.rows import Steps, Worker
from tests.model.store import Due

SLICE = 2


def settle(worker: Worker, fan_outs: set[FanOut]) -> Steps:
    """Store them; the rows they are about are stored already."""
    store = worker.store
    for fan_out in sorted(fan_outs):
        yield
        what = (worker.shard, *fan_out)
        there = store.due.get(what)
        if there is None:
            store.due[what] = Due(store.next_revision(worker.breaks("due_revision_begins_anew")))
            continue
        again = there.again or there.after != ""
        if worker.breaks("due_put_leaves_revision") and not again:
            continue
        store.due[what] = replace(there, revision=store.next_revision(), again=again)


def work_off(worker: Worker, shard: int) -> Steps:
    """A slice of one item of a shard."""
    store = worker.store
    yield
    found = sorted(what for what in store.due if what[0] == shard)
    if not found:
        return
    what = found[worker.turn() % len(found)]
    item = store.due[what]
    _, name, path, key = what
    aggregate = worker.mapping.aggregates.get(name)
    node = find_node(aggregate.root, path) if aggregate else None
    page: list[str] = []
    if node is not None and node.kind == "one" and node.above is not None:
        yield
        page = [referrer for referrer in referrers(worker, node, key) if referrer > item.after][:SLICE]
    ended = len(page) < SLICE
    yield
    if store.fence > worker.mapping.generation and not worker.breaks("fence_ignored"):
        raise NewerGeneration

    def move() -> Steps:
        yield
        now = store.due.get(what)
        if now is None or (now.revision != item.revision and not worker.breaks("due_moved_by_sleeper")):
            return
        if not ended:
            store.due[what] = replace(item, revision=store.next_revision(), after=page[-1])
        elif item.again and not worker.breaks("due_again_ignored"):
            store.due[what] = Due(store.next_revision())
        else:
            del store.due[what]

    if worker.breaks("due_cursor_first"):
        yield from move()
    if node is not None and aggregate is not None:
        fan_outs: set[FanOut] = set()
        roots = yield from ascend_from(worker, aggregate, node, page, fan_outs)
        for document in sorted(roots):
            yield from rebuild(worker, document)
        yield from settle(worker, fan_outs)
    if not worker.breaks("due_cursor_first"):
        yield from move()


def work_off_all(worker: Worker, shards: Callable[[], set[int]]) -> Generator[None, None, None]:
    """Everything of some shards."""
    while left := shards():
        for shard in sorted(left):
            yield from work_off(worker, shard)
