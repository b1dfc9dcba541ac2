"""Which columns the records of a table have, and what is new about them: names and kinds only, no values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from worker.records.envelope import ChangeEvent, ControlEvent, Operation

MAX_EVENTS: Final = 200
MAX_COLUMNS: Final = 2_000
"""More are not kept: the ledger of a table is one small item."""
MAX_NAME: Final = 128

TYPES_EVERY: Final = 16
"""Kinds of values are looked at in every sixteenth record of a table: a changed type stays, so it is seen soon."""

_ARROW: Final = " -> "
_OFTEN: Final = 3
"""A column that vanished so often is not told of any more: its NULLs are left out of the records."""

_QUIET: Final = frozenset({"create-table", "drop-table"})
"""Written whenever a task starts."""


class What(StrEnum):
    """What happened to a column or to a table's definition."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    RETYPED = "retyped"
    CONTROL = "control"


_VERBS: Final = {What.APPEARED: "appeared", What.VANISHED: "vanished", What.RETYPED: "changed its type"}


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing noticed. `at`: when DMS built the record, epoch microseconds; `position` as in the record, or empty.

    `name`: the column, or a control record's operation. `detail`: `number -> text` of a changed type.
    """

    what: What
    name: str
    at: int
    position: str
    detail: str = ""

    @property
    def text(self) -> str:
        """What happened, for people."""
        if self.what is What.CONTROL:
            return f"control record {self.name}"
        kinds = f" ({self.detail})" if self.what is What.RETYPED else ""
        return f"column {self.name} {_VERBS[self.what]}{kinds}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of a table: kinds of its columns ("" while only NULL was seen) and the last things noticed.

    `revision` is for whoever stores it.
    """

    columns: dict[str, str] = field(default_factory=dict)
    events: tuple[Drift, ...] = ()
    revision: int = 0

    def with_drift(self, drift: Iterable[Drift]) -> Ledger:
        """The ledger after it, itself when it knew all of that. A first sight of a table has nothing to report."""
        events = list(self.events)
        columns = dict(self.columns)
        for one in drift:
            if one.what is not What.CONTROL and not _apply(columns, one):
                continue
            first_value = one.what is What.RETYPED and _ARROW not in one.detail
            if self.columns and not first_value and one not in events:
                events.append(one)
        if columns == self.columns and len(events) == len(self.events):
            return self
        return replace(self, columns=columns, events=tuple(events[-MAX_EVENTS:]))


def _apply(columns: dict[str, str], drift: Drift) -> bool:
    """Bring the columns up to date; whether that was new."""
    before = dict(columns)
    if drift.what is What.VANISHED:
        columns.pop(drift.name, None)
    elif drift.what is What.RETYPED:
        columns[drift.name] = drift.detail.rpartition(_ARROW)[2]
    elif len(columns) < MAX_COLUMNS:
        columns.setdefault(drift.name, drift.detail)
    return columns != before


def kind(value: Any) -> str:
    """`number`, `text`, `boolean`, `object` or `list`; "" for NULL."""
    return _KINDS[type(value)]


_KINDS: Final[dict[type, str]] = {
    type(None): "",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    str: "text",
    dict: "object",
    list: "list",
}


@dataclass(slots=True)
class _Watched:
    """What is known of a table; `names`: its columns in the order of the last record that had just them."""

    ledger: Ledger
    count: int = 0
    names: list[str] | None = None


class DriftWatch:
    """Compares a shard's records with the ledgers; costs a comparison of two lists of names for most records."""

    def __init__(self) -> None:
        self._tables: dict[str, _Watched] = {}

    def know(self, ledgers: dict[str, Ledger]) -> None:
        """Take over what is stored."""
        for table, ledger in ledgers.items():
            watched = self._tables.setdefault(table, _Watched(ledger))
            watched.ledger, watched.names = ledger, None

    def see(self, event: ChangeEvent) -> list[Drift]:
        """What a change shows that the ledger does not say.

        A record older than the newest thing noticed is a replay or late, and shows nothing; nor does a delete, which
        may have the key alone. Only a whole row shows that a column is gone: an update may leave columns out.
        """
        watched = self._tables.get(event.table)
        if watched is None:
            watched = self._tables[event.table] = _Watched(_EMPTY)
        names = [*event.data]
        looks_at_types = not watched.count % TYPES_EVERY
        watched.count += 1
        same = names == watched.names
        if same and not looks_at_types:
            return []
        ledger = watched.ledger
        if not same and event.data.keys() == ledger.columns.keys():
            same, watched.names = True, names
        if (same and not looks_at_types) or event.operation is Operation.DELETE or _late(event, ledger):
            return []
        found = ([] if same else _columns(event, ledger)) + _types(event, ledger)
        if found:
            watched.ledger, watched.names = ledger.with_drift(found), None
        return found

    def control(self, event: ControlEvent) -> list[Drift]:
        """What a control record says; that a table is made or dropped is said at every start of a task."""
        if event.operation in _QUIET:
            return []
        drift = Drift(What.CONTROL, _printable(event.operation), event.built_micros, "")
        watched = self._tables.get(event.table)
        return [] if watched is not None and drift in watched.ledger.events else [drift]


_EMPTY: Final = Ledger()


def _late(event: ChangeEvent, ledger: Ledger) -> bool:
    return bool(ledger.events) and event.built_micros <= ledger.events[-1].at


def _columns(event: ChangeEvent, ledger: Ledger) -> list[Drift]:
    if event.operation is Operation.UPDATE and event.data.keys() <= ledger.columns.keys():
        return []
    position = _printable(event.stream_position or "")
    room = max(0, MAX_COLUMNS - len(ledger.columns))
    new = [name for name in event.data if name not in ledger.columns and _storable(name)][:room]
    gone = [] if event.operation is Operation.UPDATE else [name for name in ledger.columns if name not in event.data]
    if gone:
        often = Counter(drift.name for drift in ledger.events if drift.what is What.VANISHED)
        gone = [name for name in gone if often[name] < _OFTEN]
    return [
        *(Drift(What.APPEARED, name, event.built_micros, position, kind(event.data[name])) for name in new),
        *(Drift(What.VANISHED, name, event.built_micros, position) for name in gone),
    ]


def _types(event: ChangeEvent, ledger: Ledger) -> list[Drift]:
    found = []
    for name, value in event.data.items():
        now, known = _KINDS[type(value)], ledger.columns.get(name)
        if known is None or not now or now == known:
            continue
        detail = f"{known}{_ARROW}{now}" if known else now
        position = _printable(event.stream_position or "")
        found.append(Drift(What.RETYPED, name, event.built_micros, position, detail))
    return found


def _printable(text: str) -> str:
    """What a record says, as a line and an item can hold it: any text may stand there."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_NAME])


def _storable(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and name.isprintable()
