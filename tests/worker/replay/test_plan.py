"""The plan of a replay, over streams that split and merge and fleets that stand anywhere: nothing is skipped."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.worker.replay.kcl import Fleet, Stream
from worker.errors import FatalError
from worker.replay import plan as planning
from worker.replay.plan import BEGINNING, ENDED, SHARD_END, TRIM_HORIZON, Change, First, Plan, Position, make_plan
from worker.replay.request import Kind, Request
from worker.replay.shards import Shard, Shards

SHARDS = ["shardId-000000000000", "shardId-000000000001"]


@dataclass
class Scene:
    """A stream, a fleet that stands somewhere in it, and what is asked."""

    stream: Stream
    fleet: Fleet
    request: Request

    def firsts(self) -> dict[str, First | None]:
        point = {name: int(number) for name, number in self.request.sequences.items()}
        names = self.request.named or set(self.stream.records)
        return {name: self.stream.first(name, point.get(name, self.request.millis)) for name in names}

    def plan(self) -> Plan:
        return make_plan(self.stream.listed(), self.fleet.positions(), self.request, self.firsts())

    def asked(self) -> set[int]:
        """The records that the request names, of shards that have been read up to there or beyond."""
        found = set()
        for name in self.request.named or set(self.stream.records):
            low = int(self.request.sequences.get(name, self.request.millis))
            found |= {number for number in self.stream.records[name] if number >= low}
        return found


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    stream = Stream()
    for _ in range(draw(st.integers(1, 3))):
        stream.add()
    fleet = Fleet(stream)
    for name in stream.open():
        fleet.lease(name)
    for _ in range(draw(st.integers(3, 40))):
        deed = draw(st.sampled_from(["put", "put", "put", "read", "read", "split", "merge", "forget"]))
        shards = stream.open()
        shard = draw(st.sampled_from(shards))
        if deed == "put":
            stream.put(shard)
        elif deed == "read":
            fleet.step(draw(st.sampled_from(sorted(stream.records))), draw(st.integers(1, 4)))
        elif deed == "split" and len(stream.records) < 12:
            stream.close(shard)
            stream.add(shard), stream.add(shard)
        elif deed == "merge" and len(shards) > 1:
            other = draw(st.sampled_from([name for name in shards if name != shard]))
            stream.close(shard, other)
            stream.add(shard, other)
        elif deed == "forget":
            fleet.forget()
    return Scene(stream, fleet, _request(draw, stream))


def _request(draw: st.DrawFn, stream: Stream) -> Request:
    kind = draw(st.sampled_from(list(Kind)))
    some = draw(st.frozensets(st.sampled_from(sorted(stream.records)), max_size=2))
    if kind is Kind.SEQUENCE:
        name = draw(st.sampled_from(sorted(stream.records)))
        return Request(kind, sequences={name: str(draw(st.integers(100, stream.number + 2)))})
    return Request(kind, draw(st.integers(99, stream.number + 2)) if kind is Kind.TIMESTAMP else 0, shards=some)


def check(scene: Scene) -> None:
    """Make the plan, let the fleet run, and look at what it read."""
    before = copy.deepcopy(scene.fleet.rows)
    done = set(scene.fleet.read)
    plan = scene.plan()
    changed = [change.shard.name for change in plan.changes]
    for at, change in enumerate(plan.changes):
        assert not set(change.shard.parents) & set(changed[at:]), "a child before its parent"
    for change in plan.changes:
        scene.fleet.make(change)
    for name, row in before.items():
        assert name in changed or scene.fleet.rows[name] == row, "an untouched shard was touched"
    scene.fleet.read.clear()
    scene.fleet.run()
    read = scene.fleet.read
    everything = {number for numbers in scene.stream.records.values() for number in numbers}
    assert everything <= done | set(read), "a record was skipped"
    assert scene.asked() & done <= set(read), "a record that was asked for was not read again"
    assert len(read) == len(set(read)), "a record was read twice"
    for child, parents in scene.stream.parents.items():
        for parent in set(parents) & set(changed):
            assert set(scene.stream.records[child]) <= set(read), "a child is not read after its parent"
            last = max((at for at, number in enumerate(read) if number in scene.stream.records[parent]), default=-1)
            first = min((at for at, number in enumerate(read) if number in scene.stream.records[child]), default=last)
            assert last <= first, "a child's records before its parent's"


@given(scenes())
def test_what_is_asked_for_is_read_again_in_order_and_nothing_is_skipped(scene: Scene) -> None:
    check(scene)


def check_undone(scene: Scene, data: st.DataObject) -> None:
    """Make the plan, let the fleet run for a while, put back what was."""
    plan = scene.plan()
    for change in plan.changes:
        scene.fleet.make(change)
    for _ in range(data.draw(st.integers(0, 6))):
        scene.fleet.step(data.draw(st.sampled_from(sorted(scene.stream.records))), 2)
    for change in reversed(plan.changes):
        row = scene.fleet.rows.get(change.shard.name)
        if change.undo and row and planning.Position(row["checkpoint"]["S"]).is_before(change.undo):
            scene.fleet.make(replace(change, position=change.undo))
    scene.fleet.run()

    everything = {number for numbers in scene.stream.records.values() for number in numbers}
    assert everything <= set(scene.fleet.read), "a record was skipped"


@given(scenes(), st.data())
def test_undone_at_any_moment_nothing_is_skipped_either(scene: Scene, data: st.DataObject) -> None:
    check_undone(scene, data)


# broken variants: each must be caught by the property above


SEARCH = settings(max_examples=400, phases=[Phase.generate], derandomize=True, database=None)


def find_one() -> str:
    """What the property says about a broken variant; empty if it finds nothing wrong."""
    try:
        SEARCH(given(scenes())(check))()
    except AssertionError as error:
        return str(error)
    return ""


def find_undone() -> str:
    """The same for what is undone."""
    try:
        SEARCH(given(scenes(), st.data())(check_undone))()
    except AssertionError as error:
        return str(error)
    return ""


def test_children_before_parents_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Shards.in_order
    monkeypatch.setattr(Shards, "in_order", lambda self: real(self)[::-1])

    assert "a child before its parent" in find_one()


def test_children_that_keep_their_place_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shards, "descendants", lambda self, names: frozenset())

    assert "a child is not read after its parent" in find_one()


def test_a_start_behind_the_record_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "INCLUSIVE", 0)

    assert "was not read again" in find_one()


def test_going_ahead_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Position, "is_before", lambda self, other: True)

    assert "a record was skipped" in find_one()


def test_a_shard_that_is_still_to_come_taken_for_one_that_is_done_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "is_unread", lambda name, shards, leases: False)

    assert "a record was skipped" in find_undone()


# examples


def shard(name: str, *parents: str, closed: bool = False) -> Shard:
    return Shard(name, parents, "0", "9", "1", "99" if closed else None)


FAMILY = Shards([shard("p", closed=True), shard("c1", "p"), shard("c2", "p"), shard("other")])
LEASES = {"c1": Position("70"), "c2": Position("71"), "other": Position("72")}


def firsts(**found: int) -> dict[str, First | None]:
    every: dict[str, First | None] = dict.fromkeys(("p", "c1", "c2", "other"))
    return {**every, **{name: First(str(number), number) for name, number in found.items()}}


def at(millis: int, *shards: str) -> Request:
    return Request(Kind.TIMESTAMP, millis, shards=frozenset(shards))


def changes(plan: Plan) -> dict[str, tuple[Position, Position | None]]:
    return {change.shard.name: (change.position, change.before) for change in plan.changes}


def test_a_closed_parent_is_made_again_and_its_children_follow_from_their_beginning() -> None:
    plan = make_plan(FAMILY, LEASES, at(40), firsts(p=41, c1=60, c2=61, other=43))

    assert [change.shard.name for change in plan.changes] == ["p", "c1", "c2", "other"]
    assert changes(plan) == {
        "p": (Position("41", -1), None),
        "c1": (BEGINNING, Position("70")),
        "c2": (BEGINNING, Position("71")),
        "other": (Position("43", -1), Position("72")),
    }
    by_name: Mapping[str, Change] = {change.shard.name: change for change in plan.changes}
    assert (by_name["p"].children, by_name["c1"].parents) == (("c1", "c2"), ("p",))
    assert [by_name[name].undo for name in ("p", "c1", "other")] == [ENDED, Position("70"), Position("72")]


def test_a_time_after_the_split_leaves_the_parent_alone() -> None:
    plan = make_plan(FAMILY, LEASES, at(65), firsts(c1=66, other=72))

    assert changes(plan).keys() == {"c1", "other"}
    assert plan.left == {"p": "no record from there on", "c2": "no record from there on"}


def test_a_shard_that_has_not_come_so_far_stays() -> None:
    plan = make_plan(FAMILY, LEASES, at(65, "other"), firsts(other=73))

    assert (plan.changes, plan.left["other"]) == ((), "its worker has not come so far yet")
    assert plan.left["c1"] == "not named"


def test_a_parent_that_is_not_named_is_not_read_again() -> None:
    plan = make_plan(FAMILY, LEASES, Request(Kind.START, shards=frozenset({"c1"})), {})

    assert changes(plan) == {"c1": (BEGINNING, Position("70"))}
    assert plan.changes[0].parents == ()


def test_leases_of_expired_shards_stay_and_are_said() -> None:
    plan = make_plan(FAMILY, {**LEASES, "gone": Position(SHARD_END)}, at(40), firsts(other=41))

    assert plan.expired == ("gone",)
    assert changes(plan).keys() == {"other"}


def test_where_a_shard_began_with_the_newest_records_is_not_in_the_table_so_a_time_leaves_it() -> None:
    leases = {**LEASES, "other": Position("LATEST")}

    assert "other" in make_plan(FAMILY, leases, at(40), firsts(other=41)).left
    assert changes(make_plan(FAMILY, leases, Request(Kind.START), {}))["other"][0] == Position(TRIM_HORIZON)


@pytest.mark.parametrize(
    ("leases", "request_", "says"),
    [
        ({}, at(40), "the lease table has no lease: no worker has run yet"),
        (LEASES, at(40, "x"), "no shard x in the stream: wrong name, or all its records have expired"),
        (
            LEASES,
            Request(Kind.SEQUENCE, sequences={"p": "41", "c1": "60"}),
            "c1 descends from another shard of the request",
        ),
    ],
)
def test_what_cannot_be_done_is_said(leases: dict[str, Position], request_: Request, says: str) -> None:
    with pytest.raises(FatalError, match=says):
        make_plan(FAMILY, leases, request_, firsts(p=41, c1=60))
