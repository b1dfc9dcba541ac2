"""What `nearview parked` prints. Reasons and details only: no payload and no key of a document, unless asked for."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from worker.grid import grid
from worker.parked.commands import ParkedDocument, entry_id
from worker.parked.items import ParkedItem
from worker.parked.parking import ALL_SHARDS, NO_TABLE

PROGRESS_EVERY: Final = 100
_INNER: Final = frozenset({"pk", "sk", "parts", "mark", "arrival_millis"})


@dataclass(slots=True)
class Tried:
    """What a retry is about, and what came of it: records by the reason they stay for, documents that stay."""

    held_back: Counter[str]
    records: int
    documents: int
    stayed: Counter[str] = field(default_factory=Counter)
    documents_stayed: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing of it is parked any more."""
        return not (self.held_back or self.stayed or self.documents_stayed)


def records(count: int) -> str:
    """`1 record`, `2,000 records`."""
    return f"{count:,} record{'' if count == 1 else 's'}"


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"


def by_reason(counts: Counter[str]) -> str:
    """Counts in brackets, the largest first; nothing if there are none."""
    parts = [f"{count:,} {reason}" for reason, count in counts.most_common()]
    return f" ({', '.join(parts)})" if parts else ""


def instant(seconds: int) -> str:
    """A time since the epoch as people read it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def tell_progress(done: int, total: int, what: str) -> None:
    """A line on stderr now and then, if there is much to do."""
    if done and done % PROGRESS_EVERY == 0 and total > PROGRESS_EVERY:
        click.echo(f"{done:,} of {total:,} {what}", err=True)


def print_tables(items: list[ParkedItem]) -> None:
    """One line for each parked table, naming the setting to change."""
    for item in items:
        if item.kind == "table":
            click.echo(f"table {item.table} is parked since {item.parked_at}: {item.detail}")


def print_allowed(allowed: dict[str, int]) -> None:
    """One line for each shard that may park more than the limit."""
    for shard, until in sorted(allowed.items()):
        who = "every shard" if shard == ALL_SHARDS else shard
        click.echo(f"{who} may park any number of records until {instant(until)} (nearview parked allow --withdraw)")


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
        groups.setdefault(("document", document.aggregate, "does not fit"), []).append(document.id)
    for group, ids in groups.items():
        grid.add_row(*group, f"{len(ids):,}", ids[0])
    if groups:
        Console().print(grid)
        click.echo("nearview parked show ID tells more; list --all lists every entry")


def print_entries(items: list[ParkedItem], documents: list[ParkedDocument], *, keys: bool) -> None:
    """One line for each entry; with `keys` those of documents."""
    for item in items:
        if item.kind != "table":
            click.echo(f"{entry_id(item)}  {item.kind}  {item.table}  {item.reason}: {item.detail}")
    for document in documents:
        what = document.pk if keys else document.aggregate
        click.echo(printable(f"{document.id}  document  {what}  {document.reason}"))


def as_json(items: list[ParkedItem], documents: list[ParkedDocument], *, keys: bool = False) -> dict[str, Any]:
    """Every entry, for programs."""
    return {
        "tables": [item_fields(item) for item in items if item.kind == "table"],
        "unknown_tables": [item_fields(item) for item in items if item.kind == "unknown"],
        "records": [item_fields(item) for item in items if item.kind == "record"],
        "documents": [document_fields(document, key=keys) for document in documents],
    }


def item_fields(item: ParkedItem) -> dict[str, Any]:
    """What an entry says of itself, without its payload."""
    fields = {name: value for name, value in dataclasses.asdict(item).items() if name not in _INNER}
    return {"id": entry_id(item), **fields, "table": None if item.table == NO_TABLE else item.table}


def document_fields(document: ParkedDocument, *, key: bool) -> dict[str, Any]:
    """What a parked document says of itself, without its body; its key is data."""
    fields = {name: value for name, value in dataclasses.asdict(document).items() if name != "pk"}
    known = {"id": document.id, "kind": "document", "aggregate": document.aggregate}
    return known | ({"key": document.key} if key else {}) | fields


def print_item(item: ParkedItem, payload: bytes | None, *, show_payload: bool, as_json: bool) -> None:
    """An entry; `payload` is None if some of it is gone."""
    text = "(the payload is incomplete)" if payload is None else payload.decode(errors="backslashreplace")
    if as_json:
        click.echo(json.dumps(item_fields(item) | ({"payload": text} if show_payload else {}), indent=1))
        return
    _print_fields(item_fields(item))
    if show_payload:
        click.echo(printable(text))


def print_document(document: ParkedDocument, body: dict[str, Any], *, show_payload: bool, as_json: bool) -> None:
    """A parked document, and its last good state."""
    fields = document_fields(document, key=show_payload)
    shown = show_payload and document.has_body
    if as_json:
        click.echo(json.dumps(fields | ({"last_good": body} if shown else {}), indent=1, default=str))
        return
    _print_fields(fields)
    if shown:
        click.echo(json.dumps(body, indent=1, default=str))


def _print_fields(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        click.echo(f"{name:<16} {printable(str(value))}")


def print_dry_run(tried: Tried, reasons: Counter[str], *, as_json: bool) -> None:
    """What a retry would try."""
    if as_json:
        fields = {"held_back": tried.held_back, "records": tried.records, "reasons": reasons}
        click.echo(json.dumps({**fields, "documents": tried.documents, "dry_run": True}))
        return
    _print_held_back(tried)
    click.echo(f"{records(tried.records)} would be tried{by_reason(reasons)}")
    if tried.documents:
        click.echo(f"{_documents(tried.documents)} would be tried")


def print_tried(tried: Tried, *, as_json: bool) -> None:
    """What a retry did."""
    used = tried.records - tried.stayed.total()
    if as_json:
        of_records = {"tried": tried.records, "used": used, "stayed": tried.stayed, "held_back": tried.held_back}
        good = tried.documents - tried.documents_stayed
        of_documents = {"tried": tried.documents, "good": good, "stayed": tried.documents_stayed}
        click.echo(json.dumps({"records": of_records, "documents": of_documents, "dry_run": False}))
        return
    _print_held_back(tried)
    stay = f"{tried.stayed.total():,} stay parked{by_reason(tried.stayed)}"
    click.echo(f"{records(tried.records)} tried: {used:,} used, {stay}")
    if tried.documents:
        good = tried.documents - tried.documents_stayed
        click.echo(f"{_documents(tried.documents)} tried: {good:,} good, {tried.documents_stayed:,} stay parked")


def _print_held_back(tried: Tried) -> None:
    for name, count in tried.held_back.items():
        click.echo(f"{records(count)} of {name} held back: the table is parked (nearview parked release {name})")


def printable(text: str) -> str:
    """Keys and payloads may hold anything; nothing of it may steer the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
