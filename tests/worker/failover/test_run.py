"""A failover that is killed between any two calls is finished by being run again, and never has two primaries."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from contract.regions import State
from local.ministack import MiniStack
from tests.tables import create_keyed_table
from worker.failover.cli import failover
from worker.failover.plan import Failover, RefusedError, Step
from worker.failover.run import Runner
from worker.failover.table import RegionsTable

OLD, NEW, URL = "eu-west-1", "us-east-1", "http://new.example"
FENCE_SECONDS = 40.0
SECOND = 1_000_000
_numbers = itertools.count()


class Killed(BaseException):
    """The process died."""


class Clock:
    """Time passes only when somebody sleeps, and a little with every look."""

    def __init__(self) -> None:
        self.micros = 1_800_000_000 * SECOND

    def now(self) -> int:
        self.micros += 1
        return self.micros

    def sleep(self, seconds: float) -> None:
        self.micros += round(seconds * SECOND)


class Mortal:
    """A client that dies before its n-th call, or after it with the reply lost."""

    def __init__(self, client: Any, dies_at: int, *, before: bool) -> None:
        self._client = client
        self.left = dies_at
        self._before = before
        self.calls = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls += 1
            self.left -= 1
            if self.left == 0 and self._before:
                raise Killed
            answer = getattr(self._client, name)(**request)
            if self.left == 0:
                raise Killed
            return answer

        return call


class Commands:
    """What the other commands of nearview would say."""

    def __init__(self, differences: int = 0) -> None:
        self.differences = differences
        self.started = 0

    def run(self, command: list[str]) -> tuple[int, str]:
        self.started += 1
        return 0, ""

    def nearview(self, *arguments: str) -> tuple[int, Any]:
        if arguments[0] == "verify":
            return 0, {"differences": self.differences, "verified": 10}
        return 0, {"order": {"written": 3}}


class Installation:
    """A table of regions with a primary, and a table of commands."""

    def __init__(self, ministack: MiniStack) -> None:
        self.client = ministack.client("dynamodb")
        self.name, self.commands = f"regions-{next(_numbers)}", f"ledger-{next(_numbers)}"
        for name in (self.name, self.commands):
            create_keyed_table(self.client, name)
        self.clock = Clock()
        self.program = Commands()
        self.runner().register(OLD, "http://old.example")

    def runner(self, client: Any = None) -> Runner:
        table = RegionsTable(client or self.client, self.name)
        return Runner(table, self.program, lambda _: None, self.clock.now, self.clock.sleep)

    def take(self, client: Any = None) -> Failover:
        """All four steps, as a person runs them."""
        runner = self.runner(client)
        one = runner.planned(NEW, URL, "somebody", "drill")
        runner.close(one, self.commands, FENCE_SECONDS)
        one = runner.planned(NEW, URL, "somebody", "drill")
        one = runner.rotate(one, "start it", "")
        one = runner.reconcile(one, self.commands, "")
        return runner.open(one, "")

    @property
    def table(self) -> RegionsTable:
        return RegionsTable(self.client, self.name)


@pytest.fixture
def installation(ministack: MiniStack) -> Installation:
    return Installation(ministack)


def test_four_steps_make_another_region_the_primary(installation: Installation) -> None:
    """The old one is fenced, the epoch has risen, every step has its evidence."""
    begun = installation.clock.micros
    one = installation.take()
    facts = installation.table.facts()
    assert facts.primary is not None
    assert (facts.primary.region, facts.primary.epoch, facts.primary.url) == (NEW, 2, URL)
    assert facts.fenced_by_a_person(OLD, installation.clock.now())
    assert facts.standing(NEW, installation.clock.now()) is State.ACTIVE
    assert one.next is None
    assert all(one.steps[step].evidence for step in Step)
    assert installation.clock.micros - begun >= FENCE_SECONDS * SECOND


@pytest.mark.parametrize("before", [True, False])
def test_killed_between_any_two_calls_it_is_finished_by_running_it_again(ministack: MiniStack, before: bool) -> None:
    """At every kill: no primary before the old region's confirmations have lapsed, and one failover in the end."""
    for dies_at in itertools.count(1):
        installation = Installation(ministack)
        mortal = Mortal(installation.client, dies_at, before=before)
        begun = installation.clock.micros
        try:
            installation.take(mortal)
        except Killed:
            facts = installation.table.facts()
            assert facts.primary is not None
            if facts.primary.region == NEW:
                assert facts.fenced_by_a_person(OLD, installation.clock.now())
                assert installation.clock.micros - begun >= FENCE_SECONDS * SECOND
        if mortal.left > 0:
            break
        done = installation.table.failover(2)
        if done is None or done.next is not None:
            installation.take()
        facts = installation.table.facts()
        assert facts.primary is not None
        assert (facts.primary.region, facts.primary.epoch) == (NEW, 2), dies_at
        assert facts.standing(NEW, installation.clock.now()) is State.ACTIVE, dies_at
        done = installation.table.failover(2)
        assert done is not None
        assert done.next is None, dies_at
    assert dies_at > len(Step) * 2


def test_a_step_before_its_turn_is_refused(installation: Installation) -> None:
    """Opening before the old region is closed would make two primaries."""
    runner = installation.runner()
    one = runner.planned(NEW, URL, "somebody", "drill")
    with pytest.raises(RefusedError, match="run `nearview failover close` first"):
        runner.open(one, "")


def test_documents_that_differ_keep_the_flow_closed_unless_somebody_answers_for_them(
    installation: Installation,
) -> None:
    """The differences are noted either way."""
    installation.program.differences = 2
    with pytest.raises(RefusedError, match="2 documents still differ"):
        installation.take()
    stored = installation.table.failover(2)
    assert stored is not None
    assert stored.next is Step.RECONCILE
    assert stored.steps[Step.RECONCILE].evidence["differences_after"] == 2
    ended = installation.runner().reconcile(stored, installation.commands, "the owner")
    assert ended.steps[Step.RECONCILE].evidence["signed_off"] == "the owner"


def test_two_failovers_at_once_are_refused(installation: Installation) -> None:
    """A second person with another region in mind learns of the first."""
    runner = installation.runner()
    runner.close(runner.planned(NEW, URL, "somebody", "drill"), installation.commands, 0)
    with pytest.raises(RefusedError, match="a failover to us-east-1 is under way"):
        runner.planned("ap-south-1", URL, "another", "drill")


def test_failing_back_is_the_same_the_other_way(installation: Installation) -> None:
    """The epoch rises again, and the region that was fenced serves as the primary."""
    installation.take()
    runner = installation.runner()
    runner.release(OLD, "somebody", "it is back")
    one = runner.planned(OLD, "http://old.example", "somebody", "back")
    one = runner.close(one, installation.commands, FENCE_SECONDS)
    one = runner.open(runner.reconcile(runner.rotate(one, "", ""), installation.commands, ""), "")
    facts = installation.table.facts()
    assert facts.primary is not None
    assert (facts.primary.region, facts.primary.epoch) == (OLD, 3)
    assert facts.fenced_by_a_person(NEW, installation.clock.now())
    assert not facts.fenced_by_a_person(OLD, installation.clock.now())


def test_a_command_that_is_worked_on_is_waited_for(installation: Installation) -> None:
    """Its claim ends at a known time; until then the step does not."""
    until = installation.clock.micros // 1000 + 100_000
    item = {"pk": {"S": "key"}, "claimed_until": {"N": str(until)}}
    installation.client.put_item(TableName=installation.commands, Item=item)
    runner = installation.runner()
    one = runner.close(runner.planned(NEW, URL, "somebody", "drill"), installation.commands, 0)
    assert installation.clock.micros >= until * 1000
    assert one.steps[Step.CLOSE].evidence["commands_without_answer"] == 1


def test_a_fenced_region_cannot_be_made_the_primary(installation: Installation) -> None:
    """The primary does not ask it for its word, so that both would execute commands once they are apart."""
    runner = installation.runner()
    runner.fence(NEW, OLD, "somebody", "it is lost")
    assert installation.table.facts().fenced_by_a_person(NEW, installation.clock.now())
    with pytest.raises(RefusedError, match="us-east-1 is fenced: let it serve again first"):
        runner.planned(NEW, URL, "somebody", "drill")
    runner.release(NEW, "somebody", "it is back")
    assert runner.planned(NEW, URL, "somebody", "drill").epoch == 2


def test_only_a_secondary_is_fenced_and_only_where_the_primary_reads_it(installation: Installation) -> None:
    """A primary is closed by a failover; a fence that the primary has not read would not count for it."""
    runner = installation.runner()
    with pytest.raises(RefusedError, match="eu-west-1 is the primary: close it with"):
        runner.fence(OLD, OLD, "somebody", "it is lost")
    with pytest.raises(RefusedError, match="run this in eu-west-1"):
        runner.fence("ap-south-1", NEW, "somebody", "it is lost")


def test_a_release_is_written_where_the_primary_reads_it(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the region that came back: the primary would go on without that region's word after a cut."""
    installation = Installation(ministack)
    installation.take()
    client = ministack.client("dynamodb")
    stored = client.scan(TableName=installation.name)["Items"]
    there = ministack.client("dynamodb", NEW)
    create_keyed_table(there, installation.name)
    for item in stored:
        there.put_item(TableName=installation.name, Item=item)
    monkeypatch.setattr(Runner, "compared", lambda _: {"differences_before": 0, "differences_after": 0})
    environment = {**ministack.environment(), "AWS_REGION": OLD, "NEARVIEW_REGIONS_TABLE": installation.name}
    done = CliRunner().invoke(failover, ["release", "--region", OLD], env=environment)
    assert done.exit_code == 0, done.output
    now = installation.clock.now()
    assert not RegionsTable(there, installation.name).facts().fenced_by_a_person(OLD, now)
    assert installation.table.facts().fenced_by_a_person(OLD, now)
