"""One DMS record in words: the change it is, its version, and where its row stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from contract.mapping import Kind, Policy
from worker.projection.plan import Place, Plan
from worker.records.envelope import ChangeEvent, Operation
from worker.records.incarnations import Incarnations
from worker.records.rows import RowChange, row_changes
from worker.records.source import Source

FIRST_ONLY: Final = Incarnations()


@dataclass(frozen=True, slots=True)
class Stand:
    """A place where the row's table stands: the aggregate, the path in its documents, and the way up from the row."""

    aggregate: str
    path: str
    way: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A foreign key that a mapping follows, and the key it holds (None: NULL, it points nowhere)."""

    columns: tuple[str, ...]
    parent: str
    key: str | None
    was: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A change of a mapped table. `changes` are what the engine gets: two for a changed primary key."""

    event: ChangeEvent
    changes: tuple[RowChange, ...] = field(repr=False)
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    sensitive: dict[str, Policy]
    stands: tuple[Stand, ...]
    pointers: tuple[Pointer, ...]

    @property
    def moves(self) -> str | None:
        """Whether the row goes to another parent, as far as the record shows; None when there is nothing to say."""
        if self.event.operation is not Operation.UPDATE or not self.pointers:
            return None
        moved = [pointer for pointer in self.pointers if pointer.was is not None and pointer.was != pointer.key]
        if moved:
            return ", ".join(f"from {p.parent} {p.was} to {p.key or 'nowhere'}" for p in moved)
        if all(set(pointer.columns) <= set(self.event.before or {}) for pointer in self.pointers):
            return "no"
        return "only the stored row shows it: the before image has not all its foreign keys (look with --online)"


def explain_record(data: bytes, plan: Plan, source: Source, incarnations: Incarnations = FIRST_ONLY) -> Explained | str:
    """The record explained, or one line on a record that changes no mapped table.

    Sensitive columns are gone or tokens, as the worker would have them.
    Raises PoisonRecord for a record that would be parked, TableLacks when its whole table would be.
    """
    event = source.decode(data)
    name = printable(event.table)
    if not isinstance(event, ChangeEvent):
        return f"{type(event).__name__}: a record about {name} that changes no row; it is passed over"
    if event.table not in plan.mapping.tables:
        return f"{event.operation} of {name}: no mapping uses this table; the record is passed over"
    table = plan.mapping.tables[event.table]
    event = source.protection.event(event)
    changes = row_changes(event, table, incarnations.of(event.built_micros), source.order)
    return Explained(
        event=event,
        changes=changes,
        kept=tuple(column for column in table.columns if column in event.data),
        dropped=tuple(map(printable, sorted(event.data.keys() - set(table.columns)))),
        sensitive=dict(plan.mapping.policies.get(event.table, {})),
        stands=tuple(_stand(place) for place in plan.places[event.table]),
        pointers=tuple(_pointers(event, changes[0], plan)),
    )


def printable(text: str) -> str:
    """Names in a record as a terminal can show them: any character may stand there."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _stand(place: Place) -> Stand:
    names = []
    step: Place | None = place
    while step is not None and step.above is not None:
        if not step.above.node.virtual:  # a virtual place and its child share a name
            names.append(step.node.name)
        step = step.above
    return Stand(place.aggregate.name, ".".join(reversed(names)) or "(root)", _way(place))


def _way(place: Place) -> str:
    if place.above is None:
        return "its own document"
    columns, parent = ", ".join(place.node.join), place.above.node.table
    if place.node.kind is Kind.MANY:
        return f"belongs to {parent} by {columns}"
    return f"is looked up by {columns} of {parent}"


def _pointers(event: ChangeEvent, change: RowChange, plan: Plan) -> list[Pointer]:
    now = {(link.parent, link.columns): link.key for link in plan.links(change.table, change.row)}
    before = {name: value for name, value in (event.before or {}).items() if not isinstance(value, (dict, list))}
    old_row: dict[str, Any] = {**(change.row or {}), **before}
    old = {(link.parent, link.columns): link.key for link in plan.links(change.table, old_row)}
    return [
        Pointer(ref.columns, ref.parent, now.get((ref.parent, ref.columns)), old.get((ref.parent, ref.columns)))
        for ref in plan.references[change.table]
    ]
