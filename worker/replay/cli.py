"""`nearview replay` on the command line."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from worker.errors import FatalError
from worker.horizon import check_horizon, horizon_millis
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors, operator_settings
from worker.replay import backup, report
from worker.replay.backup import Backup
from worker.replay.beside_cli import BESIDE_OPTIONS, beside, check_beside_options
from worker.replay.lease_rows import LeaseRows
from worker.replay.plan import Position
from worker.replay.request import Request, instant, parse_request
from worker.replay.run import Outlook, Replay, undo
from worker.replay.status import Progress, State, progress
from worker.replay.stream import Stream
from worker.settings import Settings
from worker.supervisor.aws import clients

NEEDED: Final = ("region", "endpoint_url", "application", "stream", "rows_table")
LOOKS: Final = ("region", "endpoint_url", "application", "stream")
RECORDS_PER_SECOND: Final = 2000.0
WAIT_SECONDS: Final = 2.0

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress is on stderr.")


@click.group("replay", invoke_without_command=True)
@click.option("--from-start", is_flag=True, help="From the oldest record that the stream keeps.")
@click.option("--from-timestamp", metavar="TIME", help="From a time, 2026-01-31T12:00:00Z, or from so long ago, 1h30m.")
@click.option("--from-sequence", multiple=True, metavar="SHARD=NUMBER", help="From a record; also NUMBER with --shard.")
@click.option("--shard", "shards", multiple=True, help="Only this shard and what descends from it. May be repeated.")
@click.option("--dry-run", is_flag=True, help="Show where each shard would begin, how much that is, and the lag.")
@click.option("--backup", "path", type=click.Path(path_type=Path), help="File for the leases as they were.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Show the progress until the workers are where they were.")
@click.option(
    "--records-per-second",
    default=RECORDS_PER_SECOND,
    show_default=True,
    type=click.FloatRange(min=1),
    help="What a shard's worker is thought to replay; for the estimate only.",
)
@_json_option
@BESIDE_OPTIONS
@click.pass_context
@one_line_errors("replay")
def replay(context: click.Context, /, **options: Any) -> None:
    """Let the workers read the stream again from a point on, or (--beside) read it again beside them.

    Checkpoints go back on the live fleet: nothing has to be stopped, and nothing is skipped. What is stored already is
    only looked at. New changes wait until the shard has caught up; with --beside they do not.
    Settings come from the environment, as the worker's.

    Exit codes: 0 done, 1 not, because it was not confirmed or is not finished, 2 refused or could not be done.
    """
    if context.invoked_subcommand:
        return
    now = time.time_ns() // 1_000_000
    start, moment, numbers = (options.pop(name) for name in ("from_start", "from_timestamp", "from_sequence"))
    options["asked"] = [start, moment, sorted(numbers)]
    request = parse_request(start, moment, numbers, options.pop("shards"), now)
    check_beside_options(options)
    if options["beside"]:
        beside(request, now, options)
    else:
        _reset(request, options)


def _reset(request: Request, options: dict[str, Any]) -> None:
    settings = operator_settings(os.environ, NEEDED)
    found = clients(settings)
    speed, as_json = options["records_per_second"], options["as_json"]
    run = _replay(settings, found, as_json=as_json)
    outlook = run.look(request)
    check_horizon(horizon_millis(found.dynamodb, settings.rows_table), outlook.oldest_millis, "the replay")
    if not as_json:
        report.print_outlook(request, outlook, speed, Console())
    said = report.outlook_json(request, outlook, speed)
    if options["dry_run"] or not outlook.plan.changes:
        _say(said, as_json, "nothing is changed" if options["dry_run"] else "nothing to read again")
        raise SystemExit(EXIT_DONE)
    if not _confirmed(outlook, options):
        _say(said, as_json, "nothing is changed; add --yes")
        raise SystemExit(EXIT_NOT_ALL)
    path = options["path"] or Path(f"nearview-replay-{settings.application}-{_stamp(outlook.now_millis)}.json")
    saved = run.apply(path, run.save(path, request, outlook, settings.region), outlook)
    _say({**said, **report.started_json(saved, str(path))}, as_json, f"{len(saved.leases)} leases are reset")
    if not as_json:
        click.echo(f"progress: nearview replay status {path}\nback:     nearview replay undo {path}")
    if options["wait"]:
        _wait(run, saved)


def _replay(settings: Settings, found: Any, *, as_json: bool) -> Replay:
    console = Console(stderr=True)

    def told(line: str) -> None:
        if console.is_terminal and not as_json:
            console.print(line, highlight=False)

    return Replay(
        Stream(found.kinesis, settings.stream),
        LeaseRows(found.dynamodb, settings.application),
        lambda: time.time_ns() // 1_000_000,
        told,
    )


def _confirmed(outlook: Outlook, options: dict[str, Any]) -> bool:
    if options["yes"]:
        return True
    if options["as_json"] or not sys.stdin.isatty():
        return False
    return click.confirm(f"Reset {len(outlook.plan.changes)} leases?")


def _say(found: dict[str, Any], as_json: bool, line: str) -> None:
    click.echo(json.dumps(found, indent=1) if as_json else line)


def _stamp(millis: int) -> str:
    return instant(millis)[:19].replace(":", "").replace("-", "") + "Z"


@replay.command("status")
@click.argument("path", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--wait", is_flag=True, help="Show the progress until it is done.")
@_json_option
@one_line_errors("replay")
def status_command(path: Path, wait: bool, as_json: bool) -> None:
    """Show how far the replay of a backup has come, and when it may be done.

    Exit codes: 0 every shard is where it was, 1 not yet, 2 could not look.
    """
    saved, run = _opened(path)
    if wait:
        _wait(run, saved)
    found = _progress(run, saved)
    if as_json:
        click.echo(json.dumps(report.progress_json(found), indent=1))
    else:
        report.print_progress(saved, found, Console())
    raise SystemExit(EXIT_DONE if found.done else EXIT_NOT_ALL)


@replay.command("undo")
@click.argument("path", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show which checkpoints would be set.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json_option
@one_line_errors("replay")
def undo_command(path: Path, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Put the checkpoints back to where a replay found them. Nothing is skipped: all up to there had been done.

    A shard that has come so far again stays as it is.

    Exit codes: 0 done, 1 not, because it was not confirmed, 2 could not be done.
    """
    saved, run = _opened(path)
    before = _progress(run, saved)
    behind = [shard.shard for shard in before.shards if shard.state in (State.WAITING, State.READING)]
    targets = {lease.shard: lease.undo.checkpoint for lease in saved.leases if lease.shard in behind and lease.undo}
    if not as_json:
        for shard, checkpoint in targets.items():
            click.echo(f"{shard} goes back to {checkpoint}")
    sure = yes or (not as_json and sys.stdin.isatty() and not dry_run and click.confirm(f"Set {len(targets)} leases?"))
    if dry_run or not sure:
        _say({"would_set": targets, "set": {}}, as_json, "nothing is changed" + ("" if dry_run else "; add --yes"))
        raise SystemExit(EXIT_DONE if dry_run else EXIT_NOT_ALL)
    done = undo(run.leases, saved)
    _say({"would_set": targets, "set": done}, as_json, f"{sum(done.values())} checkpoints are put back")


def _opened(path: Path) -> tuple[Backup, Replay]:
    saved = backup.read(path)
    settings = operator_settings(os.environ, LOOKS)
    here = (settings.application, settings.stream, settings.region)
    if here != (saved.application, saved.stream, saved.region):
        raise FatalError(f"{path} is of {saved.application} on {saved.stream} in {saved.region}, the settings are not")
    return saved, _replay(settings, clients(settings), as_json=True)


def _progress(run: Replay, saved: Backup) -> Progress:
    def arrival(shard: str, position: Position) -> int | None:
        return run.stream.arrival(shard, position.checkpoint)

    return progress(saved, run.leases.rows(), run.now_millis(), arrival)


def _wait(run: Replay, saved: Backup) -> None:
    console = Console(stderr=True)
    while True:
        found = _progress(run, saved)
        console.print(report.progress_line(found), highlight=False)
        if found.done:
            return
        time.sleep(WAIT_SECONDS)
