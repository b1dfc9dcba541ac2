"""Only one region's worker writes, whatever is cut, late, paused or under way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from contract import regions
from contract.confirmation import Instant
from contract.regions import NO_END, Facts, Override, Primary, State
from tests.api_lambdas.region_world import Replica as Tables
from worker import fencing
from worker.errors import FatalError, TransientError
from worker.failover.plan import Done, Failover, Step, read_record, record_pk, record_write, step_write
from worker.fencing import CALL_SECONDS, Fence, May, Not, RegionsReplica, peers_of, right_of
from worker.parked.limit import Held
from worker.store.failures import classify
from worker.store.fenced import FencedClient

A, B, C = "eu-west-1", "us-east-1", "ap-south-1"
TABLE: Final = "regions"
FENCE: Final = 40.0
SEEDS, MOST_SEEDS, EVENTS = 60, 400, 250

PRIMARY = Primary(A, 3, "https://a")
CLOSED = Override(State.FENCED, 4, NO_END, "", "")
TO_B = Failover(4, A, B, "https://b", "", "", {Step.CLOSE: Done(1, 2)})


@pytest.mark.parametrize(
    ("region", "facts", "next_one", "may"),
    [
        (A, Facts(PRIMARY), None, May(3, (B,))),
        (B, Facts(PRIMARY), None, None),
        (A, Facts(PRIMARY, overrides={A: CLOSED}), None, None),
        (A, Facts(PRIMARY, overrides={B: replace(CLOSED, epoch=3)}), None, May(3, ())),
        (B, Facts(PRIMARY, overrides={A: CLOSED}), replace(TO_B, steps={Step.CLOSE: Done(1)}), None),
        (B, Facts(PRIMARY, overrides={A: CLOSED}), TO_B, May(4, ())),
        (A, Facts(PRIMARY), TO_B, None),
        (A, Facts(None), None, None),
    ],
)
def test_who_may_write(region: str, facts: Facts, next_one: Failover | None, may: May | None) -> None:
    found = right_of(region, (B if region == A else A,), facts, next_one, 1)

    assert found == may if may else isinstance(found, Not)


class Telling:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def holds(self, why: Held, message: str) -> None:
        self.told.append((why, message))

    def goes_on(self, why: Held) -> None:
        self.told.append((why, "goes on"))


class Broken(AssertionError):
    """Two regions could have written."""


class World:
    """Two regions' replicas and fences on a clock of their own; a seed is a history."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = 1_800_000_000.0
        self.slept = {A: 0.0, B: 0.0}
        self.tables = {A: Tables(), B: Tables()}
        self.cut = self.calm = False
        self.may_write: str | None = A
        self.epoch = 1
        self.failover: Iterator[None] | None = None
        self.counts = Counter[str]()
        self.telling = {A: Telling(), B: Telling()}
        for tables in self.tables.values():
            tables.call("UpdateItem", regions.primary_write(TABLE, Primary(A, 1, ""), now=1), self.now)
            tables.outgoing.clear()
        self.fences = {A: self.fence(A, B), B: self.fence(B, A)}

    def fence(self, here: str, there: str) -> Fence:
        own, peers = Seen(self, here, here), {there: Seen(self, here, there)}
        return Fence(here, own, peers, FENCE, lambda: self.instant(here), self.telling[here])

    def instant(self, region: str) -> Instant:
        return Instant(self.now - self.slept[region], self.now)

    def happen(self) -> None:
        region = self.draw.choice((A, B))
        (what,) = self.draw.choices(
            ("look", "write", "replicate", "cut", "step", "pause", "restart"), (30, 30, 15, 3, 18, 3, 1)
        )
        if what == "look":
            self.fences[region].look()
        elif what == "write":
            self.write(region)
        elif what == "replicate" and not self.cut:
            self.replicate(self.draw.randrange(6))
        elif what == "cut":
            self.cut = not self.cut
        elif what == "step":
            self.step()
        elif what == "pause":
            seconds = self.draw.choice([1.0, 10.0, 40.0])  # the process is frozen: its steady clock stands still
            self.now += seconds
            self.slept[region] += seconds
        elif what == "restart":
            self.fences[region] = self.fence(region, B if region == A else A)
        self.now += self.draw.choice([0.0, 0.1, 1.0, 3.0])

    def write(self, region: str) -> None:
        """A call: it is at the tables within its time-outs."""
        try:
            self.fences[region].check()
        except TransientError:
            self.counts[f"refused {'old' if region != self.may_write else 'right'}"] += 1
            return
        self.counts[f"wrote {self.epoch}"] += 1
        end = self.now + self.draw.choice([0.0, 1.0, CALL_SECONDS - 0.1])
        while self.now < end:
            self.now = min(end, self.now + 2)
            if self.draw.random() < 0.5:
                self.step()
        if region != self.may_write:
            raise Broken(f"{region} wrote while {self.may_write} may")

    def replicate(self, most: int) -> None:
        for here, there in ((A, B), (B, A)):
            outgoing = self.tables[here].outgoing
            for _ in range(min(most, len(outgoing))):
                self.tables[there].take(*outgoing.pop(0))

    def step(self) -> None:
        if self.failover is None:
            if self.draw.random() < 0.7:
                return
            self.failover = self._failover()
        if next(self.failover, self) is self:
            self.failover = None

    def _failover(self) -> Iterator[None]:
        """The steps of `nearview failover`, in the new region; then the old one is opened again there."""
        old = self.may_write or A
        new = B if old == A else A
        found = Failover(self.epoch + 1, old, new, "", "", "")
        self.put(new, record_write(TABLE, found, now=1))
        self.note(new, found.with_step(Step.CLOSE, Done(1)), Step.CLOSE)
        self.put(new, regions.operator_write(TABLE, old, Override(State.FENCED, found.epoch, NO_END, "", ""), now=1))
        closed = self.now
        yield
        while self.now < closed + FENCE:
            yield
        self.may_write, self.epoch = new, found.epoch
        self.note(new, found.with_step(Step.CLOSE, Done(1, 2)), Step.CLOSE)
        yield
        yield
        self.put(new, regions.primary_write(TABLE, Primary(new, found.epoch, ""), now=1))
        self.counts["promoted"] += 1
        yield
        while self.cut:
            yield
        self.put(new, regions.operator_write(TABLE, old, Override(State.ACTIVE, found.epoch, 1, "", ""), now=1))

    def note(self, where: str, failover: Failover, step: Step) -> None:
        self.put(where, step_write(TABLE, failover, step, now=1))

    def put(self, where: str, request: dict[str, Any]) -> None:
        self.now += 0.001
        self.tables[where].call("UpdateItem", request, self.now)


class Seen:
    """A replica as a region's worker reads it: takes time, fails, cannot be reached."""

    def __init__(self, world: World, here: str, of: str) -> None:
        self.world = world
        self.here = here
        self.of = of

    def facts(self, names: tuple[str, ...]) -> Facts:
        answer = self._call("BatchGetItem", regions.read(TABLE, names, consistent=True))
        return regions.facts(answer["Responses"][TABLE])

    def failover(self, epoch: int) -> Failover | None:
        item = self._call("GetItem", {"TableName": TABLE, "Key": {"pk": {"S": record_pk(epoch)}}}).get("Item")
        return read_record(item) if item else None

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        world.now += world.draw.choice([0.0, 0.1, 3.0])
        lost = (world.cut and self.here != self.of) or (not world.calm and world.draw.random() < 0.05)
        found = world.tables[self.of].call(operation, request, world.now)
        if not world.calm and world.draw.random() < 0.3:
            world.step()
        world.now += world.draw.choice([0.0, 0.1, 3.0])
        if lost:
            raise TransientError("not reached")
        return found


def play(seed: int) -> World:
    world = World(seed)
    for _ in range(EVENTS):
        world.happen()
    world.calm, world.cut = True, False
    while world.failover is not None:
        world.now += 5
        world.step()
    world.replicate(10_000)
    for region in (A, B):
        world.fences[region].look()
    return world


def test_no_two_regions_write_and_the_right_one_does() -> None:
    counts = Counter[str]()
    for seed in range(SEEDS):
        world = play(seed)
        counts += world.counts
        assert world.may_write is not None
        world.fences[world.may_write].check()
        with pytest.raises(TransientError):
            world.fences[B if world.may_write == A else A].check()

    assert counts["promoted"] > SEEDS
    assert counts["refused old"] > SEEDS
    assert sum(count for what, count in counts.items() if what.startswith("wrote")) > 5 * SEEDS


def nobody_is_asked(region: str, _: tuple[str, ...], facts: Facts, next_one: Failover | None, now: int) -> Any:
    return right_of(region, (), facts, next_one, now)


def a_failover_that_is_begun(region: str, peers: tuple[str, ...], facts: Facts, next_one: Any, now: int) -> Any:
    ended = next_one and replace(next_one, steps={Step.CLOSE: Done(1, 2)})
    return right_of(region, peers, facts, ended, now)


VARIANTS: dict[str, tuple[Any, str, Any]] = {
    "nobody is asked": (fencing, "right_of", nobody_is_asked),
    "a call takes no time": (fencing, "CALL_SECONDS", 0.0),
    "a failover that is begun is enough": (fencing, "right_of", a_failover_that_is_begun),
    "a steady clock alone": (Instant, "seconds_until", lambda self, later: later.steady - self.steady),
    "a word counts for ever": (Instant, "seconds_until", lambda *_: 0.0),
    "a peer does not look at what is closed": (
        Facts,
        "confirms",
        lambda self, region, epoch, _: (self.primary.region, self.primary.epoch) == (region, epoch),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where, attribute, broken = VARIANTS[name]
    monkeypatch.setattr(where, attribute, broken)

    assert any(goes_wrong(seed) for seed in range(MOST_SEEDS))


def goes_wrong(seed: int) -> bool:
    try:
        play(seed)
    except Broken:
        return True
    return False


def fence_of(world: World) -> tuple[Fence, Telling]:
    world.calm = True
    return world.fences[A], world.telling[A]


def test_who_holds_is_told_after_a_while_and_again_and_that_it_goes_on_once() -> None:
    """A worker that starts has not read the table yet: nothing to wake anybody for."""
    world = World(1)
    fence, telling = fence_of(world)
    for _ in range(100):
        with pytest.raises(TransientError, match="was not read yet"):
            fence.check()
        world.now += 1
    assert [why for why, _ in telling.told] == [Held.FENCED] * 2
    fence.look()
    fence.check()
    fence.check()
    assert telling.told[2:] == [(Held.FENCED, "goes on")]


def test_what_was_found_counts_from_the_beginning_of_the_look() -> None:
    """An answer may be long on its way, and what it says is as old as the question."""
    world = World(1)
    fence, _ = fence_of(world)
    slow = world.fences[A]._here.facts

    def late(names: tuple[str, ...]) -> Facts:
        found = slow(names)
        world.now += 20
        return found

    fence._here.facts = late  # type: ignore[method-assign]
    fence.look()
    world.now += FENCE - CALL_SECONDS - 20 - 10
    fence.check()
    world.now += 11
    with pytest.raises(TransientError):
        fence.check()


def test_a_peer_that_is_silent_is_named() -> None:
    world = World(1)
    fence, telling = fence_of(world)
    fence.look()
    fence.check()
    world.cut = True
    for _ in range(60):
        world.now += 1
        fence.look()
    for _ in range(10):
        world.now += 1
        with pytest.raises(TransientError):
            fence.check()
    assert B in telling.told[-1][1]
    assert "nearview failover fence" in telling.told[-1][1]


def test_peers_are_read_from_the_setting() -> None:
    assert peers_of("", A) == {}
    assert peers_of(f" {A}, {B} = http://127.0.0.1:1 ,{C},", A) == {B: "http://127.0.0.1:1", C: ""}


class Client:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, operation: str, body: bytes) -> str:
        self.sent.append(operation)
        return operation

    def receive(self, exchange: str) -> dict[str, Any]:
        return {"of": exchange}

    def abandon(self, exchange: str) -> None:
        self.sent.append(f"abandoned {exchange}")

    def close(self) -> None:
        self.sent.append("closed")


def test_only_what_writes_is_kept_back_and_will_be_tried_again() -> None:
    client = Client()
    refused = TransientError("fenced: why")

    def check() -> None:
        raise refused

    fenced = FencedClient(client, check)
    for operation in ("BatchGetItem", "Query"):
        assert fenced.receive(fenced.send(operation, b"")) == {"of": operation}
    for operation in ("BatchExecuteStatement", "UpdateItem", "PutItem", "DeleteItem", "TransactWriteItems"):
        with pytest.raises(TransientError):
            fenced.send(operation, b"")
    fenced.abandon("Query")
    fenced.close()
    assert client.sent == ["BatchGetItem", "Query", "abandoned Query", "closed"]
    assert classify(refused, "UpdateItem") is refused
    assert classify(FatalError("x"), "UpdateItem").args == ("x",)


class Boto:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        assert request["RequestItems"][TABLE]["ConsistentRead"] is True
        return self.answer


def test_an_answer_that_leaves_items_out_is_no_answer() -> None:
    """A fence may be among them."""
    with pytest.raises(TransientError):
        RegionsReplica(Boto({"Responses": {}, "UnprocessedKeys": {TABLE: {}}}), TABLE).facts((A,))
    assert RegionsReplica(Boto({"Responses": {}}), TABLE).facts((A,)) == Facts()
