"""`nearview incarnation` and `nearview drift`: what is noted about the source database."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from worker.drift_report import findings
from worker.instants import instant
from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, fail, one_line_errors, operator_settings
from worker.patience import Patience
from worker.pipeline import REFRESH_SECONDS
from worker.records.incarnations import FIRST, LAST
from worker.settings import Settings
from worker.source_notes import SourceNotes
from worker.source_settings import read_mapping
from worker.store.dynamodb import dynamodb_client

LOOKS: Final = ("region", "endpoint_url", "parked_table")
ATTEMPTS: Final = 5
RESUME_AFTER_SECONDS: Final = 3 * REFRESH_SECONDS
"""By then every worker has read the list; the rest is for clocks that differ."""

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@click.group()
def incarnation() -> None:
    """Tell of a source whose log has started anew: after a restore, a failover, before a reload.

    Settings come from the environment, as the worker's: AWS_REGION and NEARVIEW_PARKED_TABLE.
    """


@incarnation.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@one_line_errors("incarnation")
def list_command(as_json: bool) -> None:
    """List the incarnations and from which record on each holds.

    Exit codes: 0 listed, 2 could not look.
    """
    raised = _notes(operator_settings(os.environ, LOOKS)).raised()
    if as_json:
        click.echo(json.dumps([{**asdict(entry), "from": instant(entry.from_micros)} for entry in raised], indent=1))
        return
    click.echo(f"incarnation {FIRST} holds from the beginning")
    for entry in raised:
        why = f": {entry.why}" if entry.why else ""
        click.echo(
            f"incarnation {entry.number} holds for records built from {instant(entry.from_micros)} on"
            f" (raised {entry.raised_at}{why})"
        )


@incarnation.command("raise")
@click.option(
    "--from",
    "start",
    metavar="TIMESTAMP",
    help="The `metadata.timestamp` from which on it holds; now if left out.",
)
@click.option("--reason", "why", default="", help="Why, for those who read the list.")
@click.option("--yes", is_flag=True, help="Really do it; the DMS task is stopped.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@one_line_errors("incarnation")
def raise_command(start: str | None, why: str, yes: bool, as_json: bool) -> None:
    """Append an incarnation. Only while the DMS task is stopped; workers may run.

    Exit codes: 0 appended, 1 not, because --yes is missing, 2 refused or could not be done.
    """
    notes = _notes(operator_settings(os.environ, LOOKS))
    now = datetime.datetime.now(datetime.UTC)
    moment = now if start is None else _moment(start)
    micros = _micros(moment)
    raised = notes.raised()
    number = FIRST + 1 + len(raised)
    if number > LAST:
        fail("incarnation", f"there cannot be more than {LAST} incarnations")
    if raised and micros <= raised[-1].from_micros:
        fail("incarnation", f"--from must be later than {instant(raised[-1].from_micros)}, where the newest one begins")
    if yes and not notes.raise_incarnation(micros, why):
        fail("incarnation", "somebody else has just raised it; look at `nearview incarnation list`")
    resume = max(now + datetime.timedelta(seconds=RESUME_AFTER_SECONDS), moment)
    if as_json:
        told = {"number": number, "from": instant(micros), "resume_after": instant(_micros(resume)), "raised": yes}
        click.echo(json.dumps(told))
    else:
        click.echo(
            f"incarnation {number} {'holds' if yes else 'would hold'} for records built from {instant(micros)} on"
        )
        click.echo(
            f"the DMS task may be resumed from {instant(_micros(resume))} on"
            if yes
            else "nothing is changed; stop the DMS task, then add --yes"
        )
    raise SystemExit(EXIT_DONE if yes else EXIT_NOT_ALL)


@click.command()
@click.option("--table", metavar="SCHEMA.TABLE", help="Only of this table.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@one_line_errors("drift")
def drift(table: str | None, as_json: bool) -> None:
    """List columns that appeared, vanished or changed their type, and the mappings that use them.

    Settings come from the environment, as the worker's: AWS_REGION, NEARVIEW_PARKED_TABLE and NEARVIEW_MAPPINGS.

    Exit codes: 0 no mapping uses a column that is gone or of another type, 1 one does, 2 could not look.
    """
    settings = operator_settings(os.environ, (*LOOKS, "mappings"))
    mapping = read_mapping(Path(settings.mappings))
    ledgers = _notes(settings).ledgers()
    found = findings({name: ledger for name, ledger in ledgers.items() if table in (None, name)}, mapping)
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in found], indent=1))
    elif not found:
        click.echo("no drift")
    for finding in () if as_json else found:
        at = f" at {finding.drift.position}" if finding.drift.position else ""
        click.echo(f"{finding.at}  {finding.table}  {finding.drift.text}{at}")
        if finding.uses:
            click.echo(f"    {'used by' if finding.open else 'since mended, used by'} {', '.join(finding.uses)}")
    raise SystemExit(EXIT_NOT_ALL if any(finding.open for finding in found) else EXIT_DONE)


def _notes(settings: Settings) -> SourceNotes:
    client = dynamodb_client(settings.region, settings.endpoint_url)
    return SourceNotes(client, settings.parked_table, Patience("the parking table", Log("error"), attempts=ATTEMPTS))


def _moment(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        fail("incarnation", f"--from {text} is not a time like 2026-01-31T12:00:00Z")
    if moment.tzinfo is None:
        fail("incarnation", f"--from {text} names no time zone: add Z for UTC")
    if moment < _EPOCH:
        fail("incarnation", f"--from {text} is before 1970")
    return moment


def _micros(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)
