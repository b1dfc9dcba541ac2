"""How much is written, and what it may cost."""

from __future__ import annotations

import pytest

from tests.worker.evolve.test_needs import CUSTOMER, ORDER, _mapping
from worker.evolve.cost import estimate
from worker.evolve.needs import evolve

OLD = _mapping(ORDER, CUSTOMER)
NEW = _mapping(ORDER.replace("sku, quantity]", "sku, quantity, price]"), CUSTOMER)


def test_documents_count_with_their_indexes_and_rows_with_their_edges() -> None:
    """An order of 1.5 KB: two units for itself and two for its index; the lines' edges are there."""
    counts = {"s.orders": 1000, "s.lines": 5000}
    found = estimate(evolve(OLD, NEW), OLD, NEW, counts, {"order": 1500})

    assert [(w.what, w.items, w.units, w.documents) for w in found.writes] == [
        ("documents of order", 1000, 4000, True),
        ("rows of s.lines", 5000, 5000, False),
    ]
    assert found.cost(1.25, documents=True) == pytest.approx(0.005)
    assert found.cost(1.25, documents=False) == pytest.approx(0.00625)
    assert found.unknown == ()


def test_what_is_not_counted_is_named() -> None:
    """An aggregate's own count goes before that of its root table."""
    assert estimate(evolve(OLD, NEW), OLD, NEW, {}, {}).unknown == ("order", "s.lines")
    assert estimate(evolve(OLD, NEW), OLD, NEW, {"order": 3, "s.orders": 9}, {}).writes[0].items == 3


def test_a_foreign_key_that_is_newly_followed_costs_edges() -> None:
    """Each row's image notes it, too."""
    after = _mapping(ORDER, CUSTOMER + "many:\n  orders: {source: s.orders, key: id, join: status, fields: [id]}\n")
    evolution = evolve(OLD, after)

    assert evolution.edges == {"s.orders": 1}
    found = estimate(evolution, OLD, after, {"s.orders": 10, "s.customers": 4}, {})
    assert [(w.what, w.units) for w in found.writes] == [("documents of customer", 4), ("rows of s.orders", 20)]
