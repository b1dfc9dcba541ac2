"""How much the needs write, and what that may cost. Counts and sizes are given; a price is an example. Pure."""

from __future__ import annotations

from collections.abc import Mapping as Counts
from dataclasses import dataclass
from typing import Final

from contract.mapping import Mapping
from worker.evolve.needs import Evolution, Need

DEFAULT_ITEM_BYTES: Final = 1024
WRITE_UNIT_BYTES: Final = 1024
EXAMPLE_PRICE_PER_MILLION: Final = 0.625
"""US dollars for a million write request units of a table on demand in us-east-1, as an example."""


@dataclass(frozen=True, slots=True)
class Writes:
    """Items to write and their write units; `documents` says whether each region pays them."""

    what: str
    items: int
    units: int
    documents: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """All writes whose counts are known, and the names of those that are not."""

    writes: tuple[Writes, ...]
    unknown: tuple[str, ...]

    def cost(self, price_per_million: float, *, documents: bool) -> float:
        """Price of the documents' units in one region, or of the rows' units (they are in one region only)."""
        return sum(w.units for w in self.writes if w.documents is documents) * price_per_million / 1_000_000


def estimate(
    evolution: Evolution, old: Mapping, new: Mapping, counts: Counts[str, int], sizes: Counts[str, int]
) -> Estimate:
    """About so many writes: every document once with all its indexes, every row of a reloaded table, every new edge.

    Counts and sizes go by aggregate or by table; an aggregate without its own count has its root table's.
    """
    writes: list[Writes] = []
    unknown: list[str] = []
    roots = {aggregate.name: aggregate.root.table for mapping in (old, new) for aggregate in mapping.aggregates}
    for aggregate in evolution.aggregates:
        if aggregate.need is Need.NOTHING:
            continue
        count = counts.get(aggregate.name, counts.get(roots.get(aggregate.name, ""), -1))
        if count < 0:
            unknown.append(aggregate.name)
            continue
        units = _units(sizes.get(aggregate.name, DEFAULT_ITEM_BYTES)) * (1 + aggregate.indexes)
        writes.append(Writes(f"documents of {aggregate.name}", count, count * units, documents=True))
    for table in dict.fromkeys((*(reload.table for reload in evolution.reloads), *evolution.edges)):
        count = counts.get(table, -1)
        if count < 0:
            unknown.append(table)
            continue
        units = _units(sizes.get(table, DEFAULT_ITEM_BYTES)) + evolution.edges.get(table, 0)
        writes.append(Writes(f"rows of {table}", count, count * units, documents=False))
    return Estimate(tuple(writes), tuple(unknown))


def _units(size_bytes: int) -> int:
    return max(1, -(-size_bytes // WRITE_UNIT_BYTES))
