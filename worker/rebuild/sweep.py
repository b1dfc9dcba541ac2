"""After a reload: rows that the source no longer has become tombstones.

A reload sends what is there; of what has gone meanwhile it sends nothing. Once every shard has passed the reload's last
record, an image of an older incarnation is a row that the reload did not bring. Its tombstone has the smallest version
of the new incarnation, below that of any load: a load that comes late all the same puts the row back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from worker.pace import Pace
from worker.projection.engine import project
from worker.projection.flat import DELETED
from worker.projection.flat_documents import held_version
from worker.projection.plan import Plan
from worker.rebuild.run import NO_COMMIT, ROWS_AT_ONCE
from worker.rebuild.scan import DocumentScan, RowScan
from worker.records.rows import RowChange, RowId
from worker.records.version import load_version
from worker.store.dynamodb import DynamoStore

BEFORE_ANY_LOAD: Final = 0


@dataclass(slots=True)
class Found:
    """Rows of a table that are there: of the incarnation, so loaded or changed since it began, and of older ones."""

    loaded: int = 0
    gone: int = 0


@dataclass(slots=True)
class Swept:
    """Counts of a sweep: items of the table read, rows that became tombstones, documents written."""

    examined: int = 0
    gone: int = 0
    documents_written: int = 0


@dataclass(frozen=True, slots=True)
class Holders:
    """Rows that documents hold themselves, page by page: by table and key, with version and whether they are there."""

    plan: Plan
    documents: DocumentScan

    def pages(self, tables: frozenset[str]) -> Iterator[tuple[dict[RowId, tuple[str, bool]], int]]:
        """Rows of these tables, and how many items were read. Raises FatalError, TransientError."""
        roots = {a.name: a.root.table for a in self.plan.mapping.aggregates if a.root.table in tables}
        if not roots:
            return
        for page in self.documents.pages(roots.__contains__):
            rows = {
                (roots[name], key): (held_version(item), DELETED not in item)
                for (name, key), item in page.items.items()
            }
            yield rows, page.examined


def look(scan: RowScan, tables: frozenset[str], incarnation: int, holders: Holders | None = None) -> dict[str, Found]:
    """What a sweep would find in each table. Raises FatalError, TransientError."""
    found = {table: Found() for table in sorted(tables)}
    version = load_version(incarnation, BEFORE_ANY_LOAD)
    for page in scan.pages(tables.__contains__):
        for (table, _), image in page.images.items():
            found[table].gone += image.row is not None and image.version < version
            found[table].loaded += image.row is not None and image.version > version
    for rows, _ in holders.pages(tables) if holders else ():
        for (table, _), (stored, there) in rows.items():
            found[table].gone += there and stored < version
            found[table].loaded += there and stored > version
    return found


def sweep(
    plan: Plan,
    store: DynamoStore,
    scan: RowScan,
    tables: frozenset[str],
    incarnation: int,
    pace: Pace,
    told: Callable[[Swept], None],
    holders: Holders | None = None,
) -> Swept:
    """Sweep some tables after a reload of that incarnation. Raises NewerGeneration, FatalError.

    May be repeated: a row that has the tombstone already is projected again, which only reads unless a killed sweep
    left its documents behind.
    """
    done = Swept()
    version = load_version(incarnation, BEFORE_ANY_LOAD)
    for page in scan.pages(tables.__contains__):
        old = {row_id: image for row_id, image in page.images.items() if image.version <= version}
        left = [row_id for row_id, image in old.items() if image.row is not None or image.version == version]
        done.examined += page.examined
        done.gone += sum(image.row is not None for image in old.values())
        for at in range(0, len(left), ROWS_AT_ONCE):
            changes = [RowChange(*row_id, version, None) for row_id in left[at : at + ROWS_AT_ONCE]]
            done.documents_written += store.drive(project(plan, changes, NO_COMMIT)).documents_written
            pace.after(len(changes))
        told(done)
    for rows, examined in holders.pages(tables) if holders else ():
        old_rows = [row_id for row_id, (stored, there) in rows.items() if there and stored < version]
        done.examined += examined
        done.gone += len(old_rows)
        for at in range(0, len(old_rows), ROWS_AT_ONCE):
            changes = [RowChange(*row_id, version, None) for row_id in old_rows[at : at + ROWS_AT_ONCE]]
            done.documents_written += store.drive(project(plan, changes, NO_COMMIT)).documents_written
            pace.after(len(changes))
        told(done)
    return done
