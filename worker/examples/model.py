"""An example as its file says it. Values keep where they stand, so that a failure can point there."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from worker.records.envelope import Operation

Scalar = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a mapping file; line and column count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that a document must have: a scalar, an object or a list of such values."""

    value: Scalar | dict[str, Wanted] | tuple[Wanted, ...] = field(hash=False)
    at: Position


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a source row. `row` and `before` hold the columns given, by name."""

    operation: Operation
    table: str
    row: dict[str, Any] = field(hash=False)
    before: dict[str, Any] = field(hash=False)
    unchanged: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one document must be: its attributes; None where there must be none. `parked`: flagged as not fitting."""

    key: str
    document: Wanted | None
    parked: bool
    at: Position


@dataclass(frozen=True, slots=True)
class Example:
    """Changes in the order of the source, and the documents of one aggregate that they must lead to.

    `in_order`: it holds only for records that come in this order, as a lookup that keeps what it showed first.
    """

    aggregate: str
    name: str
    changes: tuple[Change, ...]
    expected: tuple[Expectation, ...]
    at: Position
    in_order: bool = False
