"""What the drift ledger means for the mappings: which of them use a column that vanished or changed its type. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.mapping import Mapping, Node, Template
from worker.instants import instant
from worker.records.drift import Drift, Ledger, What

_BREAKS: Final = frozenset({What.VANISHED, What.RETYPED})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed; `uses`: where mappings use the column, `open`: it is so still, and a mapping uses it."""

    table: str
    drift: Drift
    uses: tuple[str, ...]
    open: bool

    @property
    def at(self) -> str:
        """When DMS built the record."""
        return instant(self.drift.at, "seconds")

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "table": self.table,
            "what": self.drift.what,
            "name": self.drift.name,
            "detail": self.drift.detail,
            "at": self.at,
            "position": self.drift.position,
            "used_by": list(self.uses),
            "open": self.open,
        }


def findings(ledgers: dict[str, Ledger], mapping: Mapping) -> list[Finding]:
    """Everything noticed, by table and time."""
    found = []
    for table, ledger in sorted(ledgers.items()):
        for at, drift in enumerate(ledger.events):
            uses = tuple(_uses(mapping, table, drift.name)) if drift.what in _BREAKS else ()
            mended = any(
                later.name == drift.name for later in ledger.events[at + 1 :] if later.what is not What.CONTROL
            )
            found.append(Finding(table, drift, uses, open=bool(uses) and not mended))
    return found


def _uses(mapping: Mapping, table: str, column: str) -> Iterator[str]:
    for aggregate in mapping.aggregates:
        for path, node in _places(aggregate.root, ()):
            if node.table != table or column not in {*node.needs, *node.join}:
                continue
            names = [field.name for field in node.fields if field.column == column]
            names += [entry.name for entry in node.computed if isinstance(entry, Template) and (column,) in entry.parts]
            yield from (".".join((aggregate.name, *path, name)) for name in names or [f"({_part(node, column)})"])


def _part(node: Node, column: str) -> str:
    """What else than a field a column may be for."""
    if column in node.key:
        return "key"
    if column in node.order_by:
        return "order_by"
    return "where" if any(rule.column == column for rule in node.where) else "join"


def _places(node: Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    yield path, node
    for child in node.children:
        shown = path if node.virtual else (*path, child.name)
        yield from _places(child, shown)
