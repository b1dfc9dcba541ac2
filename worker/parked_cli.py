"""`nearview parked` on the command line. Errors take one line on stderr; payloads are shown only when asked for."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Final, NoReturn

import click

from worker import parked_report as report
from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors, operator_settings
from worker.parked import Again, Parked, entry_id
from worker.parking import ParkedItem, Parking
from worker.pipeline import REFRESH_SECONDS
from worker.records.errors import Reason
from worker.settings import Settings
from worker.store.dynamodb import dynamodb_client

LOOKS: Final = ("region", "endpoint_url", "parked_table", "documents_table")
DECODES: Final = (
    "mappings",
    "before_image_field",
    "before_column_prefix",
    "before_column_suffix",
    "source_engine",
    "change_sequence_column",
    "token_key",
    "token_key_file",
    "token_key_id",
)
RETRIES: Final = (*LOOKS, "rows_table", *DECODES)

_told = one_line_errors("parked")


@click.group()
def parked() -> None:
    """Look at what could not be used, and bring it back.

    Settings come from the environment, as the worker's: AWS_REGION, NEARVIEW_PARKED_TABLE, NEARVIEW_DOCUMENTS_TABLE,
    and for a retry NEARVIEW_ROWS_TABLE, NEARVIEW_MAPPINGS and all that say how records are read, as the worker has
    them: NEARVIEW_BEFORE_..., NEARVIEW_SOURCE_ENGINE, NEARVIEW_CHANGE_SEQUENCE_COLUMN, NEARVIEW_TOKEN_KEY...

    Exit codes: 0 done, 1 not or not all of what was asked for, 2 nothing could be done (settings, rights, tables).
    """


def _open(settings: Settings) -> Parked:
    client = dynamodb_client(settings.region, settings.endpoint_url)
    return Parked(client, settings.parked_table, settings.documents_table)


_table_option = click.option("--table", metavar="SCHEMA.TABLE", help="Only of this table.")
_reason_option = click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]), help="Only with this reason."
)


@parked.command("list")
@click.option("--all", "every", is_flag=True, help="List every entry with its ID, not only counts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every entry.")
@_told
def list_command(every: bool, as_json: bool) -> None:
    """List parked tables, unknown tables, records and documents, without any payload.

    Exit codes: 0 listed (or nothing is parked), 2 could not look.
    """
    place = _open(operator_settings(os.environ, LOOKS))
    items, documents = place.items(), place.documents()
    if as_json:
        click.echo(json.dumps(report.as_json(items, documents), indent=1))
        return
    if not items and not documents:
        click.echo("nothing is parked")
        return
    report.print_tables(items)
    if every:
        report.print_entries(items, documents)
    else:
        report.print_counts(items, documents)


@parked.command("show")
@click.argument("entry", metavar="ID")
@click.option("--show-payload", is_flag=True, help="The record itself, or a document's last good state: business data.")
@_told
def show_command(entry: str, show_payload: bool) -> None:
    """Show one entry; ID as `list --all` prints it, or a document's `aggregate#key`.

    Exit codes: 0 shown, 1 there is no such entry, 2 could not look.
    """
    place = _open(operator_settings(os.environ, LOOKS))
    if "#" in entry:
        found = place.document(entry)
        if found is None:
            _not_found(f"no parked document {entry}")
        report.print_fields(report.document_fields(found[0]))
        if show_payload and found[0].has_body:
            click.echo(json.dumps(found[1], indent=1, default=str))
        return
    item = next((item for item in place.items() if entry_id(item) == entry), None)
    if item is None:
        _not_found(f"no entry {entry}; `nearview parked list --all` shows the IDs")
    report.print_fields(report.item_fields(item))
    if show_payload:
        data = place.payload(item)
        click.echo(
            "(the payload is incomplete)" if data is None else report.printable(data.decode(errors="backslashreplace"))
        )


@parked.command("release")
@click.argument("table", metavar="SCHEMA.TABLE")
@_told
def release_command(table: str) -> None:
    """Let a parked table go on, after the DMS setting that its records lacked was mended.

    The records that were parked meanwhile stay parked: the documents lack their changes until they are brought back.

    Exit codes: 0 released, 1 the table is not parked, 2 could not be done.
    """
    place = _open(operator_settings(os.environ, LOOKS))
    if not place.release(table):
        _not_found(f"{table} is not parked")
    click.echo(
        f"{table} is released; workers park what they read in the next {REFRESH_SECONDS:.0f} seconds: wait so long"
        " before you reload it"
    )
    waiting = sum(item.kind == "record" and item.table == table for item in place.items())
    if waiting:
        click.echo(
            f"{report.records(waiting)} of it stay parked: documents lack their changes.\n"
            f"  nearview parked retry --table {table}    uses those that are complete\n"
            "what stays then lacks for ever what the setting now adds: load the table again in a raised incarnation,\n"
            "  nearview incarnation raise           first, or the load replaces no row that a change has written\n"
            f"  nearview parked discard --table {table}  afterwards forgets those records"
        )


@parked.command("retry")
@_table_option
@_reason_option
@click.option("--dry-run", is_flag=True, help="Only count what would be tried.")
@_told
def retry_command(table: str | None, reason: str | None, dry_run: bool) -> None:
    """Feed parked records through the worker's own pipeline once more.

    An entry is deleted only when its change is durable. Records of a table that is parked stay. Versions keep what is
    newer, so it may be repeated, and workers may run meanwhile.

    Exit codes: 0 none of the chosen records is parked any more, 1 some are, 2 nothing could be tried.
    """
    from worker.compose import build_retry

    settings = operator_settings(os.environ, RETRIES)
    place = _open(settings)
    items = place.items()
    stopped = {item.table for item in items if item.kind == "table"}
    chosen = [item for item in items if item.kind == "record" and _matches(item, table, reason)]
    waiting = [item for item in chosen if item.table in stopped]
    ready = [item for item in chosen if item.table not in stopped]
    for name, count in Counter(item.table for item in waiting).items():
        click.echo(f"{report.records(count)} of {name} held back: the table is parked (nearview parked release {name})")
    if dry_run:
        click.echo(
            f"{report.records(len(ready))} would be tried{report.by_reason(Counter(item.reason for item in ready))}"
        )
        raise SystemExit(EXIT_NOT_ALL if chosen else EXIT_DONE)
    stayed: Counter[str] = Counter()
    if ready:
        client = dynamodb_client(settings.region, settings.endpoint_url)
        again = Again(Parking(client, settings.parked_table, Log("error")))
        pipeline = build_retry(settings, again, Log("warning"))
        stayed.update(result.reason for result in place.retry(ready, pipeline, again) if result.reason)
    used = len(ready) - stayed.total()
    click.echo(
        f"{report.records(len(ready))} tried: {used:,} used, {stayed.total():,} stay parked{report.by_reason(stayed)}"
    )
    raise SystemExit(EXIT_NOT_ALL if stayed or waiting else EXIT_DONE)


@parked.command("discard")
@_table_option
@_reason_option
@click.option("--id", "entry", metavar="ID", help="Only this entry.")
@click.option("--all", "every", is_flag=True, help="All records and notes of unknown tables.")
@click.option("--yes", is_flag=True, help="Really delete them.")
@_told
def discard_command(table: str | None, reason: str | None, entry: str | None, every: bool, yes: bool) -> None:
    """Delete parked records and notes of unknown tables. Their changes are lost, unless the table is reloaded.

    Parked tables are not deleted (see release), nor are documents: they leave the list at their next good change.

    Exit codes: 0 deleted (or there was nothing), 1 nothing was deleted because --yes is missing, 2 could not be done.
    """
    if not (table or reason or entry or every):
        raise click.UsageError("choose what to discard: --table, --reason, --id or --all")
    place = _open(operator_settings(os.environ, LOOKS))
    chosen = [
        item
        for item in place.items()
        if item.kind != "table" and _matches(item, table, reason) and entry in (None, entry_id(item))
    ]
    what = f"entries chosen: {len(chosen):,}{report.by_reason(Counter(item.reason for item in chosen))}"
    if chosen and not yes:
        click.echo(f"{what}; add --yes to discard them")
        raise SystemExit(EXIT_NOT_ALL)
    place.remove(chosen)
    click.echo(f"{what}; discarded")


def _matches(item: ParkedItem, table: str | None, reason: str | None) -> bool:
    return table in (None, item.table) and reason in (None, item.reason)


def _not_found(line: str) -> NoReturn:
    click.echo(f"nearview parked: {line}", err=True)
    raise SystemExit(EXIT_NOT_ALL)
