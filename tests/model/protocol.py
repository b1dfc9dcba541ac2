"""The protocol as a whole: a batch, a shard's worker, `rebuild` for a changed mapping, the sweep after a reload."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from tests.model.ahead import Ahead, is_lowest, store_lowest
from tests.model.documents import FanOut, NewerGeneration, find_roots, rebuild
from tests.model.due import settle, work_off, work_off_all
from tests.model.history import Record
from tests.model.partial import Change
from tests.model.rows import Steps, Touched, Worker, clean_up, covers, store_row
from tests.model.store import RowId


def project(worker: Worker, changes: Iterable[Change], late: list[Steps] | None = None) -> Steps:
    """One batch: images, then documents, then the clean-up. `late`: what a planted defect does after the checkpoint."""
    rows: dict[RowId, list[Change]] = {}
    for change in changes:
        rows.setdefault((change.table, change.key), []).append(change)
    for found in rows.values():
        found.sort(key=lambda change: change.version)
    touched: list[Touched] = []
    ahead = Ahead()
    moved = {row: found for row, found in rows.items() if any(change.moved_from for change in found)}
    others = {row: found for row, found in rows.items() if row not in moved}
    beside = worker.breaks("parents_beside_what_is_known") and any(is_lowest(worker, table) for table, _ in others)
    lowest = {row: found for row, found in others.items() if beside or is_lowest(worker, row[0])}
    for part in (moved, {row: found for row, found in others.items() if row not in lowest}, lowest):
        pending, first = part, part is lowest
        while pending:
            onward: list[Change] = []
            if first:
                yield from store_lowest(worker, pending, touched, onward, ahead)
            for row, found in () if first else pending.items():
                yield from store_row(worker, row, found, touched, onward)
            first = False
            pending = {}
            for change in onward:
                pending.setdefault((change.table, change.key), []).append(change)
    yield from _finish(worker, touched, late, ahead)


def _finish(worker: Worker, touched: list[Touched], late: list[Steps] | None, ahead: Ahead) -> Steps:
    fan_outs: set[FanOut] = set()
    roots = yield from find_roots(worker, touched, fan_outs)
    for document in sorted(roots):
        yield from rebuild(worker, document, ahead.heads.get(document), ahead.images)
    if late is not None and worker.breaks("due_after_checkpoint"):
        late.append(settle(worker, fan_outs))
    else:
        yield from settle(worker, fan_outs)
    for one in touched:
        yield from clean_up(worker, one)


def work(
    worker: Worker, log: list[Record], start: int, checkpoint: Callable[[Worker, int], None], rng: random.Random
) -> Steps:
    """A shard's worker from a checkpoint to the end of the log; batches fall differently at every run."""
    at, store, late = start, worker.store, list[Steps]()
    while at < len(log):
        end = min(at + rng.choice([1, 1, 2, 4, 8]), len(log))
        if worker.breaks("checkpoint_first"):
            checkpoint(worker, end)
        yield from project(worker, [change for record in log[at:end] for change in record], late)
        at = end
        yield
        if store.fence > worker.mapping.generation and not worker.breaks("fence_ignored"):
            raise NewerGeneration
        yield
        checkpoint(worker, at)
        while late:
            yield from late.pop()
        for _ in range(rng.choice([0, 1, 2]) if store.due else 0):
            yield from work_off(worker, worker.shard)
    yield from work_off_all(worker, lambda: {what[0] for what in store.due if what[0] == worker.shard})


def rebuild_all(worker: Worker) -> Steps:
    """Go over to a new mapping beside live traffic: fence, cover every image, say so, rebuild every document."""
    store = worker.store
    yield
    store.fence = worker.mapping.generation
    if worker.breaks("documents_before_edges"):
        yield from _rebuild_documents(worker)
    lacking = True
    while lacking:
        lacking = False
        for row in list(store.images):
            yield
            if not covers(worker, row[0], store.images[row]):
                lacking = True
                yield from store_row(worker, row, [], [], [])
    yield
    store.ready = worker.mapping.generation
    if not worker.breaks("documents_before_edges"):
        yield from _rebuild_documents(worker)


def _rebuild_documents(worker: Worker) -> Steps:
    for aggregate in worker.mapping.aggregates.values():
        roots = {key for table, key in worker.store.images if table == aggregate.root.table}
        roots |= {key for name, key in worker.store.documents if name == aggregate.name}
        for key in sorted(roots):
            yield from rebuild(worker, (aggregate.name, key))


def sweep(worker: Worker, first: int) -> Steps:
    """After a reload of a new incarnation has ended everywhere: rows that only older incarnations know are gone.

    `first`: a version just below that incarnation's loads.
    """
    for row in list(worker.store.images):
        yield
        version = worker.store.images[row].version  # equal: a sweep before this one may have died before the documents
        if version < first or (version == first and not worker.breaks("sweep_takes_its_own_as_done")):
            if worker.breaks("sweep_outside_protocol"):
                del worker.store.images[row]
                continue
            yield from project(worker, [Change(*row, first, None)])
