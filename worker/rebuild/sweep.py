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
class Swept:
    """Counts of a sweep; `gone` rows became tombstones (or their documents were looked at again)."""

    examined: int = 0
    gone: int = 0
    documents_written: int = 0


def sweep(
    plan: Plan,
    store: DynamoStore,
    scan: RowScan,
    tables: frozenset[str],
    incarnation: int,
    pace: Pace,
    told: Callable[[Swept], None],
    *,
    dry_run: bool = False,
) -> Swept:
    """Sweep some tables after a reload of that incarnation. Raises NewerGeneration, FatalError.

    May be repeated: a row that has the tombstone already is projected again, which only reads unless a killed sweep
    left its documents behind.
    """
    done = Swept()
    version = load_version(incarnation, BEFORE_ANY_LOAD)
    for page in scan.pages(tables.__contains__):
        changes = [
            RowChange(*row_id, version, None)
            for row_id, image in page.images.items()
            if image.version <= version and (image.row is not None or image.version == version)
        ]
        done.examined += page.examined
        done.gone += len(changes)
        for at in range(0, 0 if dry_run else len(changes), ROWS_AT_ONCE):
            part = changes[at : at + ROWS_AT_ONCE]
            done.documents_written += store.drive(project(plan, part, NO_COMMIT)).documents_written
            pace.after(len(part))
        told(done)
    return done
