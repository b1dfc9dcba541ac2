"""A store that writes nothing: reads come from a real one, writes stay in memory, and later reads see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec.structs import replace

from contract.keys import ROW_SK
from contract.values import Item, item_bytes
from worker.explain.capacity import index_units, read_units, write_units
from worker.projection.operations import WRITES, Get, Operation, Query, Refused, TableName
from worker.store.memory import Address, MemoryStore

# pk, sk, v, and the version's own length: an edge has nothing else
_EDGE_BYTES: Final = 5 + 50
DONE: Final = "done"


class Base(Protocol):
    """Where reads come from: a DynamoStore, or an empty MemoryStore."""

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies to a group."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the engine. Steps of one group go side by side; `size_bytes` is what its units are counted by.

    `index_units` are those of the secondary indexes behind a document's write.
    """

    group: int
    operation: Operation
    outcome: str
    size_bytes: int
    units: int
    index_units: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it would change something."""
        return isinstance(self.operation, WRITES)

    def units_in(self, regions: int) -> int:
        """Units in all regions of a document: what is done is written in each, what is refused costs in one only."""
        units = self.units + self.index_units
        replicated = self.is_write and self.operation.table is TableName.DOCUMENTS and self.outcome == DONE
        return units * regions if replicated else units


class Overlay(MemoryStore):
    """Notes every operation as a step."""

    def __init__(self, base: Base) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._base = base
        self._fetched: set[Address] = set()
        self._groups = 0

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies to a group, as the real store would give them had it done all writes so far."""
        self.check_group(group)
        self._groups += 1
        self._fetch([(op.table, op.pk, op.sk) for op in group if not isinstance(op, Query)])
        return [self._query(op) if isinstance(op, Query) else self._noted(op) for op in group]

    def _fetch(self, addresses: Sequence[Address]) -> None:
        """Whole items, whatever part of them is asked for: units are counted by the whole, conditions need them."""
        unknown = [address for address in dict.fromkeys(addresses) if address not in self._fetched]
        if not unknown:
            return
        items: list[Item | None] = self._base.run([Get(*address) for address in unknown])
        self._fetched.update(unknown)
        self.items.update({address: item for address, item in zip(unknown, items, strict=True) if item is not None})

    def _noted(self, operation: Any) -> Any:
        address = (operation.table, operation.pk, operation.sk)
        before = self.items.get(address)
        reply = self.apply(operation)
        if isinstance(operation, Get):
            size = _size(before)
            self._note(operation, "found" if before else "absent", size, read_units(size))
            return reply
        after = self.items.get(address)
        size = max(_size(before), _size(after))
        behind = index_units(before, after) if operation.table is TableName.DOCUMENTS else 0
        self._note(operation, "refused" if isinstance(reply, Refused) else DONE, size, write_units(size), behind)
        return reply

    def _query(self, operation: Query) -> tuple[str, ...]:
        # all of it: what the overlay has deleted must not shorten a part
        (stored,) = self._base.run([replace(operation, limit=0)])
        self._fetch([(operation.table, operation.pk, sk) for sk in stored if sk == ROW_SK])
        gone = {a[2] for a in self._fetched if a[:2] == (operation.table, operation.pk) and a not in self.items}
        here = self._sort_keys(replace(operation, limit=0))
        found = tuple(sorted((set(stored) - gone).union(here), key=str.encode)[: operation.limit or None])
        size = sum(self._size_of((operation.table, operation.pk, sk)) for sk in found)
        self._note(operation, f"{len(found)} found", size, read_units(size))
        return found

    def _size_of(self, address: Address) -> int:
        item = self.items.get(address)
        return item_bytes(item) if item else len(address[1].encode()) + len(address[2].encode()) + _EDGE_BYTES

    def _note(self, operation: Operation, outcome: str, size: int, units: int, behind: int = 0) -> None:
        self.steps.append(Step(self._groups, operation, outcome, size, units, behind))


def _size(item: Item | None) -> int:
    return item_bytes(item) if item else 0
