"""The table of regions: what its items say, and writes whose conditions a real table decides."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from contract import regions
from contract.regions import NO_END, Facts, Override, Primary, State
from contract.values import to_item
from local.ministack import MiniStack
from tests.tables import create_keyed_table

A, B = "eu-west-1", "us-east-1"
FENCE = Override(State.FENCED, 2, NO_END, "anna", "failover")


class Table:
    """A table of one's own, asked with the requests of the module."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def write(self, request: dict[str, Any]) -> bool:
        """Whether its condition held."""
        try:
            self.client.update_item(**request)
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def facts(self) -> Facts:
        answer = self.client.batch_get_item(**regions.read(self.name, (A, B), consistent=True))
        return regions.facts(answer["Responses"][self.name])

    def health(self, state: State | None, event_time: int, region: str = A) -> bool:
        return self.write(
            regions.health_write(
                *(self.name, region, state), reason="r", event_time=event_time, now=9, url="https://a", place="Ireland"
            )
        )


@pytest.fixture
def table(ministack: MiniStack) -> Iterator[Table]:
    name = f"regions-{uuid.uuid4().hex[:8]}"
    client = ministack.client("dynamodb")
    create_keyed_table(client, name)
    yield Table(client, name)
    client.delete_table(TableName=name)


def test_an_event_counts_only_if_it_is_newer(table: Table) -> None:
    """Late ones and repeats change nothing."""
    assert table.health(State.FAILOVER, 20)
    assert not table.health(State.ACTIVE, 10)
    assert not table.health(State.ACTIVE, 20)
    assert table.facts().health[A].state is State.FAILOVER
    assert table.health(State.ACTIVE, 21)

    assert table.facts().health[A] == regions.Health(State.ACTIVE, 2, "r", 21)


def test_checks_that_know_nothing_leave_the_state_and_still_outdate_older_events(table: Table) -> None:
    assert table.health(None, 5)
    assert table.facts().health[A].state is State.ACTIVE
    assert table.health(State.FAILOVER, 6)
    assert table.health(None, 8)
    assert not table.health(State.ACTIVE, 7)

    assert table.facts().health[A].state is State.FAILOVER


def test_the_epoch_of_the_primary_only_rises(table: Table) -> None:
    assert table.write(regions.primary_write(table.name, Primary(A, 1, "https://a"), now=1))
    assert table.write(regions.primary_write(table.name, Primary(B, 2, "https://b"), now=2))
    assert table.write(regions.primary_write(table.name, Primary(B, 2, "https://b"), now=3))
    assert not table.write(regions.primary_write(table.name, Primary(A, 2, "https://a"), now=4))
    assert not table.write(regions.primary_write(table.name, Primary(A, 1, "https://a"), now=5))

    assert table.facts().primary == Primary(B, 2, "https://b")


def test_what_a_person_said_stands_above_the_health_checks_and_no_alarm_changes_it(table: Table) -> None:
    assert table.write(regions.operator_write(table.name, A, FENCE, now=1))
    assert table.health(State.ACTIVE, 20)

    assert table.facts().standing(A, 1) is State.FENCED
    assert table.facts().overrides[A] == FENCE


def test_an_older_epoch_lifts_no_fence(table: Table) -> None:
    assert table.write(regions.operator_write(table.name, A, FENCE, now=1))
    opened = Override(State.ACTIVE, 1, NO_END, "ben", "back")

    assert not table.write(regions.operator_write(table.name, A, opened, now=2))


def test_an_override_ends_with_its_time() -> None:
    facts = regions.facts(
        [
            to_item({"pk": regions.health_pk(A), "state": "failover", "epoch": 1, "event_time": 1, "reason": ""}),
            to_item(
                {"pk": regions.operator_pk(A), "state": "active", "epoch": 1, "until": 100, "by": "", "reason": ""}
            ),
        ]
    )

    assert [facts.standing(A, now) for now in (99, 100)] == [State.ACTIVE, State.FAILOVER]


def test_silence_is_no_illness() -> None:
    assert Facts().standing(A, 1) is State.ACTIVE


@pytest.mark.parametrize(
    "broken", [{}, {"state": "sleeping", "epoch": 1}, {"state": "active", "epoch": "x"}, {"state": None, "epoch": 1}]
)
def test_what_cannot_be_understood_is_read_as_the_most_careful_thing(broken: dict[str, Any]) -> None:
    keys = (regions.PRIMARY, regions.health_pk(A), regions.operator_pk(A), regions.breaker_pk(A, B))

    found = regions.facts(to_item({**broken, "pk": key}) for key in keys)

    assert found.primary is None
    assert found.standing(A, 1) is State.FENCED
    assert not found.health
    assert not found.circuits


@pytest.mark.parametrize(
    ("stored", "confirmed"),
    [(Primary(A, 3, ""), True), (Primary(A, 4, ""), False), (Primary(B, 3, ""), False), (None, False)],
)
def test_only_the_primary_of_this_epoch_is_confirmed(stored: Primary | None, confirmed: bool) -> None:
    assert Facts(primary=stored).confirms(A, 3, 1) is confirmed
    assert not Facts(primary=stored, overrides={A: FENCE}).confirms(A, 3, 1)
