"""The two tables in memory, as strict as DynamoDB wherever the engine could lean on a kinder store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from contract.values import AttributeValue, Item, item_bytes
from worker.projection.operations import (
    APPLIED,
    INSERTS,
    Applied,
    Condition,
    Delete,
    Get,
    Operation,
    Query,
    Refused,
    Replace,
    Steps,
    TableName,
    decoded,
    run_to_end,
)
from worker.store.usage import Usage

MAX_ITEM_BYTES: Final = 409_600
MAX_PK_BYTES: Final = 2_048
MAX_SK_BYTES: Final = 1_024

Address = tuple[TableName, str, str]
"""Table, partition key, sort key."""

Reply = Item | tuple[str, ...] | Applied | Refused | None

Result = TypeVar("Result")


class NotAllowed(Exception):
    """DynamoDB would refuse the request: too large, an empty key, one item twice in a call."""


class MemoryStore:
    """Items by address; every operation is one atomic step. For one thread. It charges nothing."""

    def __init__(self) -> None:
        self.items: dict[Address, Item] = {}
        self.usage = Usage()

    def drive(self, steps: Steps[Result]) -> Result:
        """Run a generator of operations to its end."""
        return run_to_end(steps, self.run)

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies to a group, in its order. Raises NotAllowed."""
        self.check_group(group)
        return [self.apply(operation) for operation in group]

    def check_group(self, group: Sequence[Operation]) -> None:
        """What DynamoDB refuses as a whole, one item twice in a call, and what depends on the order of calls."""
        named = [(op.table, op.pk, op.sk) for op in group if not isinstance(op, Query)]
        _require(len(named) == len(set(named)), "one group names an item twice")

    def apply(self, operation: Operation) -> Reply:
        """Run one operation; conditions on a missing item never hold."""
        if isinstance(operation, Query):
            return self._sort_keys(operation)
        address = (operation.table, operation.pk, operation.sk)
        stored = self.items.get(address)
        if isinstance(operation, Get):
            if stored is None:
                return None
            wanted = operation.attributes
            return {name: value for name, value in stored.items() if not wanted or name in wanted}
        if isinstance(operation, INSERTS):
            return self.put(address, decoded(operation.item)) if stored is None else Refused()
        if stored is None or not all(_holds(stored, condition) for condition in operation.when):
            return Refused(None if stored is None else dict(stored))
        if isinstance(operation, Delete):
            return self.remove(address)
        item = operation.item if isinstance(operation, Replace) else {**stored, **decoded(operation.assign)}
        return self.put(address, item)

    def _sort_keys(self, operation: Query) -> tuple[str, ...]:
        after = operation.after.encode()
        _require(not after or operation.after.startswith(operation.prefix), "a start outside of what is asked for")
        found = sorted(self.partition(operation.table, operation.pk), key=str.encode)
        wanted = [sk for sk in found if sk.startswith(operation.prefix) and (not after or sk.encode() > after)]
        return tuple(wanted[: operation.limit or None])

    def partition(self, table: TableName, pk: str) -> Iterable[str]:
        """The sort keys of a partition, in any order."""
        return [address[2] for address in self.items if address[:2] == (table, pk)]

    def put(self, address: Address, item: Item) -> Applied:
        """Store an item whose conditions hold."""
        _require(item["pk"] == {"S": address[1]} and item["sk"] == {"S": address[2]}, "an item under another's key")
        _require(bool(address[1]), "an empty partition key")
        _require(len(address[1].encode()) <= MAX_PK_BYTES, "the partition key is too long")
        _require(len(address[2].encode()) <= MAX_SK_BYTES, "the sort key is too long")
        _require(item_bytes(item) <= MAX_ITEM_BYTES, "the item is too large")
        self.items[address] = dict(item)
        return APPLIED

    def remove(self, address: Address) -> Applied:
        """Delete an item whose conditions hold."""
        del self.items[address]
        return APPLIED


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotAllowed(otherwise)


def _holds(item: Item, condition: Condition) -> bool:
    stored = item.get(condition.attribute)
    if stored is None or set(stored) != set(condition.value):
        return False
    left, right = _comparable(stored), _comparable(condition.value)
    return {"=": left == right, "<": left < right, "<=": left <= right}[condition.operator]


def _comparable(value: AttributeValue) -> tuple[int, str]:
    return (int(value["N"]), "") if "N" in value else (0, value["S"])
