"""What a dispatcher knows of the regions while tables and peers answer, and while they do not."""

from __future__ import annotations

from typing import Any

import pytest

from api_lambdas.regions.settings import RegionSettings
from api_lambdas.regions.state import Closed, Execute, Forward, Reason, Way
from api_lambdas.regions.table import Regions
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import Credentials
from contract import regions
from contract.confirmation import Instant
from contract.regions import NO_END, Override, Primary, State
from contract.values import Item, to_item

A, B = "eu-west-1", "us-east-1"
CACHE, STALE, FENCE, NEEDED = 5.0, 60.0, 40.0, 10.0
ACCESS = Access(B, "http://127.0.0.1:1", Credentials("", ""))


class Replica:
    """A region's table, which may fail, or leave out what it was asked for."""

    def __init__(self, primary: Primary) -> None:
        self.overrides: dict[str, Override] = {}
        self.primary = primary
        self.down = False
        self.partly = False
        self.reads = 0

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        assert operation == "BatchGetItem"
        ((table, wanted),) = request["RequestItems"].items()
        assert wanted["ConsistentRead"]
        self.reads += 1
        if self.down:
            raise StoreError(operation, "TimeoutError", retryable=True)
        reply = {"Responses": {table: self.items()}}
        return {**reply, "UnprocessedKeys": {table: {"Keys": [{"pk": {"S": "operator#x"}}]}}} if self.partly else reply

    def items(self) -> list[Item]:
        one = self.primary
        primary = {"pk": regions.PRIMARY, "region": one.region, "epoch": one.epoch, "url": one.url}
        overrides = [
            {"pk": regions.operator_pk(region), "state": said.state.value, "epoch": said.epoch, "until": said.until}
            for region, said in self.overrides.items()
        ]
        return [to_item(primary), *map(to_item, overrides)]


class Dispatcher:
    """A region's function at one time."""

    def __init__(self, region: str = A) -> None:
        self.here, self.there = Replica(Primary(A, 3, "https://a")), Replica(Primary(A, 3, "https://a"))
        self.now = 1000.0
        settings = RegionSettings("t", {B: ACCESS}, CACHE, STALE, FENCE, 5, 30)
        clock = lambda: Instant(self.now, self.now)  # noqa: E731
        self.known = Regions(region, settings, self.here, {B if region == A else A: self.there}, clock, Log("error"))

    def way(self, epoch: int | None = None) -> Way:
        return self.known.way(NEEDED, epoch)


@pytest.fixture
def primary() -> Dispatcher:
    return Dispatcher()


def test_within_the_age_of_the_cache_nothing_is_read_again(primary: Dispatcher) -> None:
    assert primary.way() == Execute(3)
    primary.now += CACHE
    assert primary.way() == Execute(3)
    assert (primary.here.reads, primary.there.reads) == (1, 1)

    primary.now += 0.1
    primary.way()

    assert (primary.here.reads, primary.there.reads) == (2, 2)


def test_a_change_of_state_counts_within_the_age_of_the_cache(primary: Dispatcher) -> None:
    primary.way()
    primary.here.overrides[A] = Override(State.FENCED, 4, NO_END, "", "")

    primary.now += CACHE + 0.1

    assert primary.way() == Closed(Reason.FENCED)


def test_while_its_table_cannot_be_read_a_region_goes_on_with_what_it_knew_and_then_closes() -> None:
    secondary = Dispatcher(B)
    assert isinstance(secondary.way(), Forward)
    secondary.here.down = True

    secondary.now += STALE
    assert isinstance(secondary.way(), Forward)
    secondary.now += 1
    assert secondary.way() == Closed(Reason.STATE_UNKNOWN)

    secondary.here.down = False
    secondary.now += 1
    assert isinstance(secondary.way(), Forward)


def test_a_function_that_never_read_anything_is_closed(primary: Dispatcher) -> None:
    primary.here.down = True

    assert primary.way() == Closed(Reason.STATE_UNKNOWN)


def test_a_table_that_fails_is_not_asked_with_every_command(primary: Dispatcher) -> None:
    primary.here.down = True
    for _ in range(10):
        primary.way()
        primary.now += 0.1

    assert primary.here.reads <= 2


def test_a_primary_that_reaches_nobody_stops_by_itself_before_its_confirmation_ends(primary: Dispatcher) -> None:
    assert primary.way() == Execute(3)
    primary.there.down = True

    primary.now += FENCE - NEEDED
    assert primary.way() == Execute(3)
    primary.now += 0.1
    assert primary.way() == Closed(Reason.UNCONFIRMED)

    primary.there.down = False
    primary.now += 1
    assert primary.way() == Execute(3)


def test_a_peer_that_says_otherwise_stops_it_at_the_next_look(primary: Dispatcher) -> None:
    primary.way()
    primary.there.primary = Primary(B, 4, "https://b")

    primary.now += CACHE + 0.1

    assert primary.way() == Closed(Reason.UNCONFIRMED)


def test_an_answer_that_leaves_something_out_is_none(primary: Dispatcher) -> None:
    primary.there.partly = True
    assert primary.way() == Closed(Reason.UNCONFIRMED)

    primary.there.partly, primary.here.partly = False, True
    assert Dispatcher().way() == Execute(3)
    other = Dispatcher()
    other.here.partly = True
    assert other.way() == Closed(Reason.STATE_UNKNOWN)


def test_a_lost_secondary_does_not_stop_the_primary_once_a_person_has_closed_it(primary: Dispatcher) -> None:
    primary.there.down = True
    assert primary.way() == Closed(Reason.UNCONFIRMED)

    primary.here.overrides[B] = Override(State.FENCED, 3, NO_END, "", "")
    primary.now += CACHE + 0.1

    assert primary.way() == Execute(3)


def test_that_a_peer_is_closed_counts_as_long_as_a_confirmation_from_when_it_was_read(primary: Dispatcher) -> None:
    primary.here.overrides[B] = Override(State.FENCED, 3, NO_END, "", "")
    assert primary.way() == Execute(3)
    primary.here.down = True

    primary.now += FENCE - NEEDED
    assert primary.way() == Execute(3)
    primary.now += 0.1
    assert primary.way() == Closed(Reason.UNCONFIRMED)


def test_who_is_told_of_another_epoch_looks_again_before_it_refuses(primary: Dispatcher) -> None:
    primary.way()
    for replica in (primary.here, primary.there):
        replica.primary = Primary(A, 5, "https://a")
    primary.now += 1.1

    assert primary.way(epoch=5) == Execute(5)
    assert primary.way(epoch=3) == Closed(Reason.OLD_EPOCH)
