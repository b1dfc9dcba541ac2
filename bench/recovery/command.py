"""`python -m bench recovery`: measure, print the table, write bench/results/recovery.json."""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from bench.machine import machine
from bench.recovery.faults import FAULTS, Outcome, play
from bench.recovery.fleet import KCL, NEARVIEW, Fleet
from bench.recovery.stage import SHARDS, Traffic, stage
from bench.results import FOLDER
from local.processes import ProcessError
from worker.settings import specs

RESULT: Final = FOLDER / "recovery.json"
WORDS: Final = {
    "child_killed": "one child killed",
    "daemon_killed": "daemon killed",
    "worker_killed": "whole worker killed, started again at once",
    "child_hung": "one child stopped in mid-work (SIGSTOP)",
    "scale_out": "second worker comes: longest pause",
    "follower_lost": "host of a worker lost that is not the leader",
    "leader_lost": "host of the leader lost",
    "rolling_deploy": "both workers replaced: longest pause",
    "scale_in": "one of two workers stopped: longest pause",
}
SETTINGS: Final = (
    "NEARVIEW_FAILOVER_MILLIS",
    "NEARVIEW_LEASE_ASSIGNMENT_MILLIS",
    "NEARVIEW_POLL_MILLIS",
    "NEARVIEW_HANG_SECONDS",
)

Found = dict[str, dict[str, list[Outcome]]]


@click.command("recovery")
@click.option("--only", multiple=True, type=click.Choice(FAULTS), help="One fault; may be repeated.")
@click.option("--system", multiple=True, type=click.Choice([NEARVIEW, KCL]), help="One of the two.")
@click.option("--runs", default=1, show_default=True, type=click.IntRange(min=1), help="Runs of nearview; KCL has one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help=f"Instead of {RESULT}.")
def recovery(only: tuple[str, ...], system: tuple[str, ...], runs: int, as_json: bool, output: Path | None) -> None:
    """Seconds until documents follow again after each fault, production settings, beside plain KCL.

    With all of it a quarter of an hour for each system; MiniStack, the daemons and this program share the machine.
    With --only or --system nothing is written unless --output is given.
    """
    started = time.monotonic()

    def say(what: str) -> None:
        click.echo(f"[{time.monotonic() - started:6.1f} s] {what}", err=True)

    found: Found = {fault: {} for fault in only or FAULTS}
    described = machine()
    for one in system or (NEARVIEW, KCL):
        for number in range(runs if one == NEARVIEW else 1):
            say(f"{one}: run {number + 1}")
            try:
                for outcome in _run(one, set(found), say):
                    found[outcome.fault].setdefault(one, []).append(outcome)
            except ProcessError as error:
                say(f"{one}: given up: {error}")
    result = _result(found, described)
    target = output or (None if only or system else RESULT)
    if target:
        target.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        say(f"written to {target}")
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        Console().print(_table(result))


def _run(system: str, faults: set[str], say: Any) -> Iterable[Outcome]:
    with tempfile.TemporaryDirectory(prefix="nearview-recovery-") as folder, stage(Path(folder)) as place:
        traffic = Traffic(place)
        traffic.start()
        try:
            return play(Fleet(system, place), traffic, faults, say)
        finally:
            traffic.end()


def _result(found: Found, described: dict[str, Any]) -> dict[str, Any]:
    defaults = {spec.name: spec.default for _, spec in specs() if spec.name in SETTINGS}
    return {
        "schema": 1,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": described,
        "shards": SHARDS,
        "settings": defaults,
        "unit": "seconds from the fault to the next change of every shard in its document; null: not within `waited`",
        "faults": {
            fault: {
                "what": WORDS[fault],
                **{
                    system: {
                        "seconds": [None if one.seconds is None else round(one.seconds, 2) for one in outcomes],
                        "load_average": [round(one.load, 1) for one in outcomes],
                        "waited": max(one.waited for one in outcomes),
                    }
                    for system, outcomes in systems.items()
                },
            }
            for fault, systems in found.items()
        },
    }


def _table(result: dict[str, Any]) -> Table:
    table = Table(title="seconds until documents follow again", title_justify="left")
    table.add_column("fault")
    for system in (NEARVIEW, KCL):
        table.add_column(system, justify="right")
    for entry in result["faults"].values():
        table.add_row(entry["what"], *(_cell(entry.get(system)) for system in (NEARVIEW, KCL)))
    return table


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return ""
    shown = [f"> {entry['waited']:.0f}" if one is None else f"{one:.1f}" for one in entry["seconds"]]
    return ", ".join(shown)
