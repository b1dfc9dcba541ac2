"""Values of several runs and what is said of them: median and spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing measured in every run."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The least value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    def to_json(self) -> dict[str, Any]:
        """As results store it."""
        return {
            "unit": self.unit,
            "median": significant(self.median),
            "low": significant(self.low),
            "high": significant(self.high),
            "values": [significant(value) for value in self.values],
        }


def ratios(unit: str, above: Sequence[float], below: Sequence[float]) -> Metric:
    """Ratios run by run: each pair was measured side by side, so what slowed the machine slowed both."""
    return Metric(unit, tuple(one / other for one, other in zip(above, below, strict=True)))


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest-rank quantile of values in any order."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def significant(value: float, digits: int = 4) -> float:
    """A figure without the digits that mean nothing; whole numbers stay whole."""
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) >= 1 else rounded
