"""The capacity units that DynamoDB says it has charged for calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.projection.operations import TableName


def _none_yet() -> dict[TableName, float]:
    return dict.fromkeys(TableName, 0.0)


@dataclass(slots=True)
class Usage:
    """Running totals by table, in this region, indexes included. A call that failed as a whole tells nothing."""

    read_units: dict[TableName, float] = field(default_factory=_none_yet)
    write_units: dict[TableName, float] = field(default_factory=_none_yet)


class Meter:
    """Reads running totals in parts: what was added from one reading to the next."""

    def __init__(self, totals: Mapping[TableName, float]) -> None:
        self._totals = totals
        self._last = dict(totals)

    def read(self) -> dict[str, float]:
        """Units since the last reading, by the name of the table, where there were any."""
        last, self._last = self._last, dict(self._totals)
        return {table.value: units - last[table] for table, units in self._last.items() if units != last[table]}


def add_consumed(units: dict[TableName, float], tables: Mapping[str, TableName], answer: Mapping[str, Any]) -> None:
    """Add an answer's ConsumedCapacity: one for each table of a batch, a single one of a single call, or none."""
    consumed = answer.get("ConsumedCapacity") or ()
    for one in (consumed,) if isinstance(consumed, Mapping) else consumed:
        table = tables.get(one["TableName"])
        if table is not None:
            units[table] += one["CapacityUnits"]
