"""`nearview failover` on the command line: close, rotate, reconcile, open, and what stands around them."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console

from worker.failover.plan import Failover, RefusedError, Step
from worker.failover.run import Program, Runner
from worker.failover.table import RegionsTable
from worker.grid import grid
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, fail, one_line_errors, operator_settings
from worker.store.dynamodb import dynamodb_client

NAME: Final = "failover"
FENCE_SECONDS: Final = 40.0
"""As the command functions' FENCE_SECONDS and the workers' NEARVIEW_FENCE_SECONDS."""

_SHARED: Final = (
    click.option(
        "--regions-table",
        envvar="NEARVIEW_REGIONS_TABLE",
        default="nearview-regions",
        show_default=True,
        show_envvar=True,
        help="DynamoDB table of regions, the replica of AWS_REGION.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr."),
)
_STEP: Final = (
    click.option("--to", "new", required=True, metavar="REGION", help="The region that is to execute commands."),
    click.option("--url", default="", help="Base address of that region's API; needed by `close`."),
    click.option("--by", default=getpass.getuser, show_default="the user", help="Who does this."),
    click.option("--reason", default="failover", show_default=True, help="Why, for all who ask the table."),
    click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
)
_COMMANDS_TABLE: Final = click.option(
    "--commands-table",
    envvar="NEARVIEW_COMMANDS_TABLE",
    default="nearview-commands",
    show_default=True,
    show_envvar=True,
    help="DynamoDB table of commands, the replica of AWS_REGION.",
)

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _with(*options: Decorator) -> Decorator:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group()
def failover() -> None:
    """Make another region the one that executes commands, in four steps that a person begins.

    Run them in the region that is to take over, one after the other: close, rotate, reconcile, open. Each is noted with
    its evidence in the table of regions; one that was stopped is finished by running it again. Failing back is the same
    with the regions exchanged. Settings come from the environment, as the worker's.

    Exit codes: 0 done or nothing left to do, 1 not yet done, 2 could not run.
    """


@failover.command("close")
@_with(*_STEP, _COMMANDS_TABLE, *_SHARED)
@click.option(
    "--fence-seconds",
    default=FENCE_SECONDS,
    show_default=True,
    type=click.FloatRange(min=0),
    help="For how long confirmations count: the longest of FENCE_SECONDS (functions) and NEARVIEW_FENCE_SECONDS.",
)
@one_line_errors(NAME)
def close(commands_table: str, fence_seconds: float, **given: Any) -> None:
    """1. Fence the old region, and wait until it cannot take a command any more, even if it is cut off."""
    told = f"fence the old region, then wait {fence_seconds:g} s and until no command is worked on"
    _step(given, Step.CLOSE, told, lambda runner, one: runner.close(one, commands_table, fence_seconds))


@failover.command("rotate")
@_with(*_STEP, *_SHARED)
@click.option("--start", default="", metavar="COMMAND", help="Starts the new region's change capture and workers.")
@click.option("--ready-url", default="", help="A /healthz of its workers; waited for until it is green.")
@one_line_errors(NAME)
def rotate(start: str, ready_url: str, **given: Any) -> None:
    """2. Start change capture and workers in the new region; the command may be run more than once."""
    told = f"run: {start or 'nothing'}; wait for: {ready_url or 'nothing'}"
    _step(given, Step.ROTATE, told, lambda runner, one: runner.rotate(one, start, ready_url))


@failover.command("reconcile")
@_with(*_STEP, _COMMANDS_TABLE, *_SHARED)
@click.option("--sign-off", default="", metavar="NAME", help="Who answers for documents that still differ.")
@one_line_errors(NAME)
def reconcile(commands_table: str, sign_off: str, **given: Any) -> None:
    """3. Compare documents with the source, rebuild them with every edge, compare again; count open commands."""
    told = "verify, rebuild --all --edges --restart, verify"
    _step(given, Step.RECONCILE, told, lambda runner, one: runner.reconcile(one, commands_table, sign_off))


@failover.command("open")
@_with(*_STEP, *_SHARED)
@click.option("--canary", default="", metavar="PATH", help="A read of the new region's API, as /orders/1.")
@one_line_errors(NAME)
def open_command(canary: str, **given: Any) -> None:
    """4. Name the new region the primary of the next epoch: from here on it executes commands."""
    told = "name the new region the primary of the next epoch"
    _step(given, Step.OPEN, told, lambda runner, one: runner.open(one, canary))


@failover.command("register")
@_with(*_SHARED)
@click.option("--region", required=True, help="The region that executes commands from the beginning.")
@click.option("--url", required=True, help="Base address of its API.")
@one_line_errors(NAME)
def register(regions_table: str, as_json: bool, region: str, url: str) -> None:
    """Name the first primary, once, after the first deployment."""
    primary = _refusable(lambda: _runner(regions_table, as_json).register(region, url))
    _print({"primary": asdict(primary)}, as_json, f"{region} is the primary (epoch {primary.epoch})")


@failover.command("fence")
@_with(*_SHARED)
@click.option("--region", required=True, help="The secondary that is lost.")
@click.option("--by", default=getpass.getuser, show_default="the user", help="Who does this.")
@click.option("--reason", default="it is lost", show_default=True, help="Why, for all who ask the table.")
@one_line_errors(NAME)
def fence(regions_table: str, as_json: bool, region: str, by: str, reason: str) -> None:
    """A secondary that is lost: from here on the primary executes commands without its confirmation.

    Run this in the primary's region. `release` lets the secondary serve again when it is back.
    """
    here = operator_settings(os.environ, ("region",)).region
    _refusable(lambda: _runner(regions_table, as_json).fence(region, here, by, reason))
    _print({"fenced": region}, as_json, f"{region} is fenced")


@failover.command("release")
@_with(*_SHARED)
@click.option("--region", required=True, help="The region that came back; run this there.")
@click.option("--by", default=getpass.getuser, show_default="the user", help="Who does this.")
@click.option("--reason", default="it is a secondary again", show_default=True, help="Why.")
@click.option("--primary-endpoint-url", default="", help="DynamoDB of the primary's region; only for stand-ins.")
@one_line_errors(NAME)
def release(regions_table: str, as_json: bool, region: str, by: str, reason: str, primary_endpoint_url: str) -> None:
    """A fenced region that came back: find and mend what it wrote while it was alone, then let it serve again.

    That it serves again is written in the primary's region, which therefore has to be in reach.
    """
    found = _runner(regions_table, as_json).compared()
    if found["differences_after"]:
        fail(NAME, f"{found['differences_after']} documents still differ from the source: run it again later")
    primary = _table(regions_table).facts().primary
    there = _table(regions_table, primary.region if primary else "", primary_endpoint_url)
    _refusable(lambda: _runner_of(there, as_json).release(region, by, reason))
    _print(found, as_json, f"{region} serves again; {found['differences_before']} documents had been different")


@failover.command("status")
@_with(*_SHARED)
@one_line_errors(NAME)
def status(regions_table: str, as_json: bool) -> None:
    """Who is the primary, how each region stands, and how far a failover is."""
    table = _table(regions_table)
    facts, now = table.facts(), _now()
    epoch = facts.primary.epoch if facts.primary else 0
    under_way, last = table.failover(epoch + 1), table.failover(epoch)
    standing = {name: facts.standing(name, now).value for name in sorted({*facts.health, *facts.overrides})}
    found = {
        "primary": asdict(facts.primary) if facts.primary else None,
        "regions": standing,
        "failover": _as_json(under_way or last),
    }
    lines = [f"primary  {facts.primary.region} (epoch {epoch})" if facts.primary else "no primary"]
    lines += [f"{name}  {state}" for name, state in standing.items()]
    _print(found, as_json, "\n".join(lines))
    if not as_json and (shown := under_way or last):
        _show(shown)


def _step(given: dict[str, Any], step: Step, told: str, take: Callable[[Runner, Failover], Failover]) -> None:
    as_json = given["as_json"]
    runner = _runner(given["regions_table"], as_json)
    one = _refusable(lambda: runner.planned(given["new"], given["url"], given["by"], given["reason"]))
    if given["dry_run"]:
        done = "has ended already" if one.has_ended(step) else told
        _print(_as_json(one) or {}, as_json, f"{step.value} ({one.old} to {one.new}, epoch {one.epoch}): {done}")
        return
    ended = _refusable(lambda: take(runner, one))
    _print(_as_json(ended) or {}, as_json, f"{step.value}: done; {_evidence(ended, step)}")
    raise SystemExit(EXIT_DONE if ended.has_ended(step) else EXIT_NOT_ALL)


def _refusable(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except RefusedError as error:
        click.echo(f"nearview {NAME}: {error}", err=True)
        raise SystemExit(EXIT_NOT_ALL) from None


def _table(name: str, region: str = "", endpoint_url: str = "") -> RegionsTable:
    """The replica of a region, or of our own."""
    settings = operator_settings(os.environ, ("region", "endpoint_url"))
    return RegionsTable(dynamodb_client(region or settings.region, endpoint_url or settings.endpoint_url), name)


def _runner(table: str, as_json: bool) -> Runner:
    return _runner_of(_table(table), as_json)


def _runner_of(table: RegionsTable, as_json: bool) -> Runner:
    return Runner(table, Program(), lambda line: click.echo(line, err=as_json), _now, time.sleep)


def _now() -> int:
    return time.time_ns() // 1000


def _print(found: Any, as_json: bool, text: str) -> None:
    click.echo(json.dumps(found, indent=1) if as_json else text)


def _as_json(one: Failover | None) -> dict[str, Any] | None:
    if one is None:
        return None
    steps = {step.value: asdict(done) for step, done in one.steps.items()}
    return {**asdict(one), "steps": steps, "next": one.next.value if one.next else None}


def _evidence(one: Failover, step: Step) -> str:
    return ", ".join(f"{name}: {value}" for name, value in one.steps[step].evidence.items())


def _show(one: Failover) -> None:
    table = grid()
    for name in ("step", "begun", "ended", "evidence"):
        table.add_column(name)
    for step in Step:
        done = one.steps.get(step)
        times = (_time(done.begun), _time(done.ended)) if done else ("", "")
        table.add_row(step.value, *times, _evidence(one, step) if done else "")
    Console().print(f"failover {one.old} to {one.new}, epoch {one.epoch}, by {one.by}: {one.reason}", highlight=False)
    Console().print(table)


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%H:%M:%SZ") if micros else ""
