"""Rules of one setting each, as data: which values lose or reorder something, why, and what to set.

Those of the Kinesis endpoint are here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from worker.dms.findings import Finding, Part, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` may be a path; `default` is DMS's own; `bad` tells a value that is not wanted; `wanted`: what to set."""

    name: str
    default: Any
    bad: Callable[[Any], bool]
    severity: Severity
    message: str
    wanted: str

    def check(self, part: Part) -> Iterator[Finding]:
        """A finding if the part's value, or DMS's default in its place, is bad."""
        value = part.value(*self.name.split("."), default=self.default)
        if self.bad(value):
            name = self.name.rpartition(".")[2]
            change = f"set {name} to {self.wanted}" if self.wanted else ""
            yield part.finding(self.severity, self.name, self.message, change)


def equals(*values: Any) -> Callable[[Any], bool]:
    """One of these; false and 0 are not the same here."""
    return lambda value: any(type(value) is type(other) and value == other for other in values)


def differs(*values: Any) -> Callable[[Any], bool]:
    """None of these."""
    equal = equals(*values)
    return lambda value: not equal(value)


def more_than(limit: int) -> Callable[[Any], bool]:
    """A number above it."""
    return lambda value: number(value) is not None and (number(value) or 0) > limit


def less_than(limit: int) -> Callable[[Any], bool]:
    """A number below it."""
    return lambda value: number(value) is not None and (number(value) or 0) < limit


def number(value: Any) -> float | None:
    """The value if it is a number, which true is not."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


TARGET: Final = (
    Rule(
        "MessageFormat",
        "json",
        lambda value: str(value).lower() not in ("json-unformatted", "json_unformatted"),
        _INFO,
        "records are written with tabs and line breaks: read as well, but larger, and not one a line behind Firehose",
        "json-unformatted",
    ),
    Rule(
        "IncludeTransactionDetails",
        False,
        differs(True),
        _ERROR,
        "changes have no log position, commit time and record number, so nothing says which of two is newer:"
        " nearview parks the tables",
        "true",
    ),
    Rule(
        "IncludeNullAndEmpty",
        False,
        differs(True),
        _ERROR,
        'NULL and empty columns are left out: "set to NULL" looks like "not sent", so old values would stay',
        "true",
    ),
    Rule(
        "UseLargeIntegerValue",
        False,
        differs(True),
        _WARNING,
        "whole numbers of more than 16 digits are rounded; a rounded key is parked. Needs DMS 3.5.4",
        "true",
    ),
    Rule(
        "PartitionIncludeSchemaTable",
        False,
        differs(True),
        _WARNING,
        "rows with equal keys in different tables share a partition key, so a shard may be throttled, and what is"
        " throttled is sent again behind its successors",
        "true",
    ),
    Rule(
        "IncludePartitionValue",
        False,
        differs(True),
        _INFO,
        "records do not say by which value they are partitioned, which helps to explain a hot shard",
        "true",
    ),
    Rule(
        "IncludeControlDetails",
        False,
        differs(True),
        _INFO,
        "control records have no table definitions: changed column types are noticed only in the rows",
        "true",
    ),
    Rule(
        "IncludeTableAlterOperations",
        False,
        differs(True),
        _INFO,
        "changed table definitions are not announced: they are noticed only in the rows",
        "true",
    ),
    Rule("NoHexPrefix", False, equals(True), _INFO, "binary values come without 0x; nearview reads both", ""),
)
