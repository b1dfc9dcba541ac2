"""Keys whose records another region wrote last, and which this region never got."""

from __future__ import annotations

from typing import Any

import pytest

from api_lambdas.commands.execution import CLOCKS_APART_SECONDS
from api_lambdas.commands.idempotency import RECORD_SECONDS
from api_lambdas.shared.http import Kind, Problem, Response
from tests.api_lambdas.command_histories import KEY, SETTINGS, History
from tests.api_lambdas.command_world import SETTLE_SECONDS


class Region:
    """The region that takes over, without faults."""

    def __init__(self, name: str) -> None:
        self.history = History(SETTINGS[name], 0, faults=0.0)
        self.world, self.monolith = self.history.world, self.history.monolith
        self.monolith.refuses = 0.0

    def _asked(self, method: str, path: str) -> Any:
        found: list[Any] = []
        self.world.run([lambda: found.append(self.history._asked(method, path, "owner"))])
        return found[0]

    def post(self) -> Any:
        return self._asked("POST", "/commands/act")

    def status(self) -> Any:
        return self._asked("GET", f"/commands/act/{KEY}")

    def takes_over(self, seconds_ago: float = 0.0) -> None:
        self.history.table.lose(10)
        while self.history.table.item(KEY):
            self.history.table.lose(10)
        self.history.taken_over = self.world.now - seconds_ago

    def counts(self) -> tuple[int, int, int]:
        """Effects, dispatches, questions."""
        return len(self.monolith.effects[KEY]), self.monolith.sent[KEY], self.monolith.asked[KEY]


@pytest.mark.parametrize("name", ["header", "lookup", "none"])
def test_where_no_other_region_executed_commands_nothing_is_asked(name: str) -> None:
    region = Region(name)

    assert region.post().status == 201
    assert region.counts() == (1, 1, 0)


def test_a_key_that_the_other_region_executed_gets_its_answer_and_is_not_sent() -> None:
    region = Region("lookup")
    first = region.post()
    region.takes_over()

    again = region.post()

    assert (again.status, again.body) == (first.status, first.body)
    assert region.counts() == (1, 1, 1)
    assert region.post().headers["idempotent-replayed"] == "true"
    assert region.counts() == (1, 1, 1), "from then on its record is here"


def test_a_new_key_waits_until_what_the_other_region_sent_has_come_to_rest() -> None:
    region = Region("lookup")
    region.takes_over()

    refused = region.post()

    assert isinstance(refused, Problem)
    assert (refused.kind, refused.headers["retry-after"]) == (Kind.IN_PROGRESS, "5")
    assert region.counts() == (0, 0, 1)
    region.world.now += SETTLE_SECONDS + CLOCKS_APART_SECONDS - 0.1
    assert region.post().kind is Kind.IN_PROGRESS
    region.world.now += 0.2
    assert region.post().status == 201
    assert region.counts() == (1, 1, 3)


@pytest.mark.parametrize(("seconds_ago", "asked"), [(RECORD_SECONDS - 1, 1), (RECORD_SECONDS + 1, 0)])
def test_it_is_asked_for_as_long_as_answers_are_kept(seconds_ago: float, asked: int) -> None:
    region = Region("lookup")
    region.takes_over(seconds_ago)

    assert region.post().status == 201
    assert region.counts() == (1, 1, asked)


def test_when_the_region_took_over_may_be_unknown() -> None:
    """Then it is always asked."""
    region = Region("lookup")
    region.history.taken_over = 0.0

    assert region.post().status == 201
    assert region.counts() == (1, 1, 1)


def test_a_monolith_that_knows_keys_is_sent_the_command_again() -> None:
    region = Region("header")
    first = region.post()
    region.takes_over()

    assert region.post().body == first.body
    assert region.counts() == (1, 2, 0)


def test_with_no_help_of_the_monolith_it_is_executed_again() -> None:
    """The limit that `none` has; the documents say so."""
    region = Region("none")
    region.post()
    region.takes_over()

    assert region.post().status == 201
    assert region.counts() == (2, 2, 0)


def test_the_status_of_a_lost_record_is_that_of_a_key_never_sent() -> None:
    """Whose key it was is lost as well: its answer is told to who repeats the request, to nobody who asks only."""
    region = Region("lookup")
    region.post()
    region.takes_over()

    asked = region.status()

    assert isinstance(asked, Problem)
    assert asked.kind is Kind.NOT_FOUND
    assert isinstance(region.post(), Response)
    assert region.status().status == 200
