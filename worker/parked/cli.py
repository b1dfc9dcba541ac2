"""`nearview parked` on the command line. Errors take one line on stderr; payloads are shown only when asked for."""

from __future__ import annotations

import datetime
import json
import time
from collections import Counter
from typing import Any, Final, NoReturn

import click

from worker.operator_cli import EXIT_NOT_ALL, one_line_errors
from worker.parked import report
from worker.parked.choice import Choice, Duration, choice_options, chosen
from worker.parked.commands import Parked, ParkedDocument
from worker.parked.items import ParkedItem
from worker.parked.parking import ALL_SHARDS
from worker.parked.retry_cli import export_command, import_command, retry_command
from worker.parked.settings import KEYS, LOOKS, environment, open_parked
from worker.pipeline import REFRESH_SECONDS

ALLOWED_SECONDS: Final = 3600

_told = one_line_errors("parked")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def parked() -> None:
    """Look at what could not be used, and bring it back.

    Settings come from the environment, as the worker's: AWS_REGION, NEARVIEW_PARKED_TABLE, NEARVIEW_DOCUMENTS_TABLE,
    NEARVIEW_PARKED_KEY... for payloads, and for a retry NEARVIEW_ROWS_TABLE, NEARVIEW_MAPPINGS and all that say how
    records are read, as the worker has them: NEARVIEW_BEFORE_..., NEARVIEW_SOURCE_ENGINE,
    NEARVIEW_CHANGE_SEQUENCE_COLUMN, NEARVIEW_TOKEN_KEY...

    Exit codes: 0 done, 1 not or not all of what was asked for, 2 nothing could be done (settings, rights, tables).
    """


parked.add_command(retry_command)
parked.add_command(export_command)
parked.add_command(import_command)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _look(place: Parked, choice: Choice) -> tuple[list[ParkedItem], list[ParkedDocument]]:
    now = _now()
    return (
        [item for item in place.items() if choice.takes(item, now)],
        [document for document in place.documents() if choice.takes_document(document, now)],
    )


@parked.command("list")
@choice_options
@click.option("--all", "every", is_flag=True, help="List every entry with its ID, not only counts.")
@click.option("--show-payload", is_flag=True, help="Show the keys of documents, too: business data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every entry.")
@_told
def list_command(every: bool, show_payload: bool, as_json: bool, **options: Any) -> None:
    """List parked tables, unknown tables, records and documents, without any payload.

    Exit codes: 0 listed (or nothing is parked), 2 could not look.
    """
    place = open_parked(environment(LOOKS))
    items, documents = _look(place, chosen(options))
    allowed = {shard: until for shard, until in place.allowances().items() if until > time.time()}
    if as_json:
        until = {shard: report.instant(seconds) for shard, seconds in allowed.items()}
        click.echo(json.dumps(report.as_json(items, documents, keys=show_payload) | {"allowed": until}, indent=1))
        return
    report.print_allowed(allowed)
    if not items and not documents:
        click.echo("nothing is parked")
        return
    report.print_tables(items)
    if every:
        report.print_entries(items, documents, keys=show_payload)
    else:
        report.print_counts(items, documents)


@parked.command("show")
@click.argument("entry", metavar="ID")
@click.option("--show-payload", is_flag=True, help="The record itself, or a document's key and last good state.")
@_json_option
@_told
def show_command(entry: str, show_payload: bool, as_json: bool) -> None:
    """Show one entry; ID as `list --all` prints it, or a document's `aggregate#key`. A payload is business data.

    Exit codes: 0 shown, 1 there is no such entry, 2 could not look.
    """
    place = open_parked(environment((*LOOKS, *KEYS)))
    item = None if "#" in entry else next(iter(_look(place, Choice(ids=(entry,)))[0]), None)
    if item is not None:
        payload = place.payload(item) if show_payload else b""
        report.print_item(item, payload, show_payload=show_payload, as_json=as_json)
        return
    pk = entry if "#" in entry else next((found.pk for found in place.documents() if found.id == entry), "")
    found = place.document(pk) if pk else None
    if found is None:
        _not_found(f"no entry {entry}; `nearview parked list --all` shows the IDs")
    report.print_document(*found, show_payload=show_payload, as_json=as_json)


@parked.command("release")
@click.argument("table", metavar="SCHEMA.TABLE")
@_told
def release_command(table: str) -> None:
    """Let a parked table go on, after the DMS setting that its records lacked was mended.

    The records that were parked meanwhile stay parked: the documents lack their changes until they are brought back.

    Exit codes: 0 released, 1 the table is not parked, 2 could not be done.
    """
    place = open_parked(environment(LOOKS))
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


@parked.command("discard")
@choice_options
@click.option("--all", "every", is_flag=True, help="All records and notes of unknown tables.")
@click.option("--yes", is_flag=True, help="Really delete them.")
@click.option("--dry-run", is_flag=True, help="Only count them, as without --yes.")
@_json_option
@_told
def discard_command(every: bool, yes: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Delete parked records and notes of unknown tables. Their changes are lost, unless the table is reloaded.

    Parked tables are not deleted (see release), nor are documents: they leave the list at their next good change.

    Exit codes: 0 deleted (or there was nothing), 1 nothing was deleted because --yes is missing, 2 could not be done.
    """
    choice = chosen(options)
    if choice.is_empty and not every:
        raise click.UsageError("choose what to discard: --table, --reason, --shard, --kind, --id, --older or --all")
    place = open_parked(environment(LOOKS))
    found = [item for item in place.items() if item.kind != "table" and choice.takes(item, _now())]
    really = yes and not dry_run
    if really:
        for done in range(0, len(found), report.PROGRESS_EVERY):
            place.remove(found[done : done + report.PROGRESS_EVERY])
            report.tell_progress(done, len(found), "discarded")
    counts = Counter(item.reason for item in found)
    if as_json:
        click.echo(json.dumps({"chosen": len(found), "discarded": len(found) if really else 0, "reasons": counts}))
    else:
        asked = "; discarded" if really else "; add --yes to discard them" if found else "; discarded"
        click.echo(f"entries chosen: {len(found):,}{report.by_reason(counts)}{asked}")
    raise SystemExit(EXIT_NOT_ALL if found and not really else 0)


@parked.command("allow")
@click.argument("shards", nargs=-1, metavar="SHARD...")
@click.option("--all-shards", is_flag=True, help="Every shard of the stream.")
@click.option("--for", "seconds", type=Duration(), default="1h", show_default=True, metavar="AGE", help="For how long.")
@click.option("--withdraw", is_flag=True, help="Take it back.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@_json_option
@_told
def allow_command(
    shards: tuple[str, ...], all_shards: bool, seconds: int, withdraw: bool, dry_run: bool, as_json: bool
) -> None:
    """Let shards that hold go on and park more than NEARVIEW_PARKED_LIMIT. Workers notice within 5 seconds.

    A shard holds when very many of its records cannot be used: find out why before you allow it.

    Exit codes: 0 done, 2 could not be done.
    """
    if bool(shards) == all_shards:
        raise click.UsageError("name the shards, or give --all-shards")
    place = open_parked(environment(LOOKS))
    until = int(time.time()) + seconds
    for shard in shards or (ALL_SHARDS,):
        if dry_run:
            continue
        if withdraw:
            place.withdraw(shard)
        else:
            place.allow(shard, until)
    if as_json:
        click.echo(json.dumps({"shards": shards or [ALL_SHARDS], "until": None if withdraw else until}))
        return
    what = "the limit holds again" if withdraw else f"any number may be parked until {report.instant(until)}"
    click.echo(f"{', '.join(shards) or 'all shards'}: {what}{' (dry run)' if dry_run else ''}")


def _not_found(line: str) -> NoReturn:
    click.echo(f"nearview parked: {line}", err=True)
    raise SystemExit(EXIT_NOT_ALL)
