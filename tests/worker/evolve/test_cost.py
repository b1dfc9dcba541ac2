"""How much is written, and what it may cost."""

from __future__ import annotations

import pytest

from tests.worker.evolve.test_needs import CUSTOMER, ORDER, _mapping
from worker.evolve.cost import estimate
from worker.evolve.needs import evolve

OLD = _mapping(ORDER, CUSTOMER)
NEW = _mapping(ORDER.replace("sku, quantity]", "sku, quantity, price]"), CUSTOMER)


def test_documents_count_with_their_indexes_and_rows_with_their_edges() -> None:
    """An order of 1.5 KB: two units for itself and two for its index; a line: one for its image, one for its edge."""
    counts = {"s.orders": 1000, "s.lines": 5000}
    found = estimate(evolve(OLD, NEW), OLD, NEW, counts, {"order": 1500})

    assert [(w.what, w.items, w.units, w.documents) for w in found.writes] == [
        ("documents of order", 1000, 4000, True),
        ("rows of s.lines", 5000, 10_000, False),
    ]
    assert found.cost(1.25, documents=True) == pytest.approx(0.005)
    assert found.cost(1.25, documents=False) == pytest.approx(0.0125)
    assert found.unknown == ()


def test_what_is_not_counted_is_named() -> None:
    """An aggregate's own count goes before that of its root table."""
    assert estimate(evolve(OLD, NEW), OLD, NEW, {}, {}).unknown == ("order", "s.lines")
    assert estimate(evolve(OLD, NEW), OLD, NEW, {"order": 3, "s.orders": 9}, {}).writes[0].items == 3
