"""The faulty store strikes as it says, counts what it did, and the worker's store gets through all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from botocore.session import Session

from tests.faults.running import Server, faulty_store
from tests.faults.weather import DONE, Fault, Request, Spell, Weather, storm
from worker.log import Log
from worker.projection.operations import APPLIED, Condition, Get, Insert, Query, Refused, TableName, Update, text
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB

TABLES = {TableName.ROWS: "rows", TableName.DOCUMENTS: "documents"}
PATIENT_SECONDS, QUICK_SECONDS = 30.0, 0.3
"""How long the client waits for a server that says nothing. Quickly only where nothing that is asserted changes when a
busy machine makes the server slow for once: what is sent again then may be done already."""


@cache
def _session() -> Session:
    session = Session()
    session.set_credentials("test", "test")
    return session


Start = Callable[..., tuple[DynamoStore, Server]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A store on tables under some weather."""
    ends: list[Any] = []

    def starter(weather: Weather, read_seconds: float = PATIENT_SECONDS) -> tuple[DynamoStore, Server]:
        context = faulty_store(weather)
        server = context.__enter__()
        ends.append(context)
        server.tables.make("rows", "documents")
        client = LeanDynamoDB("eu-west-1", server.url, _session(), read_seconds=read_seconds)
        return DynamoStore(client, TABLES, Log("error"), lambda _: None), server

    yield starter
    for context in ends:
        context.__exit__(None, None, None)


def _inserts(count: int) -> list[Insert]:
    return [
        Insert(TableName.ROWS, f"shop.orders#{at}", "#", {"pk": text(f"shop.orders#{at}"), "sk": text("#")})
        for at in range(count)
    ]


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.REVOKED])
def test_each_fault_strikes_passes_and_leaves_every_item_once(start: Start, fault: Fault) -> None:
    """Whatever was done before an answer was lost is found done."""
    weather = Weather(fault.value, [Spell(fault, 0.5, most=12, part=0, of=2)])
    store, server = start(weather, QUICK_SECONDS if fault is Fault.HALF_OPEN else PATIENT_SECONDS)

    outcomes = store.run(_inserts(90))
    found = store.run([Get(TableName.ROWS, f"shop.orders#{at}", "#") for at in range(150)])
    (keys,) = store.run([Query(TableName.ROWS, "shop.orders#1", "#")])

    assert server.weather.struck[fault] > 0
    assert store.retries > 0 or fault is Fault.SLOW_BODY
    assert all(outcome == APPLIED or (isinstance(outcome, Refused) and fault in DONE) for outcome in outcomes)
    assert [item is not None for item in found] == [True] * 90 + [False] * 60
    assert len(server.tables.items("rows")) == 90
    assert len(keys) == 1


def test_a_storm_of_everything_is_weathered(start: Start) -> None:
    """Versions only rise, whatever is sent twice."""
    store, server = start(storm(3, 0.8), QUICK_SECONDS)
    store.run(_inserts(40))
    for version in range(1, 15):
        raised = [
            Update(TableName.ROWS, f"shop.orders#{at}", "#", {"v": text(f"{version:02d}")}, ())
            if version == 1
            else Update(
                TableName.ROWS,
                f"shop.orders#{at}",
                "#",
                {"v": text(f"{version:02d}")},
                (Condition("v", "<", text(f"{version:02d}")),),
            )
            for at in range(40)
        ]
        store.run(raised)

    assert {item["v"]["S"] for item in server.tables.items("rows")} == {"14"}
    assert len(server.weather.struck) >= 10, server.weather.struck


def test_a_seed_always_brings_the_same_weather() -> None:
    requests = [Request(at, "Query", {"TableName": "rows"}) for at in range(500)]
    first, second, other = (storm(seed, 0.3) for seed in (1, 1, 2))

    faults = [[blow and blow.fault for blow in map(weather.blow, requests)] for weather in (first, second, other)]

    assert faults[0] == faults[1] != faults[2]


def test_spells_keep_to_their_time_their_tables_and_their_number() -> None:
    spell = Spell(Fault.RESET, 1.0, first=2, last=6, most=2, tables=frozenset({"rows"}), actions=frozenset({"Query"}))
    weather = Weather(1, [spell])
    struck = [
        (at, action, table)
        for at in range(10)
        for action in ("Query", "PutItem")
        for table in ("rows", "parked")
        if weather.blow(Request(at, action, {"TableName": table}))
    ]

    assert struck == [(2, "Query", "rows"), (3, "Query", "rows")]


def test_in_calm_weather_nothing_strikes(start: Start) -> None:
    store, server = start(storm(1, 1.0))
    server.weather.calm = True

    assert store.run(_inserts(30)) == [APPLIED] * 30
    assert (store.retries, server.weather.struck) == (0, {})


def test_a_slow_partition_slows_no_other(start: Start) -> None:
    """Throttling by item: the same ones fail every time, their neighbours never."""
    spell = Spell(Fault.THROTTLED_ITEMS, most=10, part=1, of=4)
    store, _ = start(Weather(1, [spell]))
    hit = [insert for insert in _inserts(40) if spell.hits(insert.pk)]
    spared = [insert for insert in _inserts(40) if not spell.hits(insert.pk)]

    assert store.run(spared) == [APPLIED] * len(spared)
    assert store.retries == 0
    assert store.run(hit) == [APPLIED] * len(hit)
    assert store.retries >= 10
