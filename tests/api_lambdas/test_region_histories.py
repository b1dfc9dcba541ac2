"""Commands in two regions, through failovers, partitions, lost replies, pauses and crashes: one effect, one answer.

No region sends anything to the monolith that is not, at that moment, the one that may; no command is sent on twice or
executed for an old epoch; nobody is told that nothing was executed when it was.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api_lambdas import command
from api_lambdas.commands import composed as composed_regions
from api_lambdas.commands import dispatching
from api_lambdas.commands.declared import Dispatch
from api_lambdas.commands.dispatching import closed
from api_lambdas.commands.execution import Executions
from api_lambdas.commands.monolith import Monolith
from api_lambdas.regions import table as regions
from api_lambdas.regions.forward import Forwarder, NoReply
from api_lambdas.regions.state import Closed, Reason
from api_lambdas.regions.table import Regions
from api_lambdas.shared.settings import Access
from contract import regions as contract
from contract.confirmation import to_be_asked
from contract.regions import NO_END, Facts, Override, State
from tests.api_lambdas.region_world import CACHE, COMMANDS, FENCE, SETTLE, TABLE, TIMEOUT, A, B, World
from tests.api_lambdas.support import declarations

SEEDS = 10
MOST_SEEDS = 150
EVENTS = 150


class Run:
    """Makes histories by their seeds."""

    def __init__(self, compose: Callable[[str], Any], worlds: list[World], files: dict[str, str]) -> None:
        self.compose = compose
        self.worlds = worlds
        self.commands = Path(files["COMMANDS_FILE"])

    def __call__(self, seed: int, *, looked_up: bool = False) -> World:
        kind: dict[str, Any] = {"idempotency": "header"}
        if looked_up:
            kind = {"idempotency": "lookup", "lookup": "/done/{idempotency_key}", "settle_seconds": SETTLE}
        commands = [{**one, **kind} for one in json.loads(self.commands.read_text("utf-8"))]
        self.commands.write_text(json.dumps(commands), "utf-8")
        world = World.__new__(World)
        self.worlds.append(world)
        World.__init__(world, random.Random(seed), self.compose, looked_up)
        for _ in range(EVENTS):
            world.happen()
            world.now += world.draw.choice([0.0, 0.1, 1.0, 5.0])
        return world


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """One history by its seed."""
    worlds: list[World] = []
    files = declarations(tmp_path)

    def compose(region: str) -> Any:
        for name, value in {
            **files,
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "COMMANDS_TABLE": COMMANDS,
            "MONOLITH_URL": f"http://{region}",
            "DISPATCH_TIMEOUT_SECONDS": f"{TIMEOUT:g}",
            "REGIONS_TABLE": TABLE,
            "PEER_REGIONS": B if region == A else A,
            "REGIONS_CACHE_SECONDS": f"{CACHE:g}",
            "REGIONS_STALE_SECONDS": "60",
            "FENCE_SECONDS": f"{FENCE:g}",
            "LOG_LEVEL": "error",
        }.items():
            monkeypatch.setenv(name, value)
        return command._composed.__wrapped__()[1]

    def store(access: Access) -> Any:
        world = worlds[-1]
        return SimpleNamespace(call=lambda operation, request: world.store(access.region, operation, request))

    clock = SimpleNamespace(time=lambda: worlds[-1].wall(), monotonic=lambda: worlds[-1].steady())
    for module in (command, composed_regions):
        monkeypatch.setattr(module, "DynamoDB", store)
        monkeypatch.setattr(module, "time", clock)

    def send(self: Monolith, dispatch: Dispatch, key: str, timeout: float) -> Any:
        return worlds[-1].monolith(self._host, key, timeout, asking=dispatch.method == "GET")

    monkeypatch.setattr(Monolith, "send", send)
    monkeypatch.setattr(
        Forwarder, "send", lambda self, primary, request, sent: worlds[-1].deliver(self, primary, request, sent)
    )

    return Run(compose, worlds, files)


def test_every_command_has_one_effect_and_one_answer_and_no_old_primary_executes_any(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    counts = Counter[str]()
    for seed in range(SEEDS):
        world = run(seed)
        settle(world)
        counts += world.counts
    assert "failed" not in {line.split('"')[7] for line in capfd.readouterr().err.splitlines() if line}

    wanted = {"201", "forwarded", "promoted", "reply lost", "unconfirmed", "primary-fenced", "state-unknown"}
    assert {name for name in wanted if counts[name] < 3} == set(), counts


def test_what_the_lost_region_executed_is_not_executed_again(run: Run) -> None:
    """Though its records never came: the monolith is asked for every key before it is sent."""
    counts = Counter[str]()
    for seed in range(SEEDS):
        world = run(seed, looked_up=True)
        settle(world)
        counts += world.counts

    assert {name for name in ("201", "promoted", "lost", "asked", "in-progress") if counts[name] < 3} == set(), counts


def settle(world: World) -> None:
    """The faults end, a person finishes what was begun; then every repeated command gets its one answer."""
    world.calm, world.cut, world.unread = True, False, set()
    while world.failover is not None:
        world.now += 5
        world.step()
    for region in (A, B):
        world._override(world.may_execute or A, region, replace(OPEN, epoch=world.epoch))
    world.replicate(10_000)
    world.now += 200
    for region in (A, B):
        for key in sorted(world.executed):
            said = world.command(region, key)
            assert said is not None, (region, key)
            assert said == world.answers[key], (region, key)


def again(one: World) -> Callable[..., Any]:
    """Sends a second time what got no reply."""

    def send(self: Forwarder, primary: Any, request: Any, sent: Any) -> Any:
        try:
            return one.deliver(self, primary, request, sent)
        except NoReply:
            return one.deliver(self, primary, request, sent)

    return send


def without_what_was_left_out(store: Any, table: str, names: tuple[str, ...], breakers: tuple[str, ...] = ()) -> Facts:
    reply = store.call("BatchGetItem", contract.read(table, names, breakers, consistent=True))
    return contract.facts(reply["Responses"][table])


def whenever_it_was_read(self: Regions, epoch: int, needed_seconds: float) -> bool:
    if self._facts is None:
        return False
    asked = TO_BE_ASKED(self.region, self._peers, self._facts, self.micros())
    for peer in asked:
        self._ask(peer, epoch)
    return self._confirmations.hold(epoch, asked, self._clock(), self._settings.fence_seconds, needed_seconds)


def all_that_are_closed(_: str, peers: Iterable[str], facts: Facts, now: int) -> tuple[str, ...]:
    return tuple(peer for peer in peers if not facts.fenced_by_a_person(peer, now))


def primary_whatever_was_closed(self: Facts, region: str, epoch: int, _: int) -> bool:
    return self.primary is not None and (self.primary.region, self.primary.epoch) == (region, epoch)


TO_BE_ASKED = to_be_asked
OPEN = Override(State.ACTIVE, 1, NO_END, "", "")


def any_record_is_here(_: Executions, command: Any, doubt_until: int | None) -> int | None:
    return doubt_until


LOOKED_UP = {"records of keys are never lost"}
# variant: what is replaced, by what, and a seed that shows it
VARIANTS: dict[str, tuple[Any, str, Any, int]] = {
    "nobody is asked": (Regions, "_is_confirmed", lambda *_: True, 5),
    "what was left out is not there": (regions, "_facts", without_what_was_left_out, 36),
    "that a peer is closed counts for ever": (Regions, "_is_confirmed", whenever_it_was_read, 128),
    "closed for a later epoch is closed": (regions, "to_be_asked", all_that_are_closed, 0),
    "a peer does not look at what is closed": (Facts, "confirms", primary_whatever_was_closed, 0),
    "a lost reply is nothing sent": (dispatching, "_no_reply", lambda _: closed(Closed(Reason.PRIMARY_UNREACHABLE)), 6),
    "sent again after a lost reply": (Forwarder, "send", again, 0),
    "records of keys are never lost": (Executions, "_doubt", any_record_is_here, 0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_variant_is_caught(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where, attribute, broken, seed = VARIANTS[name]
    replaced = broken if broken is not again else lambda *given: again(run.worlds[-1])(*given)
    monkeypatch.setattr(where, attribute, replaced)

    seeds = (seed, *range(MOST_SEEDS))  # the known one first; what a history is changes with the code

    assert any(goes_wrong(run, one, looked_up=name in LOOKED_UP) for one in seeds)


def goes_wrong(run: Run, seed: int, *, looked_up: bool) -> bool:
    """Whether a history breaks a promise."""
    try:
        settle(run(seed, looked_up=looked_up))
    except AssertionError:
        return True
    return False
