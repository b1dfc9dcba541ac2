"""What was explained, as lines and tables for people and as a JSON object; column values only on wish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click
import orjson
from rich.console import Console

from worker.explain.dry_run import Journal
from worker.explain.overlay import Step
from worker.explain.record import Explained, printable
from worker.grid import grid
from worker.projection.operations import INSERTS, Delete, Get, Operation, Query, Replace, TableName
from worker.records.rows import raw_number

_VERSION_PARTS: Final = ((0, 4, "incarnation"), (4, 36, "position"), (36, 50, "record"))


def print_record(explained: Explained, *, values: bool) -> None:
    """The change, where it stands, where it points."""
    for name, text in _record_lines(explained):
        click.echo(f"{name:<14} {printable(text)}")
    for stand in explained.stands:
        click.echo(f"{'stands at':<14} {stand.aggregate}: {stand.path}, {stand.way}")
    if values:
        click.echo(f"{'row':<14} {_json(explained.changes[0].row)}")


def _record_lines(explained: Explained) -> list[tuple[str, str]]:
    event = explained.event
    parts = _version(explained)
    lines = [("change", f"{event.operation} of {event.table}, key {explained.changes[0].key}")]
    if len(explained.changes) > 1:
        lines.append(
            ("changed key", f"was {explained.changes[1].key}: a put of the new row and a delete of the old one")
        )
    lines.append(("version", ", ".join(f"{name} {text}" for name, text in parts.items())))
    lines.append(("kept columns", ", ".join(explained.kept) or "none"))
    if explained.changes[0].missing:
        lines.append(("absent", f"{', '.join(explained.changes[0].missing)} (unchanged large values stay as they are)"))
    if explained.dropped:
        lines.append(("not kept", ", ".join(explained.dropped)))
    if explained.sensitive:
        lines.append(("sensitive", ", ".join(f"{column}: {policy}" for column, policy in explained.sensitive.items())))
    if event.before is not None:
        lines.append(("before image", ", ".join(event.before) or "empty"))
    for pointer in explained.pointers:
        target = f"{pointer.parent} {pointer.key}" if pointer.key is not None else f"nowhere ({pointer.parent})"
        lines.append(("points at", f"{target} by {', '.join(pointer.columns)}"))
    if explained.moves:
        lines.append(("moves", explained.moves))
    return lines


def _version(explained: Explained) -> dict[str, str]:
    version = explained.changes[0].version
    parts = {name: str(int(version[start:end], 16)) for start, end, name in _VERSION_PARTS}
    if explained.event.stream_position is None:
        return {"incarnation": parts["incarnation"], "position": "none (older than every change)"}
    return {**parts, "position": f"{printable(explained.event.stream_position)} ({parts['position']})"}


def print_journal(journal: Journal, regions: int, *, values: bool) -> None:
    """Every operation, the documents, and the units in all."""
    table = grid()
    for name in ("call", "operation", "table", "item", "reply", "bytes", "units"):
        table.add_column(name, justify="right" if name in ("call", "bytes", "units") else "left", overflow="fold")
    for step in journal.steps:
        table.add_row(
            str(step.group),
            _verb(step.operation),
            step.operation.table.value,
            _item(step.operation),
            step.outcome,
            f"{step.size_bytes:,}",
            f"{step.units}{f' + {step.index_units}' if step.index_units else ''}",
        )
    Console().print(table)
    click.echo("")
    for document in journal.documents:
        click.echo(f"{'document':<14} {document.pk}: {document.outcome} ({document.size_bytes:,} bytes)")
        if values and document.body is not None:
            click.echo(f"{'':<14} {_json(document.body)}")
    for word, edges in (("joins", journal.joins), ("leaves", journal.leaves)):
        for parent, edge in edges:
            click.echo(f"{word:<14} {parent}  (edge {edge})")
    units = _units(journal, regions)
    click.echo(f"{'reads':<14} {units['read_units']} units in {_calls(journal)} rounds of calls")
    everywhere = f"in {regions} {'region' if regions == 1 else 'regions'}"
    click.echo(
        f"{'writes':<14} {units['row_write_units']} units for rows, {units['document_write_units']} for documents"
        f" and their indexes {everywhere}"
    )
    for line in _avoided_lines(journal, regions, everywhere):
        click.echo(f"{'avoided':<14} {line}")


def _avoided_lines(journal: Journal, regions: int, everywhere: str) -> Iterator[str]:
    counts, units = journal.counts, journal.saved_units(regions)
    if counts.documents_skipped:
        known = f", {units} units {everywhere}" if units is not None else ""
        yield f"{_count(counts.documents_skipped, 'document')} not written, their fingerprints are equal{known}"
    if counts.unchanged:
        yield f"the documents of {_count(counts.unchanged, 'row')}, which changed in nothing that a mapping keeps"
    if counts.folded:
        yield f"{_count(counts.folded, 'change')} folded into a newer one of the same row"


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _calls(journal: Journal) -> int:
    return max((step.group for step in journal.steps), default=0)


def _units(journal: Journal, regions: int) -> dict[str, int]:
    return {
        "read_units": sum(journal.units(writes=False, table=table) for table in TableName),
        "row_write_units": journal.units(writes=True, table=TableName.ROWS),
        "document_write_units": journal.units(writes=True, table=TableName.DOCUMENTS, regions=regions),
        "regions": regions,
    }


def _verb(operation: Operation) -> str:
    if isinstance(operation, Get):
        return "read part" if operation.attributes else "read"
    if isinstance(operation, Query):
        return "query"
    if isinstance(operation, INSERTS):
        return "insert"
    if isinstance(operation, Replace):
        return "replace"
    return "delete" if isinstance(operation, Delete) else "update"


def _item(operation: Operation) -> str:
    sk = f"{operation.prefix}*" if isinstance(operation, Query) else operation.sk
    return f"{operation.pk}  {sk}"


def record_as_json(explained: Explained, *, values: bool) -> dict[str, Any]:
    """The record for programs."""
    first = explained.changes[0]
    return {
        "operation": str(explained.event.operation),
        "table": explained.event.table,
        "key": first.key,
        "old_key": explained.changes[1].key if len(explained.changes) > 1 else None,
        "version": first.version,
        "version_parts": _version(explained),
        "kept": list(explained.kept),
        "absent": list(first.missing),
        "not_kept": list(explained.dropped),
        "sensitive": {column: str(policy) for column, policy in explained.sensitive.items()},
        "before_image": None if explained.event.before is None else list(map(printable, explained.event.before)),
        "stands": [{"aggregate": stand.aggregate, "path": stand.path, "way": stand.way} for stand in explained.stands],
        "points_at": [
            {"table": pointer.parent, "key": pointer.key, "columns": list(pointer.columns)}
            for pointer in explained.pointers
        ],
        "moves": explained.moves,
        **({"row": first.row} if values else {}),
    }


def journal_as_json(journal: Journal, regions: int, *, values: bool) -> dict[str, Any]:
    """The journal for programs."""
    return {
        "steps": [_step(step) for step in journal.steps],
        "documents": [
            {
                "document": document.pk,
                "outcome": document.outcome,
                "bytes": document.size_bytes,
                **({"body": document.body} if values else {}),
            }
            for document in journal.documents
        ],
        "joins": [list(edge) for edge in journal.joins],
        "leaves": [list(edge) for edge in journal.leaves],
        **_units(journal, regions),
        "avoided": {
            "document_writes": journal.counts.documents_skipped,
            "document_write_units": journal.saved_units(regions),
            "unchanged_rows": journal.counts.unchanged,
            "folded_changes": journal.counts.folded,
        },
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "call": step.group,
        "operation": _verb(step.operation),
        "table": step.operation.table.value,
        "item": _item(step.operation),
        "reply": step.outcome,
        "bytes": step.size_bytes,
        "units": step.units,
        "index_units": step.index_units,
    }


def print_json(document: dict[str, Any]) -> None:
    """One JSON object, numbers with their own digits."""
    click.echo(orjson.dumps(document, default=raw_number, option=orjson.OPT_INDENT_2).decode())


def _json(value: Any) -> str:
    return orjson.dumps(value, default=raw_number).decode()
