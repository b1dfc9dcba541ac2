"""`--repair`: what differs is rebuilt from the row store and judged anew; what still differs names the rows to reload.

Nothing is written that the source says: the row store is the only thing documents are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from worker.verify.compare import first_difference
from worker.verify.look import Look, key_parts
from worker.verify.options import Options
from worker.verify.report import Finding, Report, Stale
from worker.verify.rows import RowFinder
from worker.verify.settle import judge_again, settle
from worker.verify.spool import Spool

_AT_ONCE: Final = 100


class StoredRow(Protocol):
    """What an image has of a row."""

    @property
    def columns(self) -> dict[str, Any] | None:
        """The kept columns; None where the row was deleted."""


class RowStore(Protocol):
    """The rows that documents are made of."""

    def rebuild(self, documents: Sequence[tuple[str, str]]) -> None:
        """Make documents (aggregate and key) what the stored rows say."""

    def rows(self, rows: Sequence[tuple[str, str]]) -> Sequence[StoredRow | None]:
        """What is stored of rows (table and key text), in their order; None without an image."""


@dataclass(frozen=True, slots=True)
class Mender:
    """Rebuilds and looks for the reason where that does not help."""

    look: Look
    spool: Spool
    store: RowStore
    finder: RowFinder

    def mend(self, report: Report, options: Options, progress: Callable[[str], None]) -> None:
        """Rebuild every document that differs for good, judge it again, and name the rows that are stale."""
        before = report.differences
        if not before:
            return
        progress(f"rebuilding {before:,} documents from the stored rows")
        report.first.clear()
        after = ""
        while batch := self.spool.differing(after, options.pace.chunk(_AT_ONCE)):
            after = batch[-1][0].pk
            suspects = [suspect for suspect, _ in batch]
            self.store.rebuild([(s.aggregate, s.key) for s in suspects if s.aggregate in self.look.statements])
            for suspect, kind in batch:
                report.take_back(suspect.aggregate, kind)
            self.spool.forget_differing(suspect.pk for suspect in suspects)
            self.spool.suspect(suspects)
            # what still differs is not what was seen before the rebuild: it stays suspect until it is seen again
            judge_again(self.look.at(suspects), self.spool, report)
            options.pace.after(len(batch))
        settle(self.look, self.spool, report, options.settle, options.pace, progress)
        report.rebuilt = before
        report.stale = tuple(dict.fromkeys(entry for finding in report.first for entry in self._stale(finding)))

    def _stale(self, finding: Finding) -> Iterator[Stale]:
        """Rows whose image keeps a document from being right; tables, where the source has no such row."""
        of = self.look.statements.get(finding.aggregate)
        parts = None if of is None else key_parts(f"{finding.aggregate}#{finding.key}", of)
        if of is None or parts is None:
            return
        found = False
        for place in self.finder.rows(of.aggregate, parts):
            lines = list(self.look.source.rows(of, place.sql, place.shape, self.look.tokens))
            if not lines and place.root:
                found = True
                yield Stale(finding.aggregate, finding.key, place.table, finding.key, "the source has it no longer")
            stored = self.store.rows([(place.table, line.key) for line in lines])
            for line, image in zip(lines, stored, strict=True):
                if why := _why(line.body, image, place.shape):
                    found = True
                    yield Stale(finding.aggregate, finding.key, place.table, line.key, why)
        self.look.source.end_snapshot()
        if not found:
            tables = dict.fromkeys(node.table for node in of.aggregate.root.walk() if not node.virtual)
            why = "all rows it should show are right: it shows one that the source has no longer"
            yield Stale(finding.aggregate, finding.key, " or ".join(tables), "", why)


def _why(expected: dict[str, Any], image: StoredRow | None, shape: Any) -> str:
    if image is None:
        return "has no image"
    if image.columns is None:
        return "its image says it is deleted"
    if lacking := [name for name in expected if name not in image.columns]:
        return f"its image lacks {', '.join(lacking)}"
    kept = {name: image.columns[name] for name in expected}
    found = first_difference(expected, kept, shape)
    return "" if found is None else f"its image has another {found.path}"
