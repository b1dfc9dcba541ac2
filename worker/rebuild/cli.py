"""`nearview rebuild` and `nearview sweep` on the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from contract.mapping import Aggregate, Mapping
from worker.errors import FatalError
from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, fail, one_line_errors, operator_settings
from worker.pace import Pace
from worker.patience import Patience
from worker.projection.generations import NewerGeneration
from worker.projection.plan import Plan, make_plan
from worker.rebuild.run import Rebuild, Result
from worker.rebuild.scan import DocumentScan, RowScan
from worker.rebuild.state import COVERING, TAKING_OVER, Progress
from worker.rebuild.stored_format import claim_patiently
from worker.rebuild.sweep import Found, Holders, Swept, look, sweep
from worker.records.errors import TableLacks
from worker.settings import Settings
from worker.source_notes import SourceNotes
from worker.source_settings import read_mapping
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.store.engine import engine_store

NEEDED: Final = (
    *("region", "endpoint_url", "rows_table", "documents_table", "parked_table", "mappings"),
    "max_document_bytes",
)
DEFAULT_PER_SECOND: Final = 500.0
ATTEMPTS: Final = 20

_rate_option = click.option(
    "--per-second", default=DEFAULT_PER_SECOND, show_default=True, type=click.FloatRange(min=1), metavar="NUMBER"
)


@click.command("rebuild")
@click.argument("aggregates", nargs=-1, metavar="AGGREGATE...")
@click.option("--all", "every", is_flag=True, help="Every aggregate of the mappings.")
@click.option("--restart", is_flag=True, help="Begin anew instead of going on where an unfinished run stopped.")
@click.option("--edges", is_flag=True, help="Put every edge again: of rows that a replication brought, in no order.")
@_rate_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr.")
@one_line_errors("rebuild")
def rebuild(
    aggregates: tuple[str, ...], every: bool, restart: bool, edges: bool, per_second: float, as_json: bool
) -> None:
    """Rebuild the documents of aggregates from the row store, beside live traffic.

    Run it after workers with a changed mapping are deployed: it stops workers of the older generation, puts the edges
    of new relations, then rebuilds every document at most --per-second a second. Stopped, it goes on where it was.
    Settings come from the environment, as the worker's.

    Exit codes: 0 every document is rebuilt, 1 some are parked or need rows to be loaded again, 2 could not run.
    """
    settings = operator_settings(os.environ, NEEDED)
    mapping = read_mapping(Path(settings.mappings))
    chosen = _chosen(mapping, aggregates, every=every)
    results: dict[str, Result] = {}
    with _opened(settings, mapping) as (plan, store, scan, documents):
        for aggregate in chosen:
            run = Rebuild(plan, store, scan, Pace(per_second), _teller(aggregate), documents, edges)
            results[aggregate.name] = run.run(aggregate, restart=restart)
    if as_json:
        click.echo(json.dumps({name: _as_json(result) for name, result in results.items()}, indent=1))
    else:
        for name, result in results.items():
            _print(name, result)
    sys.exit(EXIT_NOT_ALL if any(r.parked or r.waiting or r.lacking for r in results.values()) else EXIT_DONE)


@click.command("sweep")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.TABLE...")
@click.option("--yes", is_flag=True, help="Remove them; without it they are only counted.")
@click.option("--empty", multiple=True, metavar="SCHEMA.TABLE", help="A table that the source has empty now.")
@_rate_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@one_line_errors("sweep")
def sweep_command(tables: tuple[str, ...], yes: bool, empty: tuple[str, ...], per_second: float, as_json: bool) -> None:
    """After a reload in a raised incarnation: remove rows that the reload did not bring.

    Run it once every shard has passed the reload's last record (`nearview incarnation raise` before the reload). A
    table of which nothing was loaded in the newest incarnation is refused: all of it would go.

    Exit codes: 0 swept or nothing to sweep, 1 rows counted that --yes would remove, 2 could not run.
    """
    settings = operator_settings(os.environ, NEEDED)
    mapping = read_mapping(Path(settings.mappings))
    chosen = frozenset(tables)
    if unknown := sorted((chosen | {*empty}) - mapping.tables.keys()):
        fail("sweep", f"no mapping uses the table {', '.join(unknown)}")
    incarnation = _newest_incarnation(settings)
    with _opened(settings, mapping) as (plan, store, scan, documents):
        found = look(scan, chosen, incarnation, Holders(plan, documents))
        if unloaded := [name for name, rows in found.items() if rows.gone and not rows.loaded and name not in empty]:
            fail(
                "sweep",
                f"no row of {', '.join(unloaded)} was loaded in incarnation {incarnation}: reload first, or give"
                " --empty for a table that the source has empty",
            )
        # a sweep that was killed may have left documents behind, so it runs even if no row is left to remove
        held = Holders(plan, documents)
        done = sweep(plan, store, scan, chosen, incarnation, Pace(per_second), _tell_sweep, held) if yes else None
    _print_sweep(found, done, as_json=as_json)
    sys.exit(EXIT_NOT_ALL if done is None and any(rows.gone for rows in found.values()) else EXIT_DONE)


def _newest_incarnation(settings: Settings) -> int:
    client = dynamodb_client(settings.region, settings.endpoint_url)
    patience = Patience("the parking table", Log(settings.log_level), attempts=ATTEMPTS)
    raised = SourceNotes(client, settings.parked_table, patience).raised()
    if not raised:
        fail("sweep", "no incarnation was raised, so nothing tells old rows from loaded ones: raise one, then reload")
    return raised[-1].number


def _print_sweep(found: dict[str, Found], done: Swept | None, *, as_json: bool) -> None:
    if as_json:
        tables = {name: asdict(rows) for name, rows in found.items()}
        click.echo(json.dumps({"tables": tables, "swept": asdict(done) if done else None}, indent=1))
        return
    if done is not None:
        click.echo(f"{done.gone:,} rows removed, {done.documents_written:,} documents written")
        return
    for name, rows in found.items():
        click.echo(f"{name}: {rows.gone:,} rows would be removed, {rows.loaded:,} were loaded or changed since")


def _chosen(mapping: Mapping, names: tuple[str, ...], *, every: bool) -> list[Aggregate]:
    known = {aggregate.name: aggregate for aggregate in mapping.aggregates}
    if unknown := sorted(set(names) - known.keys()):
        fail("rebuild", f"no aggregate {', '.join(unknown)} in the mappings (known: {', '.join(known)})")
    if bool(names) == every:
        fail("rebuild", f"name the aggregates ({', '.join(known)}) or give --all")
    return [known[name] for name in (known if every else dict.fromkeys(names))]


@contextmanager
def _opened(settings: Settings, mapping: Mapping) -> Iterator[tuple[Plan, DynamoStore, RowScan, DocumentScan]]:
    """The tables for one run; closed afterwards. That a newer mapping is at work becomes a FatalError."""
    log = Log(settings.log_level)
    client = dynamodb_client(settings.region, settings.endpoint_url)
    claim_patiently(client, settings.rows_table, log, ATTEMPTS)
    scan = RowScan(client, settings.rows_table, Patience("the rows table", log, attempts=ATTEMPTS))
    documents = DocumentScan(client, settings.documents_table, Patience("the documents table", log, attempts=ATTEMPTS))
    store = engine_store(
        settings.region,
        settings.endpoint_url,
        settings.rows_table,
        settings.documents_table,
        log,
        settings.conditional_writes,
    )
    try:
        yield make_plan(mapping, settings.max_document_bytes), store, scan, documents
    except (NewerGeneration, TableLacks) as error:
        raise FatalError(str(error)) from None
    finally:
        store.close()


def _teller(aggregate: Aggregate) -> Callable[[Progress], None]:
    """Prints a line after a page in which something was done; many pages hold nothing of one aggregate."""
    console = Console(stderr=True)
    last = Progress("")

    def tell(progress: Progress) -> None:
        nonlocal last
        before, last = last, progress
        if progress.phase in (TAKING_OVER, COVERING):
            text = f"{progress.scanned:,} items looked at, {progress.covered:,} rows got edges"
        elif progress.documents != before.documents:
            text = f"{progress.documents:,} documents looked at, {progress.written:,} of them written"
        else:
            return
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
        f"{name}: {progress.documents:,} documents looked at, {progress.written:,} written, {progress.covered:,} rows"
        " got edges"
    )
    if result.parked:
        click.echo(f"{name}: {result.parked:,} parked: they were not rebuilt and keep their last state")
    if result.waiting:
        click.echo(f"{name}: {result.waiting:,} wait for edges of their relations: run it again")
    for (table, column), rows in sorted(result.lacking.items()):
        click.echo(
            f"{name}: {rows:,} rows of {table} have no {column} yet, no mapping kept it: load the table again in a"
            " raised incarnation"
        )
