"""`nearview trace` on the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.console import Console

from contract.keys import key_text
from contract.mapping import Aggregate, Mapping
from contract.parts import PartsMissing
from worker.console.tree import Found, look
from worker.errors import FatalError, SettingsError
from worker.operator_cli import EXIT_DONE, EXIT_NOT_ALL, one_line_errors, operator_settings
from worker.parked.commands import Parked
from worker.parked.keys import sealer
from worker.parked.settings import DECODES, KEYS
from worker.projection.plan import make_plan
from worker.settings import Settings
from worker.source_settings import read_mapping, source
from worker.status.tables import operator_store
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.trace.parked import ParkedOfRow, parked_of_row
from worker.trace.row import RowTrace, Written, trace_row, written
from worker.trace.show import show_document, show_row

NEEDED: Final = (
    *("region", "endpoint_url", "rows_table", "documents_table", "parked_table", "max_document_bytes"),
    *DECODES,
    *KEYS,
)


class _Row(NamedTuple):
    table: str
    key: str


class _Document(NamedTuple):
    aggregate: Aggregate
    key: str


@click.command("trace")
@click.argument("name", metavar="TABLE|AGGREGATE")
@click.argument("key", metavar="KEY...", nargs=-1, required=True)
@click.option("--show-values", is_flag=True, help="Show column values and attributes: business data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@one_line_errors("trace")
def trace(name: str, key: tuple[str, ...], show_values: bool, as_json: bool) -> None:
    """Follow one row (`shop.orders 42`) or one document (`order 42`) through everything that is stored of it.

    Of a row: its image and version, edges in and out, the documents that show it and their last writes, what is due and
    what is parked. Of a document: its last write, and the rows it was built from. Give each column of a key,
    or the text in which tables hold it (`17|2`). Reads are strongly consistent, by key; nothing is written.

    Exit codes: 0 traced, 1 nothing is stored under that key, 2 could not look.
    """
    settings = operator_settings(os.environ, NEEDED)
    mapping = read_mapping(Path(settings.mappings))
    subject = _subject(mapping, name, key)
    store = operator_store(settings)
    try:
        if isinstance(subject, _Row):
            found, there = _trace_row(store, settings, mapping, subject, as_json=as_json, values=show_values)
        else:
            found, there = _trace_document(store, settings, mapping, subject, as_json=as_json, values=show_values)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(found, indent=1, default=str))
    else:
        Console().print(found)
    raise SystemExit(EXIT_DONE if there else EXIT_NOT_ALL)


def _trace_row(
    store: DynamoStore, settings: Settings, mapping: Mapping, subject: _Row, *, as_json: bool, values: bool
) -> tuple[Any, bool]:
    row = store.drive(trace_row(make_plan(mapping, settings.max_document_bytes), *subject))
    parked = _parked(settings, mapping, subject)
    there = row.state != "never seen" or bool(parked.records)
    return (_row_json(row, parked, values=values) if as_json else show_row(row, parked, values=values)), there


def _parked(settings: Settings, mapping: Mapping, subject: _Row) -> ParkedOfRow:
    client = dynamodb_client(settings.region, settings.endpoint_url)
    parked = Parked(client, settings.parked_table, settings.documents_table, sealer=sealer(settings))
    read_as = source(settings, mapping)
    return parked_of_row(parked, client, settings.parked_table, read_as, mapping.tables[subject.table], subject.key)


def _trace_document(
    store: DynamoStore, settings: Settings, mapping: Mapping, subject: _Document, *, as_json: bool, values: bool
) -> tuple[Any, bool]:
    plan = make_plan(mapping, settings.max_document_bytes)
    root = (subject.aggregate, subject.key)
    (last,) = store.drive(written([root]))
    try:
        tree = store.drive(look(plan, root))
    except PartsMissing:
        raise FatalError("parts of the document were written while they were read: try again") from None
    there = last.state != "never written" or tree.rows.state != "never seen"
    return (_document_json(last, tree, values=values) if as_json else show_document(last, tree, values=values)), there


def _subject(mapping: Mapping, name: str, key: tuple[str, ...]) -> _Row | _Document:
    """What is meant. Raises SettingsError."""
    aggregate = next((a for a in mapping.aggregates if a.name == name), None)
    if name in mapping.tables:
        return _Row(name, _key(name, mapping.tables[name].key, key))
    if aggregate is not None:
        return _Document(aggregate, _key(name, aggregate.root.key, key))
    known = ", ".join([*(a.name for a in mapping.aggregates), *sorted(mapping.tables)])
    raise SettingsError([f"{name} is neither an aggregate nor a table of the mappings: {known}"])


def _key(name: str, columns: Sequence[str], given: tuple[str, ...]) -> str:
    if len(given) == len(columns):
        return key_text(given)
    if len(given) == 1 and given[0].count("|") == len(columns) - 1:
        return given[0]
    raise SettingsError([f"{name} has the key {', '.join(columns)}: give {len(columns)} values, not {len(given)}"])


def _row_json(row: RowTrace, parked: ParkedOfRow, *, values: bool) -> dict[str, Any]:
    found = {**asdict(row), "parked": asdict(parked)}
    return found if values else {**found, "columns": sorted(row.columns)}


def _document_json(last: Written, tree: Found, *, values: bool) -> dict[str, Any]:
    found = asdict(tree)
    if not values:
        _hide(found["rows"])
        found["body"] = sorted(found["body"] or ())
        found["system"] = None
    return {"written": asdict(last), **found}


def _hide(node: dict[str, Any]) -> None:
    node["columns"] = sorted(node["columns"])
    for child in node["children"]:
        _hide(child)
