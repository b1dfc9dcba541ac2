"""`nearview status` on the command line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.live import Live

from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors, operator_settings
from worker.parked.commands import Parked
from worker.patience import Patience
from worker.replay.lease_rows import LeaseRows
from worker.replay.stream import Stream
from worker.settings import Settings
from worker.source_notes import SourceNotes
from worker.source_settings import read_mapping
from worker.status.look import Looker, Sources
from worker.status.show import render
from worker.status.tables import operator_store
from worker.supervisor.aws import clients
from worker.supervisor.leases import LeaseTables

NEEDED: Final = (
    *("region", "endpoint_url", "application", "stream", "rows_table", "documents_table", "parked_table"),
    *("mappings", "heartbeat_table"),
)
ATTEMPTS: Final = 5


@click.command("status")
@click.option("--once", is_flag=True, help="Look once; without it the table is renewed until Ctrl-C, in a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and end.")
@click.option(
    "--worker", "urls", multiple=True, metavar="URL", help="Ask this worker, too: health, retries; repeatable."
)
@click.option("--no-stream", is_flag=True, help="Do not read the stream: lags in records and time stay unknown.")
@click.option(
    "--interval", default=5.0, show_default=True, type=click.FloatRange(min=1), help="Seconds between two looks."
)
@one_line_errors("status")
def status(once: bool, as_json: bool, urls: tuple[str, ...], no_stream: bool, interval: float) -> None:
    """Show shards and their owners, how far everything is, what is parked, due, hot and in need of somebody.

    Settings come from the environment, as the worker's. It reads the lease table, a few records of each shard, the
    workers' marks and the parking table, and changes nothing.

    Exit codes: 0 nothing needs attention, 1 something does, 2 could not look.
    """
    looker = Looker(_sources(operator_settings(os.environ, NEEDED), urls, read_stream=not no_stream))
    if as_json:
        found = looker.look()
        click.echo(json.dumps(found.as_json(), indent=1))
        raise SystemExit(EXIT_NOT_ALL if found.problems else EXIT_DONE)
    console = Console()
    if once or not console.is_terminal:
        found = looker.look()
        console.print(render(found))
        raise SystemExit(EXIT_NOT_ALL if found.problems else EXIT_DONE)
    _watch(looker, console, interval)


def _sources(settings: Settings, urls: tuple[str, ...], *, read_stream: bool) -> Sources:
    found = clients(settings)
    log = Log("error")
    return Sources(
        leases=LeaseRows(found.dynamodb, settings.application),
        lease_tables=LeaseTables(found.dynamodb, settings.application),
        store=operator_store(settings),
        parked=Parked(found.dynamodb, settings.parked_table, settings.documents_table),
        notes=SourceNotes(found.dynamodb, settings.parked_table, Patience("the parking table", log, attempts=ATTEMPTS)),
        mapping=read_mapping(Path(settings.mappings)),
        application=settings.application,
        stream_name=settings.stream,
        stream=Stream(found.kinesis, settings.stream) if read_stream else None,
        heartbeat_table=settings.heartbeat_table,
        urls=[url.rstrip("/") for url in urls],
    )


def _watch(looker: Looker, console: Console, interval: float) -> None:
    found = looker.look()
    try:
        with Live(
            render(found), console=console, screen=False, auto_refresh=False, vertical_overflow="visible"
        ) as live:
            while True:
                time.sleep(interval)
                found = looker.look()
                live.update(render(found), refresh=True)
    except KeyboardInterrupt:
        raise SystemExit(EXIT_NOT_ALL if found.problems else EXIT_DONE) from None
