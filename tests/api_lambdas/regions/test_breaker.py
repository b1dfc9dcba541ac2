"""Breakers that share their state through a real table of regions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from api_lambdas.regions.breaker import LEASE_MARGIN_SECONDS, Breaker, Pass, Refused
from api_lambdas.regions.settings import RegionSettings
from api_lambdas.regions.table import Regions
from api_lambdas.shared.dynamodb import DynamoDB, StoreError
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import Credentials
from contract.confirmation import Instant
from contract.regions import breaker_pk
from local.ministack import MiniStack
from tests.api_lambdas.support import close_idle
from tests.tables import create_keyed_table

A, TARGET = "eu-west-1", "monolith"
FAILURES, OPEN_SECONDS, CACHE_SECONDS = 3, 30.0, 5.0


class Store:
    """A table that fails when it is told to, before or after the write."""

    def __init__(self, client: DynamoDB) -> None:
        self.client = client
        self.down = False
        self.loses_reply = False

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise StoreError(operation, "TimeoutError", retryable=True)
        reply = self.client.call(operation, request)
        if self.loses_reply:  # the client asks again by itself
            self.loses_reply = False
            return self.client.call(operation, request)
        return reply


class Region:
    """Functions of one region at one time."""

    def __init__(self, client: DynamoDB, table: str) -> None:
        self.store = Store(client)
        self.now = 1_800_000_000.0
        self.settings = RegionSettings(table, {}, CACHE_SECONDS, 60, 40, FAILURES, OPEN_SECONDS)

    def function(self, owner: str) -> Breaker:
        log = Log("error")
        known = Regions(A, self.settings, self.store, {}, lambda: Instant(self.now, self.now), log, (TARGET,))
        breaker = Breaker(known, self.settings, self.store, TARGET, owner, log)
        self.known = known
        return breaker

    def ask(self, breaker: Breaker, *, well: bool = True) -> Pass | Refused:
        """One request, as a dispatcher makes it."""
        breaker._known.facts()
        passed = breaker.admit(10)
        if isinstance(passed, Pass):
            breaker.report(passed, well=well, reason="timed_out")
        return passed

    def opened(self, breaker: Breaker) -> None:
        for _ in range(FAILURES):
            assert self.ask(breaker, well=False) == Pass()


@pytest.fixture(scope="module")
def created(ministack: MiniStack) -> Iterator[tuple[DynamoDB, str, Any]]:
    name = f"breakers-{uuid.uuid4().hex[:8]}"
    client = ministack.client("dynamodb")
    create_keyed_table(client, name)
    ours = DynamoDB(Access(A, f"http://127.0.0.1:{ministack.port}", Credentials("test", "test")))
    yield ours, name, client
    close_idle(ours)
    client.delete_table(TableName=name)


@pytest.fixture
def region(created: tuple[DynamoDB, str, Any]) -> Region:
    ours, name, client = created
    client.delete_item(TableName=name, Key={"pk": {"S": breaker_pk(A, TARGET)}})
    return Region(ours, name)


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(region: Region) -> None:
    breaker = region.function("one")
    for well in (False, False, True, False, False):
        assert region.ask(breaker, well=well) == Pass()
    assert region.ask(breaker, well=False) == Pass()

    assert region.ask(breaker) == Refused(30)


def test_another_function_of_the_region_knows_it_within_the_age_of_its_cache(region: Region) -> None:
    one, other = region.function("one"), region.function("other")
    assert region.ask(other) == Pass()
    region.opened(one)

    region.now += CACHE_SECONDS + 1

    assert region.ask(other) == Refused(24)


def test_one_alone_probes_and_its_success_closes_it_for_all(region: Region) -> None:
    one, other = region.function("one"), region.function("other")
    region.opened(one)
    region.now += OPEN_SECONDS
    one._known.facts()
    other._known.facts()

    probe = one.admit(10)

    assert probe == Pass(probe=True)
    assert other.admit(10) == Refused(15)
    one.report(Pass(probe=True), well=True)
    region.now += CACHE_SECONDS + 1
    assert region.ask(other) == Pass()
    assert region.ask(one) == Pass()


def test_a_failed_probe_opens_it_again_for_the_whole_time(region: Region) -> None:
    one = region.function("one")
    region.opened(one)
    region.now += OPEN_SECONDS

    assert region.ask(one, well=False) == Pass(probe=True)

    region.now += OPEN_SECONDS - 1
    assert region.ask(one) == Refused(1)


def test_a_prober_that_died_is_followed_by_another_when_its_lease_is_over(region: Region) -> None:
    dead, other = region.function("dead"), region.function("other")
    region.opened(dead)
    region.now += OPEN_SECONDS
    dead._known.facts()
    assert dead.admit(10) == Pass(probe=True)

    region.now += 10 + LEASE_MARGIN_SECONDS - 1
    assert region.ask(other) == Refused(1)
    region.now += 1
    other._known.facts()
    assert other.admit(10) == Pass(probe=True)

    dead.report(Pass(probe=True), well=True)
    region.now += CACHE_SECONDS + 1
    assert region.ask(region.function("third")) == Refused(9), "the dead one's word comes too late"


def test_a_probe_whose_write_had_no_reply_is_known_as_ones_own(region: Region) -> None:
    one = region.function("one")
    region.opened(one)
    region.now += OPEN_SECONDS
    one._known.facts()
    region.store.loses_reply = True

    assert one.admit(10) == Pass(probe=True)


def test_with_a_table_that_cannot_be_written_a_function_counts_for_itself_and_nobody_probes(region: Region) -> None:
    one, other = region.function("one"), region.function("other")
    region.ask(one)
    region.ask(other)
    region.store.down = True

    region.opened(one)

    assert region.ask(one) == Refused(30)
    assert region.ask(other) == Pass()
    region.now += OPEN_SECONDS
    assert region.ask(one) == Refused(1)
    region.store.down = False
    assert region.ask(one) == Pass()
