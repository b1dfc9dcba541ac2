"""The engine itself, driven against a store that keeps its writes: what it would read, write and rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import DOCUMENT_SK, ROW_SK, document_pk
from contract.mapping import Aggregate
from contract.parts import PARTS, PartsMissing, parts_of, whole_bytes
from contract.values import Item, from_item
from worker.errors import NearviewError
from worker.explain.capacity import index_units, write_units
from worker.explain.overlay import DONE, Base, Overlay, Step
from worker.projection.engine import project, rebuild_roots
from worker.projection.flat_documents import holds_row, stored_rows
from worker.projection.habit import Habit
from worker.projection.images import Counts
from worker.projection.operations import INSERTS, Delete, Get, TableName, run_to_end
from worker.projection.overflow_parts import read_document
from worker.projection.plan import Plan
from worker.records.rows import RowChange

_AS_OF: Final = "1970-01-01T00:00:00.000000Z"
_NEWER: Final = "~"
_CHANGED: Final = "\x00"


class NoSuchRow(NearviewError):
    """No image of the row is stored; the text names it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was looked at: what became of it, and its body if it would be written with one.

    `saved_units`: what writing it in one region would have cost, had it not been found as it is stored.
    """

    pk: str
    outcome: str
    size_bytes: int
    body: dict[str, Any] | None
    saved_units: int = 0


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything the engine would do, in order. `joins` and `leaves`: edges put and deleted, as (parent, edge)."""

    steps: tuple[Step, ...]
    documents: tuple[Document, ...]
    joins: tuple[tuple[str, str], ...]
    leaves: tuple[tuple[str, str], ...]
    counts: Counts

    def units(self, *, writes: bool, table: TableName, regions: int = 1) -> int:
        """Capacity units of one table's reads or writes, its indexes included, in so many regions of documents."""
        chosen = [step for step in self.steps if step.is_write is writes and step.operation.table is table]
        return sum(step.units_in(regions) for step in chosen)

    def saved_units(self, regions: int) -> int | None:
        """Write units that equal fingerprints saved; None if other documents were left as they are, too."""
        saved = [document.saved_units for document in self.documents if document.saved_units]
        return sum(saved) * regions if len(saved) == self.counts.documents_skipped else None


def of_changes(plan: Plan, base: Base, changes: Sequence[RowChange]) -> Journal:
    """What these changes would do. Raises TableLacks, NewerGeneration."""
    overlay = Overlay(base)
    # how documents become rows is filed once for a mapping: it belongs to no change
    filed = {flat.aggregate.digest for flat in plan.flats.values()}
    return _journal(overlay, overlay.drive(project(plan, changes, _AS_OF, habit=Habit(filed=filed))))


def of_row(plan: Plan, base: Base, table: str, key: str) -> Journal:
    """What a change of a stored row would do that leaves its foreign keys. Raises NoSuchRow, NewerGeneration."""
    stored = run_to_end(stored_rows(plan, [(table, key)]), base.run)
    if not stored:
        raise NoSuchRow(f"no image of {table} {key} is stored")
    ((version, row),) = stored.values()
    # newer than the stored one, and different: in a column that nothing shows
    changed = None if row is None else {**row, _CHANGED: True}
    return of_changes(plan, base, [RowChange(table, key, version + _NEWER, changed)])


def of_document(plan: Plan, base: Base, aggregate: Aggregate, key: str) -> Journal:
    """What building one document anew would do: nothing, if it holds its row itself. Raises NewerGeneration."""
    overlay = Overlay(base)
    (item,) = overlay.run([Get(TableName.DOCUMENTS, document_pk(aggregate.name, key), DOCUMENT_SK)])
    if item is not None and holds_row(item):
        return _journal(overlay, Counts())
    overlay = Overlay(base)
    return _journal(overlay, overlay.drive(rebuild_roots(plan, [(aggregate, key)], _AS_OF)))


def _journal(overlay: Overlay, counts: Counts) -> Journal:
    edges = [step.operation for step in overlay.steps if step.is_write and step.outcome == DONE]
    edges = [op for op in edges if op.table is TableName.ROWS and getattr(op, "sk", ROW_SK) != ROW_SK]
    return Journal(
        tuple(overlay.steps),
        tuple(_documents(overlay)),
        tuple((op.pk, op.sk) for op in edges if isinstance(op, INSERTS)),
        tuple((op.pk, op.sk) for op in edges if isinstance(op, Delete)),
        counts,
    )


def _whole(overlay: Overlay, item: Item) -> Item:
    """A document with its lists, as far as they are there."""
    found: Item | None = item
    try:
        if PARTS in item:
            found = overlay.drive(read_document(item["pk"]["S"]))
    except PartsMissing:
        return item
    return found or item


def _documents(overlay: Overlay) -> list[Document]:
    steps: dict[str, list[Step]] = {}
    for step in overlay.steps:
        if step.operation.table is TableName.DOCUMENTS:
            steps.setdefault(step.operation.pk, []).append(step)
    found = []
    for pk, of_one in steps.items():
        item = overlay.items.get((TableName.DOCUMENTS, pk, DOCUMENT_SK))
        written = any(step.is_write for step in of_one)
        values = from_item(_whole(overlay, item)) if item else {}
        if not written:
            outcome = "as it is stored" if item else "not there, not written"
        elif "_parked" in values:
            outcome = f"parked: {values['_parked']}"
        else:
            deleted = "_deleted" in values
            outcome = "deleted" if deleted else "written" if of_one[0].outcome == "found" else "written, new"
            outcome += f", in {len(parts_of(item))} parts" if item and PARTS in item else ""
        body = {name: value for name, value in values.items() if not name.startswith("_") and name not in ("pk", "sk")}
        size = max(whole_bytes(item or {}), *(step.size_bytes for step in of_one))
        saved = write_units(size) + index_units(item, item) if item and not written else 0
        found.append(Document(pk, outcome, size, body if written and body else None, saved))
    return found
