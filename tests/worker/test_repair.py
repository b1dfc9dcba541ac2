"""The row store as `verify --repair` sees it, where documents hold their rows."""

from __future__ import annotations

from typing import Any, cast

import pytest

from contract.values import from_item
from tests.worker.projection.flat_histories import MISFIT, PLAN, TABLE, change
from tests.worker.projection.strict_store import StrictStore
from worker.explain.dry_run import of_document, of_row
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.repair import RowStore, StoredRow
from worker.store.dynamodb import DynamoStore

AS_OF = "2026-01-01T00:00:00.000000Z"


def row(value: Any) -> dict[str, Any]:
    return {"val": value, "team": "a", "big": "b"}


@pytest.fixture
def store() -> StrictStore:
    """A row in a document, one in an image, one that is deleted."""
    made = StrictStore()
    for one in (change("held", row(1), 1), change("image", row(MISFIT), 1), change("gone", None, 1)):
        made.drive(project(PLAN, [one], AS_OF))
    return made


def test_a_rebuild_leaves_documents_that_hold_their_row(store: StrictStore) -> None:
    """They are all that is stored of it; what is made of an image is made again."""
    before = dict(store.items)

    RowStore(PLAN.mapping, cast("DynamoStore", store)).rebuild([("user", "held"), ("user", "gone"), ("user", "never")])

    assert store.items == before
    RowStore(PLAN.mapping, cast("DynamoStore", store)).rebuild([("user", "image")])
    assert "_parked" in from_item(store.items[TableName.DOCUMENTS, "user#image", "#"])


def test_rows_are_shown_wherever_they_are_stored(store: StrictStore) -> None:
    found = RowStore(PLAN.mapping, cast("DynamoStore", store)).rows(
        [(TABLE, key) for key in ("held", "image", "gone", "never")]
    )

    assert found == [
        StoredRow({**row(1), "id": "held"}),
        StoredRow({**row(MISFIT), "id": "image"}),
        StoredRow(None),
        None,
    ]


def test_explain_shows_what_such_a_document_costs(store: StrictStore) -> None:
    """Built anew it stays as it is; a change of its row is one write, of a document."""
    before = dict(store.items)
    aggregate = PLAN.flats[TABLE].aggregate

    (stays,) = of_document(PLAN, store, aggregate, "held").documents
    changed = of_row(PLAN, store, TABLE, "held")

    assert (stays.outcome, [document.outcome for document in changed.documents]) == ("as it is stored", ["written"])
    assert (changed.units(writes=True, table=TableName.ROWS), len(changed.joins)) == (0, 0)
    assert sum(step.is_write for step in changed.steps) == 1
    assert store.items == before
