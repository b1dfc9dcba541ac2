"""What `nearview parked` prints. Keys and details only: no payload, no column value."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from worker.grid import grid
from worker.parked import ParkedDocument, entry_id
from worker.parking import NO_TABLE, ParkedItem


def records(count: int) -> str:
    """`1 record`, `2,000 records`."""
    return f"{count:,} record{'' if count == 1 else 's'}"


def by_reason(counts: Counter[str]) -> str:
    """Counts in brackets, the largest first; nothing if there are none."""
    parts = [f"{count:,} {reason}" for reason, count in counts.most_common()]
    return f" ({', '.join(parts)})" if parts else ""


def print_tables(items: list[ParkedItem]) -> None:
    """One line for each parked table, naming the setting to change."""
    for item in items:
        if item.kind == "table":
            click.echo(f"table {item.table} is parked since {item.parked_at}: {item.detail}")


def _grid(*columns: str) -> Table:
    table = grid()
    for name in columns:
        number = name == "count"
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return table


def print_counts(items: list[ParkedItem], documents: list[ParkedDocument]) -> None:
    """How many there are by kind, table or aggregate, and reason, with the first of each."""
    grid = _grid("what", "table or aggregate", "reason", "count", "first")
    groups: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        if item.kind != "table":
            groups.setdefault((item.kind, item.table, item.reason), []).append(entry_id(item))
    for document in documents:
        groups.setdefault(("document", document.pk.partition("#")[0], "does not fit"), []).append(document.pk)
    for group, ids in groups.items():
        grid.add_row(*group, f"{len(ids):,}", printable(ids[0]))
    if groups:
        Console().print(grid)
        click.echo("nearview parked show ID tells more; list --all lists every entry")


def print_entries(items: list[ParkedItem], documents: list[ParkedDocument]) -> None:
    """One line for each entry."""
    for item in items:
        if item.kind != "table":
            click.echo(f"{entry_id(item)}  {item.kind}  {item.table}  {item.reason}: {item.detail}")
    for document in documents:
        click.echo(printable(f"{document.pk}  document  {document.reason}"))


def as_json(items: list[ParkedItem], documents: list[ParkedDocument]) -> dict[str, Any]:
    """Every entry, for programs."""
    return {
        "tables": [item_fields(item) for item in items if item.kind == "table"],
        "unknown_tables": [item_fields(item) for item in items if item.kind == "unknown"],
        "records": [item_fields(item) for item in items if item.kind == "record"],
        "documents": [document_fields(document) for document in documents],
    }


def item_fields(item: ParkedItem) -> dict[str, Any]:
    """What an entry says of itself, without its payload."""
    fields = {name: value for name, value in dataclasses.asdict(item).items() if name not in ("pk", "sk", "parts")}
    return {"id": entry_id(item), **fields, "table": None if item.table == NO_TABLE else item.table}


def document_fields(document: ParkedDocument) -> dict[str, Any]:
    """What a parked document says of itself, without its body."""
    aggregate, _, key = document.pk.partition("#")
    fields = dataclasses.asdict(document)
    return {"id": fields.pop("pk"), "kind": "document", "aggregate": aggregate, "key": key, **fields}


def print_fields(fields: dict[str, Any]) -> None:
    """One line a field."""
    for name, value in fields.items():
        click.echo(f"{name:<16} {printable(str(value))}")


def printable(text: str) -> str:
    """Keys and payloads may hold anything; nothing of it may steer the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
