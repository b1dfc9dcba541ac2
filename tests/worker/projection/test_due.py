"""Large fan-outs: whatever becomes of the workers, what is due is done once all is worked off, in bounded slices."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from tests.worker.projection.feature_cases import CASES
from tests.worker.projection.histories import AS_OF, Faults, Log, finish, play, search, shards_of, stored_documents
from tests.worker.projection.strict_store import StrictStore, one_by_one
from tests.worker.projection.test_features import COPY, TAKEN, TORN, _changes, _checked, _plan
from worker.projection import due, engine, roots
from worker.projection.due import Dues, list_due, next_due, work_off
from worker.projection.engine import project
from worker.projection.generations import NewerGeneration
from worker.projection.images import Counts, cover
from worker.projection.operations import Delete, Get, Operation, TableName, Update, text
from worker.projection.plan import Plan
from worker.projection.referrers import Limits, limits, row_keys
from worker.rebuild.state import raise_fence
from worker.records.rows import RowChange
from worker.records.version import change_version, load_version

LIMITS = (Limits(0, 0, 1), Limits(1, 1, 1, loading=1), Limits(1, 2, 2, loading=2), Limits(2, 3, 1, loading=1))

FOCUSES: tuple[tuple[str, ...], ...] = (
    (),
    ("order", "customer"),
    ("customer",),
    ("order", "line", "product"),
)


@pytest.mark.parametrize("focus", FOCUSES, ids=lambda focus: "-".join(focus) or "all tables")
def test_every_history_ends_with_the_join_once_all_is_worked_off(focus: tuple[str, ...]) -> None:
    """Tiny limits; kills between any two operations, zombies, rewinds, several shards, lost replies: 400 seeds each."""
    assert search(range(400), Faults(focus=focus, limits=LIMITS)) == ([], 0)


@pytest.mark.long
@pytest.mark.parametrize("focus", FOCUSES, ids=lambda focus: "-".join(focus) or "all tables")
def test_many_more_histories(focus: tuple[str, ...]) -> None:
    """10,000 further seeds a focus."""
    assert search(range(1_000_000, 1_010_000), Faults(focus=focus, limits=LIMITS)) == ([], 0)


@pytest.mark.parametrize("name", CASES)
def test_every_feature_survives_with_all_fan_outs_due(name: str) -> None:
    case = CASES[name]
    plan = _plan(case.mapping)
    log: Log = [(change,) for change in _changes(plan, case.changes)]

    for seed in range(TORN):
        rng = random.Random(seed)
        store = play(rng, shards_of(rng, log), Faults(plan=plan, limits=LIMITS), rng.randint(0, 6), 0.1)
        assert _checked(store) == case.documents, f"seed {seed}"


@pytest.mark.parametrize("name", TAKEN)
def test_copies_are_taken_by_slices(name: str) -> None:
    steps, names = TAKEN[name]
    plan = _plan(COPY)
    log: Log = [(change,) for change in _changes(plan, steps)]

    for seed in range(4 * TORN):
        rng = random.Random(seed)
        store = play(rng, shards_of(rng, log), Faults(plan=plan, limits=LIMITS), rng.randint(0, 6), 0.1)
        shown = _checked(store)["1"]["buyer"]
        assert (shown and shown["name"]) in names, f"seed {seed}"


Patch = Callable[[pytest.MonkeyPatch, Faults], None]


def _put_after_the_checkpoint(patch: pytest.MonkeyPatch, faults: Faults) -> None:
    put = due.put_due

    def later(*arguments: Any) -> Any:
        faults.late.append(put(*arguments))
        yield from ()

    patch.setattr(engine, "put_due", later)


def _cursor_before_the_rebuild(patch: pytest.MonkeyPatch, _: Faults) -> None:
    rebuild_slice, move = due._rebuild_slice, due._move

    def move_first(plan: Plan, dues: Dues, sort_keys: Sequence[str], _: int = 0) -> Any:
        size = dues.limits.in_slice
        done = due.Slice()
        found = (yield [Get(TableName.ROWS, due.DUE_PK, sk) for sk in sort_keys]) if sort_keys else []
        items = [due._read(item) for item in found if item is not None]
        if not items:
            return done
        passes = [(item.fan_out, item.cursor) for item in items]
        pages = yield from due._pages(plan, passes, size)
        moved = list(zip(items, [page.cursor for page in pages], strict=False))
        yield [move(item, cursor, dues) for item, cursor in moved]

        rebuilt = yield from rebuild_slice(plan, dues, passes, AS_OF, size, done.counts)
        yield from due.put_due(dues, rebuilt[0], AS_OF)
        done.last = moved[-1][0].sk
        return done

    patch.setattr(due, "work_off", move_first)


def _deleted_whatever_was_put(patch: pytest.MonkeyPatch, _: Faults) -> None:
    patch.setattr(due, "Delete", lambda table, pk, sk, _when: Delete(table, pk, sk, ()))


def _moved_whatever_was_put(patch: pytest.MonkeyPatch, _: Faults) -> None:
    patch.setattr(due, "Update", lambda table, pk, sk, assign, _when: Update(table, pk, sk, assign, ()))


def _again_is_ignored(patch: pytest.MonkeyPatch, _: Faults) -> None:
    update = due._update
    patch.setattr(due, "_update", lambda *arguments, **named: update(*arguments, **{**named, "again": False}))


def _put_again_changes_nothing_at_the_start(patch: pytest.MonkeyPatch, _: Faults) -> None:
    """As if a pass that has not moved its cursor had not begun."""
    update = due._update

    def lazy(item: Any, cursor: Any, *, again: bool, dues: Dues, as_of: str) -> Operation:
        if cursor is item.cursor and cursor == due.START:
            return Update(TableName.ROWS, due.DUE_PK, item.sk, {"as_of": text(as_of)}, due._still(item))
        return update(item, cursor, again=again, dues=dues, as_of=as_of)

    patch.setattr(due, "_update", lazy)


def _revisions_begin_anew(patch: pytest.MonkeyPatch, _: Faults) -> None:
    """A number that rises while the item is there, and starts at the same when it is put the next time."""
    insert, update = due._insert, due._update

    def counted(item: Any, cursor: Any, *, again: bool, dues: Dues, as_of: str) -> Operation:
        next_one = dataclasses.replace(dues, new_revision=lambda: str(int(item.revision) + 1))
        return update(item, cursor, again=again, dues=next_one, as_of=as_of)

    patch.setattr(due, "_insert", lambda sk, fan_out, _revision, *more: insert(sk, fan_out, "1", *more))
    patch.setattr(due, "_update", counted)


def _one_referrer_is_skipped(patch: pytest.MonkeyPatch, _: Faults) -> None:
    patch.setattr(due, "row_keys", lambda referrers, sort_keys: row_keys(referrers, sort_keys)[1:])


def _inner_fan_outs_are_forgotten(patch: pytest.MonkeyPatch, _: Faults) -> None:
    climb = roots.climb

    def without(*arguments: Any) -> Any:
        found = yield from climb(*arguments)
        return dataclasses.replace(found, fan_outs=[])

    patch.setattr(due, "climb", without)


BROKEN: dict[str, Patch] = {
    "put after the checkpoint": _put_after_the_checkpoint,
    "cursor before the rebuild": _cursor_before_the_rebuild,
    "deleted whatever was put": _deleted_whatever_was_put,
    "moved whatever was put": _moved_whatever_was_put,
    "again is ignored": _again_is_ignored,
    "put again changes nothing at the start": _put_again_changes_nothing_at_the_start,
    "revisions begin anew": _revisions_begin_anew,
    "one referrer is skipped": _one_referrer_is_skipped,
    "inner fan-outs are forgotten": _inner_fan_outs_are_forgotten,
}


HOT = """
aggregate: order
source: s.orders
key: id
fields: [id]
one:
  buyer:
    source: s.people
    key: id
    join: buyer_id
    fields: [name]
    one:
      town: {source: s.towns, key: id, join: town_id, spread: 2, fields: [name]}
  seller: {source: s.sellers, key: id, join: seller_id, lookup: copy, fields: [name]}
"""
ORDERS = 5
PLAN = _plan(HOT)
LIMIT = Limits(1, 2, 2)


class Scene:
    """Five orders of two people of one town and one seller, all of them due when one of these changes."""

    def __init__(self) -> None:
        self.store = StrictStore()
        self.numbers = itertools.count()
        self.dues = Dues("shard-1", lambda: str(next(self.numbers)), LIMIT)
        self.position = 0
        self.town = self.person = "old"
        self.has_seller = False
        rows = [("s.towns", {"id": 1, "name": "old"})]
        rows += [("s.people", {"id": key, "name": "old", "town_id": 1}) for key in (1, 2)]
        rows += [("s.orders", {"id": key, "buyer_id": key % 2 + 1, "seller_id": 1}) for key in range(ORDERS)]
        self.store.drive(project(PLAN, [self.change(*row) for row in rows], AS_OF))

    def change(self, table: str, row: dict[str, Any]) -> RowChange:
        """The next change in the source."""
        self.position += 1
        key = str(row["id"])
        return RowChange(table, key, change_version(1, self.position, 1), row)

    def person_changes(self, name: str) -> RowChange:
        """Of three of the orders."""
        self.person = name
        return self.change("s.people", {"id": 1, "name": name, "town_id": 1})

    def town_changes(self, name: str) -> RowChange:
        """Of all orders."""
        self.town = name
        return self.change("s.towns", {"id": 1, "name": name})

    def seller_comes(self) -> RowChange:
        """After the orders that copy it."""
        self.has_seller = True
        return self.change("s.sellers", {"id": 1, "name": "Sue"})

    def take(self, change: RowChange, dues: Dues | None = None) -> None:
        """A batch of another worker's."""
        self.store.drive(project(PLAN, [change], AS_OF, dues or self.dues))

    def finish(self) -> None:
        """Everything that is due."""
        finish(self.store, PLAN, self.dues)

    def slice(self) -> Any:
        """The next slice, as a worker does it."""
        sort_keys = yield from next_due(self.dues.owner, "")
        yield from due.work_off(PLAN, self.dues, sort_keys)

    def wrong(self) -> int:
        """Documents that are not what the rows are, and steps back."""
        documents = stored_documents(self.store)
        names = {1: self.person, 2: "old"}
        wanted = {key: {"name": names[key % 2 + 1], "town": {"name": self.town}} for key in range(ORDERS)}
        shown: int = sum(documents["order", str(key)]["buyer"] != wanted[key] for key in range(ORDERS))
        seller = {"name": "Sue"} if self.has_seller else None
        lacking = [key for key in range(ORDERS) if documents["order", str(key)]["seller"] != seller]
        backward: int = self.store.image_regressions + self.store.document_regressions
        return shown + len(lacking) + backward


Act = Callable[[Scene], Any]


def _stopped_anywhere(before: Act, steps: Act, meanwhile: Act, *, killed: bool) -> list[int]:
    """Before which operations a worker may sleep, or die, so that a document is wrong when nothing is due any more."""
    wrong: list[int] = []
    for at in itertools.count():
        scene = Scene()
        before(scene)
        work = one_by_one(scene.store, steps(scene))
        ended = any(next(work, "ended") == "ended" for _ in range(at))
        meanwhile(scene)
        if not killed:
            list(work)
        scene.finish()
        if scene.wrong():
            wrong.append(at)
        if ended:
            return wrong
    raise AssertionError


def _due(*changes: Callable[[Scene], RowChange], slices: int = 0) -> Act:
    def act(scene: Scene) -> None:
        for change in changes:
            scene.take(change(scene))
        for _ in range(slices):
            scene.store.drive(scene.slice())

    return act


def _finished_and_put_again(scene: Scene) -> None:
    scene.finish()
    scene.take(scene.person_changes("newer"))


def _put_again_and_a_slice(scene: Scene) -> None:
    scene.take(scene.person_changes("newer"))
    scene.store.drive(scene.slice())


PERSON, TOWN, SELLER = (
    _due(lambda s: s.person_changes("new")),
    _due(lambda s: s.town_changes("new")),
    _due(Scene.seller_comes),
)
AGAIN = _due(lambda s: s.person_changes("newer"))
ALL_AT_ONCE = _due(lambda s: s.person_changes("new"), lambda s: s.town_changes("new"), Scene.seller_comes)


def _sleeping_slices(faults: Faults) -> list[int]:
    wrong = []
    for slices in range(3):
        before = _due(lambda s: s.person_changes("new"), slices=slices)
        for meanwhile in (AGAIN, _finished_and_put_again, _put_again_and_a_slice, Scene.finish):
            wrong += _stopped_anywhere(before, Scene.slice, meanwhile, killed=False)
    for before in (TOWN, SELLER, ALL_AT_ONCE):
        wrong += _stopped_anywhere(before, Scene.slice, ALL_AT_ONCE, killed=False)
    return wrong


def _killed_slices(faults: Faults) -> list[int]:
    wrong = []
    for before, slices in itertools.product((PERSON, TOWN, SELLER, ALL_AT_ONCE), range(3)):

        def prepare(scene: Scene, before: Act = before, slices: int = slices) -> None:
            before(scene)
            for _ in range(slices):
                scene.store.drive(scene.slice())

        wrong += _stopped_anywhere(prepare, Scene.slice, lambda _: None, killed=True)
    return wrong


def _killed_batches(faults: Faults) -> list[int]:
    """What was not checkpointed is done again by the shard's next worker."""
    wrong = []
    for changed in (lambda s: s.person_changes("new"), lambda s: s.town_changes("new"), Scene.seller_comes):
        left: list[RowChange] = []

        def batch(scene: Scene, changed: Act = changed, left: list[RowChange] = left) -> Any:
            left[:] = [changed(scene)]
            yield from engine.project(PLAN, left, AS_OF, scene.dues)
            left.clear()
            while faults.late:
                yield from faults.late.pop()

        def next_worker(scene: Scene, left: list[RowChange] = left) -> None:
            faults.late.clear()
            scene.store.drive(project(PLAN, left, AS_OF, scene.dues))
            while faults.late:
                scene.store.drive(faults.late.pop())

        wrong += _stopped_anywhere(lambda _: None, batch, next_worker, killed=True)
    return wrong


INTERLEAVINGS = (_sleeping_slices, _killed_slices, _killed_batches)


@pytest.mark.parametrize("interleavings", INTERLEAVINGS, ids=lambda found: found.__name__.strip("_"))
def test_wherever_a_worker_sleeps_or_dies_nothing_that_is_due_is_lost(
    interleavings: Callable[[Faults], list[int]],
) -> None:
    assert interleavings(Faults()) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults()
    BROKEN[name](monkeypatch, faults)

    assert any(interleavings(faults) for interleavings in INTERLEAVINGS)


class Counting(StrictStore):
    """Knows the largest group of operations, and the most sort keys that came back for one."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.sort_keys = 0

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies."""
        replies = super().run(group)
        self.operations = max(self.operations, len(group))
        self.sort_keys = max(self.sort_keys, sum(len(reply) for reply in replies if isinstance(reply, tuple)))
        return replies


FLAT_LOOKUP = """
aggregate: order
source: s.orders
key: id
fields: [id]
one:
  buyer: {source: s.people, key: id, join: buyer_id, fields: [name]}
  seller: {source: s.sellers, key: id, join: seller_id, lookup: copy, fields: [name]}
"""


def _orders(people: int, orders: int) -> tuple[Plan, Counting, Callable[..., list[RowChange]]]:
    """Each of the people has so many orders; all orders have one seller. And what makes changes."""
    plan, store, positions = _plan(FLAT_LOOKUP), Counting(), itertools.count(1)

    def change(table: str, *rows: dict[str, Any]) -> list[RowChange]:
        return [RowChange(table, str(row["id"]), change_version(1, next(positions), 1), row) for row in rows]

    rows = [{"id": key, "buyer_id": key % people, "seller_id": 1} for key in range(people * orders)]
    for start in range(0, len(rows), 100):
        store.drive(project(plan, change("s.orders", *rows[start : start + 100]), AS_OF))
    store.operations = store.sort_keys = 0
    return plan, store, change


def _dues(limits: Limits, owner: str = "shard-1") -> Dues:
    numbers = itertools.count()
    return Dues(owner, lambda: f"{owner} {next(numbers)}", limits)


def _slices(store: StrictStore, plan: Plan, dues: Dues) -> list[due.Slice]:
    """All that are needed."""
    found, last = [], ""
    while sort_keys := store.drive(next_due(dues.owner, last)):
        found.append(store.drive(work_off(plan, dues, sort_keys)))
        last = found[-1].last
    return found


@pytest.mark.parametrize("count", [1_000, 2_000, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("table", ["s.people", "s.sellers"], ids=["followed", "copied"])
def test_memory_does_not_grow_with_the_rows_that_point_at_one(table: str, count: int) -> None:
    plan, store, change = _orders(1, count)
    dues = _dues(Limits(50, 250, 25))

    counts = store.drive(
        project(plan, change(table, {"id": 0 if table == "s.people" else 1, "name": "Ann"}), AS_OF, dues)
    )
    slices = _slices(store, plan, dues)

    assert (counts.due, counts.documents_written) == (1, 0)
    assert len(slices) == count // 25 + 1
    assert max(done.counts.documents_written for done in slices) == 25
    assert sum(done.counts.documents_written for done in slices) == count
    assert (store.operations, store.sort_keys) == (25, 51)


def test_many_changed_rows_are_followed_no_further_than_one_with_many() -> None:
    """A batch of a hundred rows with twenty referrers each; small ones share a slice."""
    plan, store, change = _orders(100, 20)
    dues = _dues(Limits(50, 250, 25))

    changes = change("s.people", *({"id": key, "name": f"{key}"} for key in range(100)))
    counts = store.drive(project(plan, changes, AS_OF, dues))
    slices = _slices(store, plan, dues)

    assert (counts.documents_written, counts.due) == (240, 88)
    assert sum(done.counts.documents_written for done in slices) == 2000 - 240
    assert len(slices) < 2 * 1760 / 25
    assert (store.operations, store.sort_keys) == (100, 100 * 20)  # a hundred rows are asked at once, for 51 keys each


def test_a_loaded_row_is_followed_further_than_a_changed_one() -> None:
    """Lookups are loaded after what points at them; slices would build what many of them share many times."""
    plan, store, change = _orders(1, 200)
    loaded, changed = change("s.people", {"id": 0, "name": "Ann"}, {"id": 0, "name": "Anna"})
    loaded = replace(loaded, version=load_version(1, 1))

    of_load = store.drive(project(plan, [loaded], AS_OF, _dues(limits(25))))
    of_change = store.drive(project(plan, [changed], AS_OF, _dues(limits(25))))

    assert (of_load.documents_written, of_load.due) == (200, 0)
    assert (of_change.documents_written, of_change.due) == (0, 1)


def test_one_large_list_does_not_hold_up_the_others() -> None:
    """Everyone has a turn before anyone has the second one."""
    plan, store, change = _orders(3, 100)
    dues = _dues(Limits(50, 250, 25))
    store.drive(project(plan, change("s.people", *({"id": key, "name": "new"} for key in range(3))), AS_OF, dues))

    last, turns = "", []
    for _ in range(6):
        last = store.drive(work_off(plan, dues, store.drive(next_due(dues.owner, last)))).last
        turns.append(last)

    assert len(set(turns[:3])) == 3
    assert turns[:3] == turns[3:]


def test_a_row_that_changes_all_the_time_still_reaches_the_end_of_its_list() -> None:
    """Its pass goes on where it was, and one more follows."""
    plan, store, change = _orders(1, 200)
    dues = _dues(Limits(50, 250, 25))
    served: set[tuple[str, str]] = set()
    for number in range(20):
        store.drive(project(plan, change("s.people", {"id": 0, "name": f"{number}"}), AS_OF, dues))
        store.drive(work_off(plan, dues, store.drive(next_due(dues.owner, ""))))
        served.update(key for key, body in stored_documents(store).items() if body["buyer"])

    assert len(served) == 200
    assert len(_slices(store, plan, dues)) <= 2 * 9
    assert {body["buyer"]["name"] for body in stored_documents(store).values()} == {"19"}


def test_the_documents_say_up_to_when_they_are_complete() -> None:
    plan, store, change = _orders(1, 10)
    dues = _dues(Limits(1, 1, 3))
    store.drive(project(plan, change("s.people", {"id": 0, "name": "a"}), "2026-02-02", dues))
    store.drive(project(plan, change("s.people", {"id": 0, "name": "b"}), "2026-01-31", dues))
    finish(store, plan, dues)

    assert {item["_as_of"]["S"] for item in store.items.values() if "_as_of" in item} == {"2026-02-02"}


def test_a_place_that_the_mapping_does_not_have_any_more_is_no_longer_due() -> None:
    """Its rebuild comes to every document anyway."""
    plan, store, change = _orders(1, 10)
    dues = _dues(Limits(1, 1, 3))
    store.drive(project(plan, change("s.people", {"id": 0, "name": "a"}), AS_OF, dues))
    newer = _plan(FLAT_LOOKUP.replace("  buyer:", "  customer:"))
    written = store.applied_writes
    (done,) = _slices(store, newer, dues)

    assert (done.finished, store.applied_writes - written) == (1, 1)


def test_what_a_newer_mapping_has_due_is_not_for_an_older_worker() -> None:
    """Once the rebuild of the newer one has begun: its fence comes first."""
    plan, store, change = _orders(1, 10)
    dues = _dues(Limits(1, 1, 3))
    newer = _plan(
        FLAT_LOOKUP.replace("  buyer:", "  customer:").replace("source: s.orders", "generation: 2\nsource: s.orders")
    )
    store.drive(project(newer, change("s.people", {"id": 0, "name": "a"}), AS_OF, dues))
    store.drive(raise_fence(newer, frozenset({"order"})))

    with pytest.raises(NewerGeneration):
        _slices(store, plan, dues)
    assert len(store.drive(list_due())) == 1


def test_a_list_that_is_spread_anew_is_gone_through_from_its_start() -> None:
    plan, store, change = _orders(1, 40)
    dues = _dues(Limits(1, 1, 10))
    store.drive(project(plan, change("s.people", {"id": 0, "name": "a"}), AS_OF, dues))
    store.drive(work_off(plan, dues, store.drive(next_due(dues.owner, ""))))
    spread = _plan(FLAT_LOOKUP.replace("join: buyer_id,", "join: buyer_id, spread: 20,"))
    rows = [{"id": key, "buyer_id": 0, "seller_id": 1} for key in range(40)]
    store.drive(cover(spread, [("s.orders", str(row["id"])) for row in rows], Counts()))
    finish(store, spread, dues)

    assert {body["buyer"]["name"] for body in stored_documents(store).values()} == {"a"}


def test_without_a_place_for_it_nothing_is_due_when_a_batch_is_done() -> None:
    """Operators' commands follow everything to the end, as many slices as it takes."""
    plan, store, change = _orders(1, 450)
    counts = store.drive(project(plan, change("s.people", {"id": 0, "name": "a"}), AS_OF))

    assert (counts.due, counts.documents_written) == (0, 450)
    assert store.drive(list_due()) == ()
    assert (store.operations, store.sort_keys) == (100, 400)
