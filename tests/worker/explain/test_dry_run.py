"""Documents too large for one item: what writing them would do, with all their lists."""

from __future__ import annotations

from tests.worker.projection.strict_store import StrictStore
from tests.worker.projection.test_overflow_parts import AS_OF, MAPPING, line, order
from worker.explain.dry_run import of_changes
from worker.projection.engine import project
from worker.projection.operations import Insert, TableName
from worker.projection.plan import make_plan

PLAN = make_plan(MAPPING)
SIZE = 30_000


def test_a_document_in_parts_is_shown_whole_though_only_one_part_would_be_written() -> None:
    store = StrictStore()
    store.drive(project(PLAN, [order(1, "a"), *(line(10 + at, at, SIZE) for at in range(20))], AS_OF))
    before = dict(store.items)

    journal = of_changes(PLAN, store, [line(50, 7, SIZE, "y")])

    (document,) = journal.documents
    assert document.outcome.startswith("written, in ")
    assert document.outcome.endswith(" parts")
    assert document.size_bytes > 600_000
    assert document.body is not None
    assert [one["text"][:2] for one in document.body["lines"]][6:9] == ["6x", "7y", "8x"]
    inserted = [step.operation for step in journal.steps if isinstance(step.operation, Insert)]
    assert len([one for one in inserted if one.table is TableName.DOCUMENTS]) in (1, 2)
    assert store.items == before
