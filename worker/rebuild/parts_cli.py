"""`nearview sweep-parts` on the command line."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Final

import click

from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors, operator_settings
from worker.pace import Pace
from worker.patience import Patience
from worker.rebuild.parts import Parts, look_for_parts
from worker.rebuild.scan import PartScan
from worker.rebuild.stored_format import claim_patiently
from worker.store.dynamodb import dynamodb_client
from worker.store.engine import engine_store

NEEDED: Final = ("region", "endpoint_url", "rows_table", "documents_table", "log_level")
DEFAULT_PER_SECOND: Final = 100.0
ATTEMPTS: Final = 20
TOLD_EVERY: Final = 10_000


@click.command("sweep-parts")
@click.option("--yes", is_flag=True, help="Delete those left over; without it they are only counted.")
@click.option(
    "--per-second",
    default=DEFAULT_PER_SECOND,
    show_default=True,
    type=click.FloatRange(min=1),
    metavar="NUMBER",
    help="Look at so many documents with parts a second.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr.")
@one_line_errors("sweep-parts")
def sweep_parts_command(yes: bool, per_second: float, as_json: bool) -> None:
    """Count documents too large for one item, and find parts that belong to none.

    A worker that dies between writing parts and the document leaves them. The next write of the document mostly removes
    them; what is left takes room and is found by no reader. Reads the whole documents table, beside live traffic.

    Exit codes: 0 none is left over, 1 some are that --yes would delete, 2 could not run.
    """
    settings = operator_settings(os.environ, NEEDED)
    log = Log(settings.log_level)
    client = dynamodb_client(settings.region, settings.endpoint_url)
    if yes:
        claim_patiently(client, settings.rows_table, log, ATTEMPTS)
    scan = PartScan(client, settings.documents_table, Patience("the documents table", log, attempts=ATTEMPTS))
    store = engine_store(settings.region, settings.endpoint_url, settings.rows_table, settings.documents_table, log)
    try:
        found = look_for_parts(scan, store, Pace(per_second), Tell(), delete=yes)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps({**asdict(found), "deleted": found.left_over if yes else 0}, indent=1))
    else:
        _print(found, deleted=yes)
    sys.exit(EXIT_NOT_ALL if found.left_over and not yes else EXIT_DONE)


class Tell:
    """Prints a line now and then."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, found: Parts) -> None:
        """What was found so far."""
        if found.examined >= self._told + TOLD_EVERY:
            self._told = found.examined
            click.echo(f"{found.examined:,} items looked at, {found.documents:,} documents have parts", err=True)


def _print(found: Parts, *, deleted: bool) -> None:
    click.echo(
        f"{found.documents:,} documents have {found.parts - found.left_over:,} parts; the largest takes"
        f" {found.largest_bytes:,} bytes"
    )
    verb = "deleted" if deleted else "would be deleted"
    click.echo(f"{found.left_over:,} parts belong to none and {verb}" if found.left_over else "no part is left over")
