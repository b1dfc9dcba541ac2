"""A change's place in its source's log as an integer that orders the changes of a row, engine by engine. Pure.

Never compared as text: `7/9` comes before `10/1`. Where an engine's position does not order, or nobody has seen it,
the column that DMS's `$AR_H_CHANGE_SEQ` fills takes its place.
"""

from __future__ import annotations

import re
from binascii import a2b_hex
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from worker.records.envelope import ChangeEvent
from worker.records.errors import TableLacks
from worker.records.version import change_version, load_version

SEQUENCE_DIGITS: Final = 35
"""`$AR_H_CHANGE_SEQ`: 16 digits of time, 19 of a counter; as a number less than 2 to the power of 117."""


class Engine(StrEnum):
    """The kind of source database."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    ORACLE = "oracle"
    SQLSERVER = "sqlserver"


NAMES: Final = {
    Engine.POSTGRESQL: "PostgreSQL",
    Engine.MYSQL: "MySQL",
    Engine.ORACLE: "Oracle",
    Engine.SQLSERVER: "SQL Server",
}

CHECKS_KEYS_LATE: Final = frozenset({Engine.ORACLE, Engine.SQLSERVER})
"""They check keys at the end of a statement or transaction, so that one statement may swap the keys of two rows."""

NEEDS_SEQUENCE: Final = frozenset({Engine.ORACLE, Engine.SQLSERVER})
"""No position of theirs is known to order: Oracle's transactions may share one, of SQL Server no record was seen."""

# hi/lo of the change's own log position; the rest of the field (a number and another position) is no order
_POSTGRESQL: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})(?:\.|$)")
# file:position:row:end:transaction:file:position of the table map
_MYSQL: Final = re.compile(r"[^:]*\.([0-9]{1,9}):([0-9]{1,19}):(-?[0-9]{1,9}):")
_SQLSERVER: Final = re.compile(r"[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{4}")
_SEQUENCE: Final = re.compile(rf"[0-9]{{{SEQUENCE_DIGITS}}}")


def postgresql_position(stream_position: str) -> int | None:
    """The change's LSN as a 64-bit integer from `hi/lo.N.hi/lo`, or None when the text is something else."""
    if stream_position[8:9] == "/" and stream_position[17:18] == ".":  # padded with zeros, as DMS writes it
        try:
            return int.from_bytes(a2b_hex(stream_position[:8] + stream_position[9:17]), "big")
        except ValueError:
            pass
    match = _POSTGRESQL.match(stream_position)
    if match is None:
        return None
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)


def mysql_position(stream_position: str) -> int | None:
    """Number of the binary log file, offset of the event, row in the event: 32, 64 and 32 bits; None for other text.

    Rows of one event share its offset, and `INSERT ... ON DUPLICATE KEY UPDATE` may change one row twice in an event.
    """
    match = _MYSQL.match(stream_position)
    if match is None:
        return None
    file, offset, row = (int(part) for part in match.groups())
    return file << 96 | offset << 32 | max(row + 1, 0)  # a row number of -1 stands for the event as a whole


def engine_of(stream_position: str) -> Engine | None:
    """The engine whose positions look like that, to tell what is wrong; None if it is no known form."""
    if postgresql_position(stream_position) is not None:
        return Engine.POSTGRESQL
    if mysql_position(stream_position) is not None:
        return Engine.MYSQL
    return Engine.SQLSERVER if _SQLSERVER.fullmatch(stream_position) else None


_READ: Final[dict[Engine, Callable[[str], int | None]]] = {
    Engine.POSTGRESQL: postgresql_position,
    Engine.MYSQL: mysql_position,
}


@dataclass(frozen=True, slots=True)
class Order:
    """How the records of one source are ordered; `sequence_column`, if given, holds `$AR_H_CHANGE_SEQ`."""

    engine: Engine = Engine.POSTGRESQL
    sequence_column: str = ""

    def __post_init__(self) -> None:
        if self.engine in NEEDS_SEQUENCE and not self.sequence_column:
            raise ValueError(f"{NAMES[self.engine]} needs a change sequence")

    def place(self, event: ChangeEvent) -> tuple[int, int]:
        """Position and record number of a change. Raises TableLacks naming what to set."""
        if self.sequence_column:
            return self._sequence(event), event.record_number or 0
        if event.stream_position is None or event.record_number is None or event.commit_micros is None:
            raise TableLacks(
                event.table,
                "change records have no transaction details: set IncludeTransactionDetails=true on the DMS"
                " Kinesis endpoint",
            )
        position = _READ[self.engine](event.stream_position)
        if position is None:
            raise TableLacks(event.table, self._foreign(event.stream_position))
        return position, event.record_number

    def version(self, event: ChangeEvent, incarnation: int) -> str:
        """Version of the change or of the loaded row. Raises TableLacks naming what to set."""
        if event.operation == "load":
            return load_version(incarnation, event.built_micros)
        return change_version(incarnation, *self.place(event))

    def _sequence(self, event: ChangeEvent) -> int:
        value = event.data.get(self.sequence_column)
        text = str(value) if isinstance(value, (str, int, Decimal)) else ""
        if _SEQUENCE.fullmatch(text):
            return int(text)
        raise TableLacks(
            event.table,
            f"change records have no change sequence in column {self.sequence_column}: {sequence_rule(event.table)}",
        )

    def _foreign(self, stream_position: str) -> str:
        found = engine_of(stream_position)
        if found is None:
            return f"stream-position is not a {NAMES[self.engine]} log position: set NEARVIEW_SOURCE_ENGINE"
        return (
            f"stream-position is not a {NAMES[self.engine]} log position but looks like one of {NAMES[found]}:"
            f" set NEARVIEW_SOURCE_ENGINE={found}"
        )


POSTGRESQL_ORDER: Final = Order()


def sequence_rule(table: str = "") -> str:
    """What to add to the task's table mappings so that DMS sends a change sequence."""
    of = f" of {table}" if table else ""
    return (
        f"add a transformation rule{of} to the DMS task's table mappings: rule-action add-column, rule-target column,"
        " expression $AR_H_CHANGE_SEQ, data-type string of length 50; its column name goes into"
        " NEARVIEW_CHANGE_SEQUENCE_COLUMN"
    )
