"""What a verification found: counts per aggregate and the first differences. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How a document and its source differ."""

    MISSING = "missing"
    SURPLUS = "surplus"
    DIFFERENT = "different"


@dataclass(slots=True)
class Counts:
    """Documents of one aggregate. `expected`: source rows that make one; `stored`: documents that readers get.

    `moving`: different at every look, and never twice in the same way.
    """

    expected: int = 0
    stored: int = 0
    equal: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    parked: int = 0
    moving: int = 0

    @property
    def differences(self) -> int:
        """All kinds together; parked documents are none, because they say themselves that they are behind."""
        return self.missing + self.surplus + self.different


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `expected` and `stored` are values: show them only when asked to."""

    kind: Kind
    aggregate: str
    key: str
    path: str = ""
    note: str = ""
    expected: Any = None
    stored: Any = None


@dataclass(frozen=True, slots=True)
class Uncompared:
    """An attribute that is left out on both sides, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotCarried:
    """Values of a column that cannot be compared: which ones, and by which setting."""

    column: str
    values: str
    setting: str


@dataclass(frozen=True, slots=True)
class Stale:
    """A row that must be reloaded for a document to become right, and why; without `row`, some row of the tables."""

    aggregate: str
    key: str
    table: str
    row: str
    why: str


@dataclass(slots=True)
class Report:
    """All counts, and the first findings, at most `limit` in memory.

    `rebuilt`: documents that differed and were rebuilt; `stale`: why the first of those that still differ do.
    """

    limit: int
    aggregates: dict[str, Counts] = field(default_factory=dict)
    uncompared: tuple[Uncompared, ...] = ()
    not_carried: tuple[NotCarried, ...] = ()
    first: list[Finding] = field(default_factory=list)
    rebuilt: int = 0
    stale: tuple[Stale, ...] = ()

    def counts(self, aggregate: str) -> Counts:
        """The counts of an aggregate, zeros at first."""
        return self.aggregates.setdefault(aggregate, Counts())

    def add(self, finding: Finding) -> None:
        """Count a difference, and keep it if it is among the first."""
        counts = self.counts(finding.aggregate)
        setattr(counts, finding.kind, getattr(counts, finding.kind) + 1)
        if len(self.first) < self.limit:
            self.first.append(finding)

    def take_back(self, aggregate: str, kind: str) -> None:
        """Count a difference no more: it is judged anew."""
        counts = self.counts(aggregate)
        setattr(counts, kind, getattr(counts, kind) - 1)

    @property
    def verified(self) -> int:
        """Documents that the source expects."""
        return sum(counts.expected for counts in self.aggregates.values())

    @property
    def differences(self) -> int:
        """Over all aggregates."""
        return sum(counts.differences for counts in self.aggregates.values())

    @property
    def parked(self) -> int:
        """Over all aggregates."""
        return sum(counts.parked for counts in self.aggregates.values())

    @property
    def moving(self) -> int:
        """Over all aggregates."""
        return sum(counts.moving for counts in self.aggregates.values())

    def summary(self) -> str:
        """`verified 2,431 documents: 0 differences`; parked and moving documents are added where there are any."""
        line = f"verified {_count(self.verified, 'document')}: {_count(self.differences, 'difference')}"
        line += f" after {_count(self.rebuilt, 'rebuild')}" if self.rebuilt else ""
        line += f", {self.parked:,} parked" if self.parked else ""
        return line + (f", {self.moving:,} still moving" if self.moving else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
