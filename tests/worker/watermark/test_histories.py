"""No mark covers what the documents lack, whatever becomes of shards, workers and readers; broken rules are caught."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from contract.keys import COMPLETE
from tests.worker.watermark.histories import PLAN, SECOND, SOURCE, TABLES, Fell, Overclaimed, World
from worker.intake import Intake
from worker.pipeline import BatchReport
from worker.projection import due
from worker.projection.operations import Insert, Operation, Replace, TableName
from worker.records.incarnations import Incarnations
from worker.records.mark import Mark
from worker.watermark import complete, shard
from worker.watermark.progress import TableNotes

STEPS: Final = 700
Patch = pytest.MonkeyPatch


def _play(seed: int) -> World:
    world = World(seed)
    world.play(STEPS)
    return world


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_marks_are_true_at_every_moment_and_reach_the_last_heartbeat(seed: int) -> None:
    world = _play(seed)

    world.end()

    reached = {table: mark.commit_micros for table, mark in world.published.items()}
    assert reached.keys() == set(TABLES)
    assert min(reached.values()) >= world.last_beat - SECOND


def test_a_load_is_known_to_the_worker_after_the_one_that_saw_it() -> None:
    """Its rows were checkpointed within the second in which progress was stored last, and then the worker died."""
    _play(1262)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 5_000, 500))
def test_many_more_histories(first: int) -> None:
    for seed in range(first, first + 500):
        _play(seed)


def _largest(patch: Patch) -> None:
    patch.setattr(Mark, "earlier", Mark.later)


def _due_is_done(patch: Patch) -> None:
    shared = complete.shared_mark
    patch.setattr(complete, "shared_mark", lambda parts, seen: shared(parts, replace(seen, due=[])))


def _a_table_that_is_loaded_counts(patch: Patch) -> None:
    patch.setattr(complete, "loaded_tables", lambda _parts, _seen, tables: frozenset(tables))


def _a_load_that_ended_is_read_everywhere(patch: Patch) -> None:
    """Other shards may still have rows of it to read."""
    is_loaded = complete._is_loaded

    def hasty(table: str, notes: Sequence[TableNotes], _reached: int) -> bool:
        return is_loaded(table, notes, 1 << 60) and any(table in one.ends or one.all_ended for one in notes)

    patch.setattr(complete, "_is_loaded", hasty)


def _any_change_ends_a_load(patch: Patch) -> None:
    """The first one of the table, though it comes late and others follow it."""
    look = shard.ShardProgress._look_for_ends

    def hasty(self: shard.ShardProgress, records: Any, batch: Any, before: Any) -> None:
        look(self, records, batch, replace(before, mark=Mark(), heartbeat_micros=1))

    patch.setattr(shard, "IN_TURN_MICROS", 0)
    patch.setattr(shard.ShardProgress, "_look_for_ends", hasty)


def _a_load_is_stored_in_its_time(patch: Patch) -> None:
    """As all else about once a second: a checkpoint passes its rows, and the next worker knows nothing of it."""
    patch.setattr(shard.ShardProgress, "_has_seen_a_load", False)


def _marked_before_it_is_durable(patch: Patch) -> None:
    batch = World.batch

    def early(self: World, records: Any, intake: Any, dues: Any, progress: Any) -> Any:
        taken = Intake(PLAN.mapping, SOURCE, notes_tables=False).take(records)
        report = BatchReport(changes=taken.counts(), heartbeat_micros=taken.heartbeat_micros)
        progress.take(taken.events)
        progress.note(records, report, Incarnations())
        yield from progress.save()
        yield from batch(self, records, intake, dues, progress)

    patch.setattr(World, "batch", early)


def _due_since_its_own_batch(patch: Patch) -> None:
    """The mark behind the batch that puts it, not the one before."""

    def after(self: shard.ShardProgress) -> Mark:
        changes = [event for event in self._batch if event.operation != "load"]
        marks = [Mark(event.commit_micros or 0, self._place(event, Incarnations())) for event in changes]
        return functools.reduce(Mark.later, marks, self.mark)

    patch.setattr(shard.ShardProgress, "before", after)


def _due_of_a_late_change_is_of_now(patch: Patch) -> None:
    """A change that comes after the load of its table, later than others of its time."""
    patch.setattr(shard.ShardProgress, "before", lambda self: self.mark)


def _put_again_forgets_since_when(patch: Patch) -> None:
    def put_again(item: Any, dues: Any, as_of: str, since: Mark) -> Operation:
        return due._update(replace(item, since=since), item.cursor, again=True, dues=dues, as_of=as_of)

    patch.setattr(due, "_put_again", put_again)


def _what_a_slice_finds_is_of_now(patch: Patch) -> None:
    put = due._put
    patch.setattr(
        due, "_put", lambda dues, prefix, fan_outs, as_of, _since: put(dues, prefix, fan_outs, as_of, dues.complete())
    )


def _written_whatever_is_stored(patch: Patch) -> None:
    def careless(marks: Mapping[str, Mark], _now: float) -> Any:
        writes: list[Operation] = []
        stored = yield from complete.read_complete(list(marks))
        for table, mark in marks.items():
            pk = f"{COMPLETE}#{table}"
            item = complete._item(pk, mark, "")
            writes.append(
                Replace(TableName.DOCUMENTS, pk, "#", item, ())
                if table in stored
                else Insert(TableName.DOCUMENTS, pk, "#", item)
            )
        yield writes

    patch.setattr(complete, "raise_complete", careless)


MUTANTS: Final[dict[str, tuple[Callable[[Patch], None], type[AssertionError], int]]] = {
    "the largest instead of the smallest": (_largest, Overclaimed, 0),
    "due counts as done": (_due_is_done, Overclaimed, 8),
    "a table that is loaded counts": (_a_table_that_is_loaded_counts, Overclaimed, 1),
    "a load that ended is read everywhere": (_a_load_that_ended_is_read_everywhere, Overclaimed, 13),
    "any change ends a load": (_any_change_ends_a_load, Overclaimed, 425),
    "a load is stored in its time": (_a_load_is_stored_in_its_time, Overclaimed, 1262),
    "marked before it is durable": (_marked_before_it_is_durable, Overclaimed, 3),
    "due since its own batch": (_due_since_its_own_batch, Overclaimed, 8),
    "due of a late change is of now": (_due_of_a_late_change_is_of_now, Overclaimed, 29),
    "put again forgets since when": (_put_again_forgets_since_when, Overclaimed, 48),
    "what a slice finds is of now": (_what_a_slice_finds_is_of_now, Overclaimed, 8),
    "written whatever is stored": (_written_whatever_is_stored, Fell, 2),
}
"""Each broken rule, how it shows, and the first history in which it does."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_caught(name: str, monkeypatch: Patch) -> None:
    break_rule, shows, seed = MUTANTS[name]
    break_rule(monkeypatch)

    with pytest.raises(shows):
        _play(seed)
