"""What DynamoDB says it has charged is summed up by table."""

from __future__ import annotations

from typing import Any

import pytest

from worker.projection.operations import TableName
from worker.store.usage import Meter, Usage, add_consumed

TABLES = {"r": TableName.ROWS, "d": TableName.DOCUMENTS}


def _units(table: str, units: float) -> dict[str, Any]:
    return {"TableName": table, "CapacityUnits": units}


@pytest.mark.parametrize(
    ("consumed", "rows", "documents"),
    [
        (_units("r", 1.5), 1.5, 0),
        ([_units("r", 2.0), _units("d", 3.0)], 2, 3),
        ([_units("somebody's", 2.0)], 0, 0),
        (None, 0, 0),
        ([], 0, 0),
    ],
    ids=["a single call", "a batch", "another table", "null", "an empty list"],
)
def test_units_are_added_to_their_table(consumed: Any, rows: float, documents: float) -> None:
    """Twice the same answer is twice the units."""
    usage = Usage()
    for _ in range(2):
        add_consumed(usage.write_units, TABLES, {"ConsumedCapacity": consumed})
    assert usage.write_units == {TableName.ROWS: 2 * rows, TableName.DOCUMENTS: 2 * documents}
    assert not any(usage.read_units.values())


def test_an_answer_without_units_adds_nothing() -> None:
    """A stand-in may leave them out."""
    usage = Usage()
    add_consumed(usage.read_units, TABLES, {})
    assert usage == Usage()


def test_a_meter_tells_what_was_added_since_its_last_reading() -> None:
    totals = {TableName.ROWS: 5.0, TableName.DOCUMENTS: 0.0}
    meter = Meter(totals)
    assert meter.read() == {}
    totals[TableName.ROWS] += 1.5
    assert meter.read() == {"rows": 1.5}
    totals[TableName.ROWS] += 2
    totals[TableName.DOCUMENTS] += 3
    assert meter.read() == {"rows": 2, "documents": 3}
    assert meter.read() == {}
