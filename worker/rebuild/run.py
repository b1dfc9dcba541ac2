"""A rebuild from its fence to its last document, resumable after every page.

1. The fence goes up: workers of an older generation stop before their next checkpoint and leave their records.
2. Every row image that does not cover the mapping's foreign keys gets its edges. Whatever an old worker stored is seen
   by this scan, or its records are still unread.
3. The new relations are declared ready: from here on workers rebuild documents of the older generation, too.
4. Every root's document is rebuilt from its rows; unchanged ones cost reads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from contract.mapping import Aggregate
from worker.pace import Pace
from worker.projection.engine import rebuild_roots
from worker.projection.image import Image
from worker.projection.images import Counts, RowId, cover, covers
from worker.projection.plan import Plan
from worker.rebuild.scan import RowScan
from worker.rebuild.state import (
    COVERING,
    DONE,
    REBUILDING,
    Progress,
    raise_fence,
    read_progress,
    say_ready,
    write_progress,
)
from worker.store.dynamodb import DynamoStore

NO_COMMIT: Final = ""
"""A rebuild has seen no commit: documents keep the time they are complete up to."""

ROWS_AT_ONCE: Final = 100

Element = TypeVar("Element")


@dataclass(slots=True)
class Result:
    """What a run found and did. `lacking`: rows by (table, column) that no mapping kept the column of so far."""

    progress: Progress
    parked: int = 0
    waiting: int = 0
    lacking: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Rebuild:
    """Rebuilds one aggregate. `told` is called after every page, when what it did is durable."""

    plan: Plan
    store: DynamoStore
    scan: RowScan
    pace: Pace
    told: Callable[[Progress], None]

    def run(self, aggregate: Aggregate, *, restart: bool = False) -> Result:
        """Do what is left to do. Raises NewerGeneration, FatalError."""
        before = None if restart else self.store.drive(read_progress(aggregate.name))
        fresh = before is None or before.digest != aggregate.digest or before.phase == DONE
        result = Result(Progress(aggregate.digest) if fresh or before is None else before)
        self.store.drive(raise_fence(self.plan, frozenset({aggregate.name})))
        if result.progress.phase == COVERING:
            self._cover(aggregate, result)
            self.store.drive(say_ready(self.plan, frozenset({aggregate.name})))
            self._note(aggregate, result, replace(result.progress, phase=REBUILDING, after=None))
        self._rebuild(aggregate, result)
        self._note(aggregate, result, replace(result.progress, phase=DONE, after=None))
        return result

    def _cover(self, aggregate: Aggregate, result: Result) -> None:
        tables = {node.table for node in aggregate.root.walk() if not node.virtual}
        for page in self.scan.pages(tables.__contains__, result.progress.after):
            lacking = [row_id for row_id, image in page.images.items() if not self._covers(row_id, image)]
            counts = Counts()
            for part in _parts(lacking):
                self.store.drive(cover(self.plan, part, counts))
            for (table, _), image in page.images.items():
                unseen = () if image.row is None else self.plan.columns[table] - image.row.keys()
                result.lacking.update((table, column) for column in unseen)
            done = result.progress
            scanned, covered = done.scanned + page.examined, done.covered + counts.rows_written
            self._note(aggregate, result, replace(done, after=page.after, scanned=scanned, covered=covered))

    def _covers(self, row_id: RowId, image: Image) -> bool:
        return covers(self.plan, row_id, image)

    def _rebuild(self, aggregate: Aggregate, result: Result) -> None:
        for page in self.scan.pages(aggregate.root.table.__eq__, result.progress.after):
            roots = [(aggregate, key) for _, key in page.images]
            written = 0
            for part in _parts(roots):
                counts = self.store.drive(rebuild_roots(self.plan, part, NO_COMMIT))
                written += counts.documents_written
                result.parked += counts.documents_parked
                result.waiting += counts.documents_waiting
                self.pace.after(len(part))
            done = result.progress
            documents = done.documents + len(roots)
            self._note(
                aggregate, result, replace(done, after=page.after, documents=documents, written=done.written + written)
            )

    def _note(self, aggregate: Aggregate, result: Result, progress: Progress) -> None:
        self.store.drive(write_progress(aggregate.name, progress))
        result.progress = progress
        self.told(progress)


def _parts(elements: Sequence[Element]) -> list[Sequence[Element]]:
    return [elements[at : at + ROWS_AT_ONCE] for at in range(0, len(elements), ROWS_AT_ONCE)]
