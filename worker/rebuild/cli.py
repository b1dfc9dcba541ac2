"""`nearview rebuild` and `nearview sweep` on the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from contract.mapping import Aggregate, Mapping
from worker.errors import FatalError, SettingsError
from worker.log import Log
from worker.mapping.loader import load_mappings
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, fail, one_line_errors, operator_settings
from worker.pace import Pace
from worker.patience import Patience
from worker.projection.generations import NewerGeneration
from worker.projection.operations import TableName
from worker.projection.plan import Plan, make_plan
from worker.rebuild.run import Rebuild, Result
from worker.rebuild.scan import RowScan
from worker.rebuild.state import COVERING, Progress
from worker.rebuild.sweep import Swept, sweep
from worker.settings import Settings
from worker.source_notes import SourceNotes
from worker.store.dynamodb import CALLS_IN_FLIGHT, DynamoStore, dynamodb_client
from worker.store.lean import LeanDynamoDB

NEEDED: Final = ("region", "endpoint_url", "rows_table", "documents_table", "parked_table", "mappings")
DEFAULT_PER_SECOND: Final = 500.0
ATTEMPTS: Final = 20

_rate_option = click.option(
    "--per-second", default=DEFAULT_PER_SECOND, show_default=True, type=click.FloatRange(min=1), metavar="NUMBER"
)


@click.command("rebuild")
@click.argument("aggregates", nargs=-1, metavar="AGGREGATE...")
@click.option("--all", "every", is_flag=True, help="Every aggregate of the mappings.")
@click.option("--restart", is_flag=True, help="Begin anew instead of going on where an unfinished run stopped.")
@_rate_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr.")
@one_line_errors("rebuild")
def rebuild(aggregates: tuple[str, ...], every: bool, restart: bool, per_second: float, as_json: bool) -> None:
    """Rebuild the documents of aggregates from the row store, beside live traffic.

    Run it after workers with a changed mapping are deployed: it stops workers of the older generation, puts the edges
    of new relations, then rebuilds every document at most --per-second a second. Stopped, it goes on where it was.
    Settings come from the environment, as the worker's.

    Exit codes: 0 every document is rebuilt, 1 some are parked or need rows to be loaded again, 2 could not run.
    """
    settings = operator_settings(os.environ, NEEDED)
    mapping = _mapping(settings)
    chosen = _chosen(mapping, aggregates, every=every)
    plan, store, scan = _open(settings, mapping)
    results: dict[str, Result] = {}
    try:
        for aggregate in chosen:
            run = Rebuild(plan, store, scan, Pace(per_second), _teller(aggregate))
            results[aggregate.name] = run.run(aggregate, restart=restart)
    except NewerGeneration as error:
        raise FatalError(str(error)) from None
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps({name: _as_json(result) for name, result in results.items()}, indent=1))
    else:
        for name, result in results.items():
            _print(name, result)
    sys.exit(EXIT_NOT_ALL if any(r.parked or r.waiting or r.lacking for r in results.values()) else EXIT_DONE)


@click.command("sweep")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.TABLE...")
@click.option("--dry-run", is_flag=True, help="Only count.")
@_rate_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@one_line_errors("sweep")
def sweep_command(tables: tuple[str, ...], dry_run: bool, per_second: float, as_json: bool) -> None:
    """After a reload in a raised incarnation: remove rows that the reload did not bring.

    Run it once every shard has passed the reload's last record (`nearview incarnation raise` before the reload).

    Exit codes: 0 swept, 2 could not run.
    """
    settings = operator_settings(os.environ, NEEDED)
    mapping = _mapping(settings)
    if unknown := sorted(set(tables) - mapping.tables.keys()):
        fail("sweep", f"no mapping uses the table {', '.join(unknown)}")
    client = dynamodb_client(settings.region, settings.endpoint_url)
    patience = Patience("the parking table", Log(settings.log_level), attempts=ATTEMPTS)
    raised = SourceNotes(client, settings.parked_table, patience).raised()
    if not raised:
        fail("sweep", "no incarnation was raised, so nothing tells old rows from loaded ones: raise one, then reload")
    plan, store, scan = _open(settings, mapping)
    try:
        done = sweep(
            plan, store, scan, frozenset(tables), raised[-1].number, Pace(per_second), _tell_sweep, dry_run=dry_run
        )
    except NewerGeneration as error:
        raise FatalError(str(error)) from None
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(asdict(done), indent=1))
    else:
        what = "would be removed" if dry_run else "removed"
        click.echo(f"{done.gone:,} rows {what}, {done.documents_written:,} documents written")


def _mapping(settings: Settings) -> Mapping:
    mapping, problems = load_mappings(Path(settings.mappings))
    if mapping is None:
        raise SettingsError([str(problem) for problem in problems])
    return mapping


def _chosen(mapping: Mapping, names: tuple[str, ...], *, every: bool) -> list[Aggregate]:
    known = {aggregate.name: aggregate for aggregate in mapping.aggregates}
    if unknown := sorted(set(names) - known.keys()):
        fail("rebuild", f"no aggregate {', '.join(unknown)} in the mappings (known: {', '.join(known)})")
    if bool(names) == every:
        fail("rebuild", f"name the aggregates ({', '.join(known)}) or give --all")
    return [known[name] for name in (known if every else dict.fromkeys(names))]


def _open(settings: Settings, mapping: Mapping) -> tuple[Plan, DynamoStore, RowScan]:
    log = Log(settings.log_level)
    lean = LeanDynamoDB(settings.region, settings.endpoint_url, CALLS_IN_FLIGHT)
    tables = {TableName.ROWS: settings.rows_table, TableName.DOCUMENTS: settings.documents_table}
    client = dynamodb_client(settings.region, settings.endpoint_url)
    scan = RowScan(client, settings.rows_table, Patience("the rows table", log, attempts=ATTEMPTS))
    return make_plan(mapping), DynamoStore(lean, tables, log), scan


def _teller(aggregate: Aggregate) -> Callable[[Progress], None]:
    console = Console(stderr=True)

    def tell(progress: Progress) -> None:
        if progress.phase == COVERING:
            text = f"{progress.scanned:,} items looked at, {progress.covered:,} rows got edges"
        else:
            text = f"{progress.documents:,} documents rebuilt, {progress.written:,} of them written"
        console.print(f"{aggregate.name}: {progress.phase}: {text}", highlight=False)

    return tell


def _tell_sweep(done: Swept) -> None:
    click.echo(f"{done.examined:,} items looked at, {done.gone:,} rows are gone", err=True)


def _as_json(result: Result) -> dict[str, Any]:
    counts = {key: value for key, value in asdict(result.progress).items() if key not in ("after", "digest")}
    lacking = [{"table": table, "column": column, "rows": n} for (table, column), n in sorted(result.lacking.items())]
    return {**counts, "parked": result.parked, "waiting": result.waiting, "reload": lacking}


def _print(name: str, result: Result) -> None:
    progress = result.progress
    click.echo(
        f"{name}: {progress.documents:,} documents rebuilt, {progress.written:,} written, {result.parked:,} parked,"
        f" {progress.covered:,} rows got edges"
    )
    for (table, column), rows in sorted(result.lacking.items()):
        click.echo(f"{name}: {rows:,} rows of {table} have no {column} yet: no mapping kept it; load the table again")
