"""After a reload: rows that the source no longer has become tombstones.

A reload sends what is there; of what has gone meanwhile it sends nothing. Once every shard has passed the reload's last
record, an image of an older incarnation is a row that the reload did not bring. Its tombstone has the smallest version
of the new incarnation, below that of any load: a load that comes late all the same puts the row back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.pace import Pace
from worker.projection.engine import project
from worker.projection.plan import Plan
from worker.rebuild.run import NO_COMMIT, ROWS_AT_ONCE
from worker.rebuild.scan import RowScan
from worker.records.rows import RowChange
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


def look(scan: RowScan, tables: frozenset[str], incarnation: int) -> dict[str, Found]:
    """What a sweep would find in each table. Raises FatalError, TransientError."""
    found = {table: Found() for table in sorted(tables)}
    version = load_version(incarnation, BEFORE_ANY_LOAD)
    for page in scan.pages(tables.__contains__):
        for (table, _), image in page.images.items():
            found[table].gone += image.row is not None and image.version < version
            found[table].loaded += image.row is not None and image.version > version
    return found


def sweep(
    plan: Plan,
    store: DynamoStore,
    scan: RowScan,
    tables: frozenset[str],
    incarnation: int,
    pace: Pace,
    told: Callable[[Swept], None],
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
    return done
