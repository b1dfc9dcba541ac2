"""One event, one effect: posted again, in both regions, with everything lost and repeated on the way."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final

import pytest

from api_lambdas import ingest, ingest_event
from api_lambdas.events import bus, records
from api_lambdas.events import content as contents
from api_lambdas.events.content import Content, Outcome, content
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import Problem
from tests.api_lambdas.event_world import KIND, REGIONS, World

SEEDS: Final = 80
FINAL: Final = frozenset({200, 202, 422})
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: Patch) -> None:
    monkeypatch.setattr(bus, "PAUSE_SECONDS", 0.0)


def written(random: Random, place: int) -> bytes:
    """A body, its members in any order: equal JSON is the same event."""
    members = [("place", place), ("weight", 1.5)]
    random.shuffle(members)
    return json.dumps(dict(members), indent=random.choice([None, 1])).encode()


def history(seed: int) -> tuple[World, dict[str, set[str]], dict[str, set[str]]]:
    """What became of some posts: the world at rest, and by id the events that were accepted and those refused."""
    world = World(Random(seed))
    random = world.random
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(3)]
    accepted: dict[str, set[str]] = {}
    refused: dict[str, set[str]] = {}
    split = random.random() < 0.5
    waiting = [(id_, random.randrange(2) if split else 0) for id_ in ids for _ in range(random.randrange(1, 4))]
    while waiting:
        number = random.randrange(len(waiting))
        id_, place = waiting[number]
        status = world.post(random.choice(REGIONS), id_, written(random, place))
        event = content(id_, KIND.name, {"place": place, "weight": 1.5})
        if status in FINAL:
            waiting.pop(number)
            (refused if status == 422 else accepted).setdefault(id_, set()).add(event.sha256)
        for _ in range(random.randrange(4)):
            some_step(world)
    world.calm = True
    while world.on_bus or world.replicating or world.dead:
        some_step(world)
        if not world.on_bus:
            world.redrive()
    return world, accepted, refused


def some_step(world: World) -> None:
    steps = [step for step, there in ((world.deliver, world.on_bus), (world.replicate, world.replicating)) if there]
    if steps:
        world.random.choice(steps)()


def complaints(seed: int) -> Iterator[str]:
    world, accepted, refused = history(seed)
    first, second = (world.tables[region] for region in REGIONS)
    if {key: item for key, (item, _) in first.items()} != {key: item for key, (item, _) in second.items()}:
        yield "the regions differ"
    effects = world.effects(REGIONS[0])
    if set(effects) != set(accepted):
        yield "an id without exactly one effect"
        return
    for id_, events in accepted.items():
        receipts = list(world.receipts(id_))
        known = {receipt["sha256"] for receipt in receipts}
        if effects[id_]["sha256"] not in events:
            yield "an effect that nobody posted"
        if not events <= known:
            yield "an event that was accepted has left no receipt"
        said = {receipt["sha256"] for receipt in receipts if receipt["outcome"] == Outcome.REFUSED.value}
        if not refused.get(id_, set()) <= said:
            yield "a refusal is not recorded"
        if len(events | refused.get(id_, set())) == 1:
            if said or id_ in refused:
                yield "a repeat was refused"
            images = [image for region in REGIONS for image in world.images[region].get(id_, [])]
            if any(image != images[0] for image in images):
                yield "an effect has changed"


def in_one_region(seed: int) -> Iterator[str]:
    """Without another region the first event under an id stays."""
    world = World(Random(seed))
    id_, seen = "00000000-0000-4000-8000-000000000001", []
    for place in [world.random.randrange(2) for _ in range(6)]:
        world.post(REGIONS[0], id_, written(world.random, place))
        while world.on_bus and world.random.random() < 0.7:
            world.deliver()
            seen += [item["sha256"] for item in world.effects(REGIONS[0]).values()]
    if len(set(seen)) > 1:
        yield "another event took an id's effect"


def all_complaints() -> set[str]:
    return {found for seed in range(SEEDS) for check in (complaints, in_one_region) for found in check(seed)}


def test_an_event_has_one_effect_whatever_happens() -> None:
    """Duplicates, retries, lost replies, refused entries, deaths, dead letters, both regions at once."""
    assert all_complaints() == set()


def test_the_histories_have_what_they_are_for() -> None:
    """Refusals, repeats that were answered early, both regions, and two different events under one id at once."""
    refusals = splits = 0
    regions = set()
    for seed in range(SEEDS):
        world, accepted, refused = history(seed)
        refusals += len(refused)
        splits += sum(len(events) > 1 for events in accepted.values())
        regions |= set(world.delivered)
    assert refusals > 10
    assert splits > 10
    assert regions == set(REGIONS)


def region_in_the_effect(patch: Patch) -> None:
    """An effect that says who wrote it."""
    real = records.EventRecords.store

    def store(self: Any, event: Content) -> Outcome:
        item = {**contents.effect_item(event), "region": self._region}
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(records, "effect_item", lambda _: item)
            return real(self, event)

    patch.setattr(records.EventRecords, "store", store)


def unconditional(patch: Patch) -> None:
    """The later one under an id takes it."""
    real = records.EventRecords._put

    def put(self: Any, item: dict[str, Any]) -> None:
        if item["sk"] != "#":
            return real(self, item)
        self._client.call("PutItem", {"TableName": "t", "Item": {name: {"S": item[name]} for name in item}})
        return None

    patch.setattr(records.EventRecords, "_put", put)


def failed_entries_are_taken_for_success(patch: Patch) -> None:
    patch.setattr(bus, "_refusal", lambda _: "")


def a_receipt_without_its_region(patch: Patch) -> None:
    """Two regions write one item, with what each of them did."""

    def receipt(event: Content, region: str, outcome: Outcome) -> dict[str, Any]:
        return {**contents.receipt_item(event, region, outcome), "sk": event.sha256}

    patch.setattr(records, "receipt_item", receipt)


def no_receipt_of_a_refusal(patch: Patch) -> None:
    patch.setattr(records.EventRecords, "refuse", lambda _self, _event: None)


def a_failure_is_swallowed(patch: Patch) -> None:
    def one(self: Any, message: Mapping[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(StoreError):
            self._stored(message)
        return {}

    patch.setattr(ingest_event.Storing, "one", one)


def dead_letters_are_forgotten(patch: Patch) -> None:
    """A batch that never names a failure, while the table still fails."""
    real = ingest_event.Storing.batch

    def batch(self: Any, messages: list[Mapping[str, Any]]) -> dict[str, Any]:
        real(self, messages[1:])
        return {"batchItemFailures": []}

    patch.setattr(ingest_event.Storing, "batch", batch)


def order_of_members_matters(patch: Patch) -> None:
    patch.setattr(contents, "dumps", lambda value, **_: json.dumps(value, default=str))


def answered_before_it_is_on_the_bus(patch: Patch) -> None:
    real = ingest.IngestApi._publish

    def publish(self: Any, name: str, text: str) -> None:
        try:
            real(self, name, text)
        except Problem:
            return

    patch.setattr(ingest.IngestApi, "_publish", publish)


@pytest.mark.parametrize(
    "broken",
    [
        region_in_the_effect,
        unconditional,
        failed_entries_are_taken_for_success,
        a_receipt_without_its_region,
        no_receipt_of_a_refusal,
        a_failure_is_swallowed,
        dead_letters_are_forgotten,
        order_of_members_matters,
        answered_before_it_is_on_the_bus,
    ],
)
def test_what_is_broken_is_noticed(broken: Callable[[Patch], None], monkeypatch: Patch) -> None:
    broken(monkeypatch)

    assert all_complaints() != set()
