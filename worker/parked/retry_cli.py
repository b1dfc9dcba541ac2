"""`nearview parked retry`, `export` and `import`: what brings parked things back, here or elsewhere."""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from worker.compose import build_retry
from worker.errors import FatalError
from worker.horizon import horizon_millis
from worker.log import Log
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors
from worker.parked import report
from worker.parked.again import Again
from worker.parked.choice import choice_options, chosen
from worker.parked.commands import RETRY_BATCH, Parked, ParkedDocument, Payload
from worker.parked.export import from_line, to_items, to_line
from worker.parked.items import ParkedItem
from worker.parked.keys import sealer
from worker.parked.parking import Parking
from worker.parked.settings import KEYS, LOOKS, RETRIES, environment, open_parked
from worker.rebuild.stored_format import claim_patiently
from worker.repair import RepairError, RowStore
from worker.settings import Settings
from worker.source_settings import read_mapping
from worker.store.dynamodb import dynamodb_client
from worker.store.engine import engine_store

_told = one_line_errors("parked")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress is on stderr.")


@click.command("retry")
@choice_options
@click.option("--dry-run", is_flag=True, help="Only count what would be tried.")
@_json_option
@_told
def retry_command(dry_run: bool, as_json: bool, **options: Any) -> None:
    """Feed parked records through the worker's own pipeline once more, and build parked documents again.

    An entry is deleted only when its change is durable. Records of a table that is parked stay, and those from before
    the time that tombstones are kept from. Versions keep what is newer, so it may be repeated, and workers may run
    meanwhile.

    Exit codes: 0 none of what was chosen is parked any more, 1 some is, 2 nothing could be tried.
    """
    choice = chosen(options)
    settings = environment(RETRIES)
    place = open_parked(settings)
    now = datetime.datetime.now(datetime.UTC)
    items = place.items()
    stopped = {item.table for item in items if item.kind == "table"}
    records = [item for item in items if item.kind == "record" and choice.takes(item, now)]
    ready = [item for item in records if item.table not in stopped]
    held_back = Counter(item.table for item in records if item.table in stopped)
    documents = [document for document in place.documents() if choice.takes_document(document, now)]
    tried = report.Tried(held_back, len(ready), len(documents))
    if dry_run:
        report.print_dry_run(tried, Counter(item.reason for item in ready), as_json=as_json)
        raise SystemExit(EXIT_NOT_ALL if records or documents else EXIT_DONE)
    _claim_format(settings)
    if ready:
        tried.stayed.update(_retry_records(settings, place, ready))
    if documents:
        tried.documents_stayed = _retry_documents(settings, place, documents)
    report.print_tried(tried, as_json=as_json)
    raise SystemExit(EXIT_DONE if tried.is_clean else EXIT_NOT_ALL)


def _claim_format(settings: Settings) -> None:
    client = dynamodb_client(settings.region, settings.endpoint_url)
    claim_patiently(client, settings.rows_table, Log("error"))


def _retry_records(settings: Settings, place: Parked, items: list[ParkedItem]) -> Iterator[str]:
    """The reasons of those that stay."""
    client = dynamodb_client(settings.region, settings.endpoint_url)
    again = Again(Parking(client, settings.parked_table, Log("error"), sealer=sealer(settings)))
    pipeline = build_retry(settings, again, Log("warning"))
    horizon = horizon_millis(client, settings.rows_table)
    for done, result in enumerate(place.retry(items, pipeline, again, horizon), start=1):
        report.tell_progress(done, len(items), "records tried")
        if result.reason:
            yield result.reason


def _retry_documents(settings: Settings, place: Parked, documents: list[ParkedDocument]) -> int:
    """How many stay parked. What no mapping has any more stays."""
    mapping = read_mapping(Path(settings.mappings))
    known = {aggregate.name for aggregate in mapping.aggregates}
    ready = [document for document in documents if document.aggregate in known]
    tables = settings.rows_table, settings.documents_table
    store = engine_store(settings.region, settings.endpoint_url, *tables, Log("warning"))
    rows = RowStore(mapping, store, settings.max_document_bytes)
    try:
        for start in range(0, len(ready), RETRY_BATCH):
            rows.rebuild([(document.aggregate, document.key) for document in ready[start : start + RETRY_BATCH]])
            report.tell_progress(start, len(ready), "documents tried")
    except RepairError as error:
        raise FatalError(str(error)) from None
    finally:
        rows.close()
    return len(documents) - len(ready) + sum(place.document(document.pk) is not None for document in ready)


@click.command("export")
@choice_options
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Not to stdout.")
@click.option("--show-payload", is_flag=True, help="Payloads as they came, not sealed: business data.")
@_told
def export_command(path: Path | None, show_payload: bool, **options: Any) -> None:
    """Write parked records as JSON lines, which `import` takes, here or in another installation. Nothing is deleted.

    Sealed payloads stay sealed, and can be used where the key is. With --show-payload they are opened; `payload` is
    base64 of the record as DMS wrote it.

    Exit codes: 0 all of them written, 1 some could not be, 2 nothing could be written.
    """
    choice = chosen(options)
    place = open_parked(environment((*LOOKS, *KEYS) if show_payload else LOOKS))
    now = datetime.datetime.now(datetime.UTC)
    items = [item for item in place.items() if item.kind == "record" and choice.takes(item, now)]
    if any(not item.sealed for item in items) and not show_payload:
        raise FatalError("some payloads are not sealed (no NEARVIEW_PARKED_KEY was set): give --show-payload")
    written = 0
    with _output(path) as target:
        for done, item in enumerate(items, start=1):
            payload = _payload(place, item, show_payload=show_payload)
            if payload is not None:
                target.write(to_line(item, payload) + "\n")
                written += 1
            report.tell_progress(done, len(items), "records written")
    lost = len(items) - written
    click.echo(
        f"{report.records(written)} exported" + (f", {lost:,} lack a part of their payload" * bool(lost)), err=True
    )
    raise SystemExit(EXIT_NOT_ALL if lost else EXIT_DONE)


def _payload(place: Parked, item: ParkedItem, *, show_payload: bool) -> Payload | None:
    if not show_payload:
        return place.stored_payload(item)
    data = place.payload(item)
    return None if data is None else Payload(data, None)


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    """A file is its owner's alone."""
    if path is None:
        yield sys.stdout
        return
    try:
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8") as target:
            yield target
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}") from None


@click.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only read the file.")
@_json_option
@_told
def import_command(path: Path, dry_run: bool, as_json: bool) -> None:
    """Park the records of an export, in the places they had; `retry` then uses them. It may be repeated.

    Payloads that were exported open are sealed, if NEARVIEW_PARKED_KEY or one of its like is set.

    Exit codes: 0 all of them parked, 2 could not be done; a file with a line that is none is not begun with.
    """
    settings = environment((*LOOKS, "rows_table", *KEYS))
    place, keys = open_parked(settings), sealer(settings)
    total = sum(1 for _ in _lines(path))
    if not dry_run:
        _claim_format(settings)
        for done, (where, text) in enumerate(_lines(path), start=1):
            place.put(to_items(from_line(text, where), keys))
            report.tell_progress(done, total, "records parked")
    if as_json:
        click.echo(json.dumps({"read": total, "parked": 0 if dry_run else total}))
    else:
        click.echo(f"{report.records(total)} {'would be ' if dry_run else ''}parked; `nearview parked retry` uses them")


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file with their places, each known to be one. Raises FatalError."""
    try:
        with path.open(encoding="utf-8") as source:
            for number, text in enumerate(source, start=1):
                if text.strip():
                    from_line(text, f"{path}:{number}")
                    yield f"{path}:{number}", text
    except (OSError, ValueError) as error:
        raise FatalError(f"{path}: {getattr(error, 'strerror', None) or type(error).__name__}") from None
