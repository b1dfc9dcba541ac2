"""One batch through the protocol: rows, then the documents above them, then the clean-up. Checkpoints come after."""

from __future__ import annotations

from collections.abc import Iterable

from worker.projection.copies import take_copies
from worker.projection.documents import rebuild
from worker.projection.images import Counts, clean_up, fold, store_rows
from worker.projection.operations import Steps
from worker.projection.plan import Plan
from worker.projection.roots import find_roots
from worker.records.rows import RowChange


def project(plan: Plan, changes: Iterable[RowChange], as_of: str) -> Steps[Counts]:
    """Make the effect of all changes durable; when it returns, the batch may be checkpointed, never before.

    It may be stopped after any operation and run again, beside others that run the same or other changes: versions and
    revisions only rise. `as_of` is the newest commit time of the batch (ISO, UTC). Raises NewerGeneration.
    """
    counts = Counts()
    changes = list(changes)
    rows = fold(changes)
    counts.folded = len(changes) - len(rows)
    touched = yield from store_rows(plan, rows, counts)
    touched = yield from take_copies(plan, touched)
    roots = yield from find_roots(plan, touched)
    yield from rebuild(plan, roots, as_of, counts)
    yield from clean_up(touched)
    return counts
