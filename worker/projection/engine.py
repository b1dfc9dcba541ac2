"""One batch through the protocol: rows, then the documents above them, then the clean-up. Checkpoints come after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worker.projection.ahead import Ahead
from worker.projection.copies import drop_edges, take_copies
from worker.projection.documents import rebuild
from worker.projection.due import Dues, follow, put_due
from worker.projection.flat_documents import write_flat
from worker.projection.generations import look_at_fence
from worker.projection.habit import Habit
from worker.projection.images import Counts, clean_up, fold, store_rows
from worker.projection.operations import Steps
from worker.projection.plan import Plan
from worker.projection.referrers import Limits, while_loading
from worker.projection.roots import Root, find_roots
from worker.records.rows import RowChange
from worker.records.version import is_loaded


def rebuild_roots(plan: Plan, roots: Sequence[Root], as_of: str) -> Steps[Counts]:
    """Make these documents equal to the rows as they are stored. Raises NewerGeneration."""
    counts = Counts()
    generations = yield from look_at_fence(plan)
    yield from rebuild(plan, roots, as_of, generations, counts)
    return counts


def project(
    plan: Plan,
    changes: Iterable[RowChange],
    as_of: str,
    dues: Dues | None = None,
    habit: Habit | None = None,
    *,
    settled: bool = False,
) -> Steps[Counts]:
    """Make the effect of all changes durable; when it returns, the batch may be checkpointed, never before.

    It may be stopped after any operation and run again, beside others that run the same or other changes: versions and
    revisions only rise. `as_of` is the newest commit time of the batch (ISO, UTC). Large fan-outs are stored as due;
    without `dues` they are followed to their end. `habit`: what the process has learned of flat documents. `settled`:
    the effect of all these changes was made durable before, so of rows in place no documents are looked at. Raises
    NewerGeneration.
    """
    counts = Counts()
    habit, ahead = habit or Habit(), Ahead()
    others, for_images = yield from write_flat(plan, changes, as_of, habit, counts)
    rows = fold(others)
    counts.folded += len(others) - len(rows)
    rows |= fold(for_images)
    touched = yield from store_rows(plan, rows, counts, habit, ahead, settled=settled)
    limits = dues.limits if dues else Limits()
    if any(is_loaded(row.version) for row in touched):
        limits = while_loading(limits)
    taken = yield from take_copies(plan, touched, limits)
    generations = yield from look_at_fence(plan)
    found = yield from find_roots(plan, taken.touched, limits)
    yield from rebuild(plan, found.roots, as_of, generations, counts, ahead)
    fan_outs = list(dict.fromkeys([*taken.fan_outs, *found.fan_outs]))
    if dues is None:
        yield from follow(plan, fan_outs, as_of, limits, counts)
    elif fan_outs:
        yield from put_due(dues, fan_outs, as_of)
        counts.due += len(fan_outs)
    yield from clean_up(taken.touched)
    yield from drop_edges(taken.surplus)
    return counts
