"""Capacity units as DynamoDB counts them."""

from __future__ import annotations

import pytest

from contract.values import Item
from worker.explain.capacity import index_units, read_units, write_units


@pytest.mark.parametrize(
    ("size", "reads", "writes"), [(0, 1, 1), (1024, 1, 1), (1025, 1, 2), (4096, 1, 4), (4097, 2, 5)]
)
def test_units_are_whole_and_at_least_one(size: int, reads: int, writes: int) -> None:
    """4 KB a read, 1 KB a write; what is absent costs one."""
    assert (read_units(size), write_units(size)) == (reads, writes)


def _item(text: str, **index: str) -> Item:
    return {"body": {"S": text}, **{f"_i{name}": {"S": value} for name, value in index.items()}}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, _item("a"), 0),
        (None, _item("a", **{"1p": "x", "1s": "y"}), 1),
        (None, _item("a", **{"1p": "x"}), 0),
        (_item("a", **{"1p": "x", "1s": "y"}), _item("b" * 1500, **{"1p": "x", "1s": "y"}), 2),
        (_item("a", **{"1p": "x", "1s": "y"}), _item("b" * 1500, **{"1p": "x", "1s": "z"}), 3),
        (_item("a", **{"1p": "x", "1s": "y"}), _item("b"), 1),
        (_item("a", **{"1p": "x", "1s": "y"}), None, 1),
    ],
)
def test_each_index_of_a_document_is_written_too(before: Item | None, after: Item | None, units: int) -> None:
    """Sparse: only where both parts are there. A changed key is a delete and a put."""
    assert index_units(before, after) == units
