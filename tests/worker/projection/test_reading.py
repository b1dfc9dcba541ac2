"""When one look at a child is enough: if it was read after everything below it, and only then."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.worker.projection.strict_store import StrictStore
from tests.worker.projection.test_features import _plan
from worker.projection.engine import project
from worker.projection.images import RowId
from worker.projection.reading import read_trees
from worker.records.rows import Row, RowChange
from worker.records.version import change_version

PLAN = _plan("""
aggregate: order
source: s.orders
key: id
fields: [id]
many:
  lines:
    source: s.lines
    key: id
    join: order_id
    fields: [id]
    one:
      product: {source: s.products, key: id, join: product_id, fields: [title]}
""")
ROWS: tuple[tuple[str, Row], ...] = (
    ("s.orders", {"id": 1}),
    ("s.lines", {"id": 1, "order_id": 1, "product_id": 7}),
    ("s.products", {"id": 7, "title": "a"}),
)
LINE, PRODUCT = ("s.lines", "1"), ("s.products", "7")


@pytest.mark.parametrize(
    ("guessed", "looked_at_again"),
    [
        pytest.param([], [LINE], id="nothing was known"),
        pytest.param([PRODUCT], [], id="the product was read before the line"),
        pytest.param([PRODUCT, LINE], [LINE], id="the line was read beside the product"),
        pytest.param([LINE], [LINE], id="the line was read before the product"),
        pytest.param([("s.products", "8")], [LINE], id="another product"),
    ],
)
def test_a_child_is_looked_at_again_unless_it_was_read_last(
    guessed: Collection[RowId], looked_at_again: list[RowId]
) -> None:
    store = StrictStore()
    changes = [RowChange(table, str(row["id"]), change_version(1, at, 1), row) for at, (table, row) in enumerate(ROWS)]
    store.drive(project(PLAN, changes, ""))
    (aggregate,) = PLAN.mapping.aggregates

    memory = store.drive(read_trees(PLAN, [(aggregate, "1")], {("s.orders", "1"): guessed}))

    assert list(memory.again) == looked_at_again
    assert {LINE, PRODUCT} <= memory.images.keys()
