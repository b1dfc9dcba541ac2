"""A rebuild from its fence to its last document, resumable after every page.

1. The fence goes up: workers of an older generation stop before their next checkpoint and leave their records.
2. Documents that hold rows this mapping needs elsewhere hand them over to row images.
3. Every row image that does not cover the mapping's foreign keys gets its edges. Whatever an old worker stored is seen
   by these scans, or its records are still unread.
4. The new relations are declared ready: from here on workers rebuild documents of the older generation, too.
5. Every root's document is rebuilt from its rows; unchanged ones cost reads only. Documents that hold their row and go
   on doing so are made of what they hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from contract.mapping import Aggregate
from worker.pace import Pace
from worker.projection.engine import project, rebuild_roots
from worker.projection.flat_documents import claim, filed_holders, gone, renew
from worker.projection.images import Counts, cover, covers, put_edges
from worker.projection.plan import Plan
from worker.rebuild.scan import DocumentScan, RowScan
from worker.rebuild.state import (
    COVERING,
    DONE,
    REBUILDING,
    RENEWING,
    TAKING_OVER,
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
    documents: DocumentScan | None = None
    every_edge: bool = False
    """Put also edges that images say are there: a replica may lack them."""

    def run(self, aggregate: Aggregate, *, restart: bool = False) -> Result:
        """Do what is left to do. Raises NewerGeneration, FatalError."""
        before = None if restart else self.store.drive(read_progress(aggregate.name))
        fresh = before is None or before.digest != aggregate.digest or before.phase == DONE
        result = Result(Progress(aggregate.digest) if fresh or before is None else before)
        self.store.drive(raise_fence(self.plan, frozenset({aggregate.name})))
        if result.progress.phase == TAKING_OVER:
            self._take_over(aggregate, result)
            self._note(aggregate, result, replace(result.progress, phase=COVERING, after=None))
        if result.progress.phase == COVERING:
            self._cover(aggregate, result)
            self.store.drive(say_ready(self.plan, frozenset({aggregate.name})))
            self._note(aggregate, result, replace(result.progress, phase=REBUILDING, after=None))
        if result.progress.phase == REBUILDING:
            self._rebuild(aggregate, result)
            self._note(aggregate, result, replace(result.progress, phase=RENEWING, after=None))
        self._renew(aggregate, result)
        self._note(aggregate, result, replace(result.progress, phase=DONE, after=None))
        return result

    def _take_over(self, aggregate: Aggregate, result: Result) -> None:
        """Rows of its tables that only documents hold, those of aggregates that are gone from the mapping included."""
        tables = {node.table for node in aggregate.root.walk() if not node.virtual} - self.plan.flats.keys()
        holders = self.store.drive(filed_holders(tables)) if tables else {}
        if self.documents is None or not holders:
            return
        known = {a.name: a for a in self.plan.mapping.aggregates}
        for page in self.documents.pages(holders.__contains__, result.progress.after):
            covered = 0
            for part in _parts(list(page.items)):
                roots = [(known.get(name) or gone(name, holders[name]), key) for name, key in part]
                changes = self.store.drive(claim(self.plan, roots))
                self.store.drive(project(self.plan, changes, NO_COMMIT))
                covered += sum(bool(self.plan.references[change.table]) for change in changes)
                self.pace.after(len(part))
            done = result.progress
            scanned, covered = done.scanned + page.examined, done.covered + covered
            self._note(aggregate, result, replace(done, after=page.after, scanned=scanned, covered=covered))

    def _renew(self, aggregate: Aggregate, result: Result) -> None:
        flat = self.plan.flats.get(aggregate.root.table)
        if self.documents is None or flat is None:
            return
        for page in self.documents.pages(aggregate.name.__eq__, result.progress.after):
            counts = Counts()
            for part in _parts([key for _, key in page.items]):
                renewed = self.store.drive(renew(self.plan, flat, part, counts))
                result.lacking.update((flat.table, column) for column in renewed.lacking.elements())
                if renewed.misfits:
                    changes = self.store.drive(claim(self.plan, [(aggregate, key) for key in renewed.misfits]))
                    result.parked += self.store.drive(project(self.plan, changes, NO_COMMIT)).documents_parked
                self.pace.after(len(part))
            done = result.progress
            documents, written = done.documents + len(page.items), done.written + counts.documents_written
            self._note(aggregate, result, replace(done, after=page.after, documents=documents, written=written))

    def _cover(self, aggregate: Aggregate, result: Result) -> None:
        tables = {node.table for node in aggregate.root.walk() if not node.virtual}
        for page in self.scan.pages(tables.__contains__, result.progress.after):
            lacking = [row_id for row_id, image in page.images.items() if not covers(self.plan, row_id, image)]
            counts = Counts()
            for part in _parts(lacking):
                self.store.drive(cover(self.plan, part, counts))
            for part in _parts([(table, key) for table, key in page.images] if self.every_edge else []):
                self.store.drive(put_edges(self.plan, {row_id: page.images[row_id] for row_id in part}))
            for (table, _), image in page.images.items():
                unseen = () if image.row is None else self.plan.columns[table] - image.row.keys()
                result.lacking.update((table, column) for column in unseen)
            done = result.progress
            scanned, covered = done.scanned + page.examined, done.covered + counts.rows_written
            self._note(aggregate, result, replace(done, after=page.after, scanned=scanned, covered=covered))

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
