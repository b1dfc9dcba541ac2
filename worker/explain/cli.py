"""`nearview explain` on the command line."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import IO, Final

import click

from worker.errors import SettingsError
from worker.explain import report
from worker.explain.dry_run import Journal, of_changes, of_document, of_row
from worker.explain.record import Explained, explain_record
from worker.explain.tables import incarnations, open_store
from worker.operator_cli import fail, mappings_option, one_line_errors, operator_settings
from worker.parked.settings import DECODES
from worker.projection.generations import NewerGeneration
from worker.projection.plan import Plan, make_plan
from worker.records.errors import PoisonRecord, TableLacks
from worker.records.incarnations import Incarnations
from worker.records.protect import LEAST_KEY_BYTES
from worker.source_settings import read_mapping, source
from worker.store.memory import MemoryStore

EXIT_PARKED: Final = 1

KEY_SETTINGS: Final = ("NEARVIEW_TOKEN_KEY", "NEARVIEW_TOKEN_KEY_FILE", "NEARVIEW_TOKEN_KEY_SECRET")


@click.command()
@click.argument("record", required=False, type=click.File("rb"))
@click.option("--key", "document", metavar="AGGREGATE/KEY", help="Explain a document instead: what building it does.")
@click.option("--row", nargs=2, metavar="SCHEMA.TABLE KEY", help="Explain a stored row: what a change of it does.")
@click.option("--online", is_flag=True, help="Look at the real tables; nothing is written.")
@mappings_option
@click.option(
    "--regions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Regions of the documents table: each pays every write.",
)
@click.option("--values", is_flag=True, help="Show the row and the documents' bodies: business data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines and tables.")
@one_line_errors("explain")
def explain(
    record: IO[bytes] | None,
    document: str | None,
    row: tuple[str, str] | None,
    online: bool,
    mappings: Path,
    regions: int,
    values: bool,
    as_json: bool,
) -> None:
    """Explain a DMS record (a file, or - for standard input), a document, or a row.

    Shows the decoded change, where it stands in which aggregates, the documents it touches, every read and write of
    the engine, and the capacity units. It is a dry run: nothing is ever written. Without --online the tables are taken
    for empty; with it AWS_REGION, NEARVIEW_ROWS_TABLE, NEARVIEW_DOCUMENTS_TABLE and, for a record,
    NEARVIEW_PARKED_TABLE (it has the incarnations) say where they are.

    How records are read comes from the environment too, as the worker's: NEARVIEW_BEFORE_..., NEARVIEW_SOURCE_ENGINE,
    NEARVIEW_TOKEN_KEY... Without --online and without a key, tokens are those of a key made for the occasion.

    Exit codes: 0 explained, 1 the record would be parked, 2 nothing could be explained.
    """
    if sum((record is not None, document is not None, row is not None)) != 1:
        raise click.UsageError("give one of: a RECORD, --key, --row")
    if record is None and not online:
        raise click.UsageError("--key and --row look at stored items: add --online")
    try:
        limit = operator_settings(os.environ, ("max_document_bytes",)).max_document_bytes
        plan = make_plan(read_mapping(mappings), limit)
        explained = None if record is None else _record(record.read(), plan, online=online)
        journal = _stored(plan, document, row) if explained is None else _journal(plan, explained, online=online)
    except (PoisonRecord, TableLacks) as problem:
        click.echo(f"nearview explain: it would be parked: {problem}", err=True)
        raise SystemExit(EXIT_PARKED) from None
    except NewerGeneration as error:
        fail("explain", str(error))
    show = _show_json if as_json else _show
    show(explained, journal, regions, values)


def _record(data: bytes, plan: Plan, *, online: bool) -> Explained | str:
    environ = dict(os.environ)
    if not online and not any(environ.get(name) for name in KEY_SETTINGS):
        environ[KEY_SETTINGS[0]] = secrets.token_hex(LEAST_KEY_BYTES)
    read_as = source(operator_settings(environ, DECODES), plan.mapping)
    return explain_record(data, plan, read_as, incarnations(environ) if online else Incarnations())


def _journal(plan: Plan, explained: Explained | str, *, online: bool) -> Journal | None:
    if isinstance(explained, str):
        return None
    if not online:
        return of_changes(plan, MemoryStore(), explained.changes)
    with open_store(os.environ) as store:
        return of_changes(plan, store, explained.changes)


def _stored(plan: Plan, document: str | None, row: tuple[str, str] | None) -> Journal:
    if row is not None:
        if row[0] not in plan.mapping.tables:
            raise SettingsError([f"no mapping uses table {row[0]}"])
        with open_store(os.environ) as store:
            return of_row(plan, store, *row)
    name, _, key = (document or "").partition("/")
    aggregate = next((a for a in plan.mapping.aggregates if a.name == name), None)
    if aggregate is None or not key:
        known = ", ".join(a.name for a in plan.mapping.aggregates)
        raise SettingsError([f"--key: expected AGGREGATE/KEY with one of the aggregates {known}"])
    with open_store(os.environ) as store:
        return of_document(plan, store, aggregate, key)


def _show(explained: Explained | str | None, journal: Journal | None, regions: int, values: bool) -> None:
    if isinstance(explained, str):
        click.echo(explained)
    elif explained is not None:
        report.print_record(explained, values=values)
        click.echo("")
    if journal is not None:
        report.print_journal(journal, regions, values=values)


def _show_json(explained: Explained | str | None, journal: Journal | None, regions: int, values: bool) -> None:
    found: dict[str, object] = {}
    if isinstance(explained, str):
        found["note"] = explained
    elif explained is not None:
        found["record"] = report.record_as_json(explained, values=values)
    if journal is not None:
        found["dry_run"] = report.journal_as_json(journal, regions, values=values)
    report.print_json(found)
