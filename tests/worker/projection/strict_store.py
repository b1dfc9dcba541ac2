"""A store in memory, as strict as DynamoDB where the engine could lean on a kinder one; faults are the caller's."""

from __future__ import annotations

from collections.abc import Sequence

from contract.values import AttributeValue, Item, item_bytes
from worker.projection.operations import (
    APPLIED,
    WRITES,
    Applied,
    Condition,
    Delete,
    Get,
    Insert,
    Operation,
    Query,
    Refused,
    Replace,
    TableName,
    Update,
)

MAX_ITEM_BYTES = 409_600
MAX_PK_BYTES = 2_048
MAX_SK_BYTES = 1_024


class StrictStore:
    """Items by table, partition and sort key; every operation is one atomic step."""

    def __init__(self) -> None:
        self.items: dict[tuple[TableName, str, str], Item] = {}
        self.image_regressions = 0
        self.document_regressions = 0
        self.applied_writes = 0

    def check_group(self, group: Sequence[Operation]) -> None:
        """What DynamoDB refuses as a whole: one item twice among the writes or the reads of a call."""
        for kind in (WRITES, Get):
            named = [(op.table, op.pk, getattr(op, "sk", "")) for op in group if isinstance(op, kind)]
            assert len(named) == len(set(named)), "one group names an item twice"
        assert not any(isinstance(op, WRITES) for op in group) or all(isinstance(op, WRITES) for op in group), (
            "reads and writes mixed"
        )

    def apply(self, operation: Operation) -> Item | tuple[str, ...] | Applied | Refused | None:
        """Run one operation; conditions on a missing item never hold."""
        if isinstance(operation, Query):
            return tuple(
                sk
                for (table, pk, sk) in sorted(self.items, key=lambda key: key[2].encode())
                if table is operation.table and pk == operation.pk and sk.startswith(operation.prefix)
            )
        address = (operation.table, operation.pk, operation.sk)
        stored = self.items.get(address)
        if isinstance(operation, Get):
            if stored is None:
                return None
            wanted = operation.attributes
            return {name: value for name, value in stored.items() if not wanted or name in wanted}
        if isinstance(operation, Insert):
            if stored is not None:
                return Refused(dict(stored))
            return self._put(address, operation.item)
        if stored is None or not all(_holds(stored, condition) for condition in operation.when):
            return Refused(None if stored is None else dict(stored))
        if isinstance(operation, Delete):
            del self.items[address]
            self.applied_writes += 1
            return APPLIED
        if isinstance(operation, Replace):
            return self._put(address, operation.item)
        assert isinstance(operation, Update)
        return self._put(address, {**stored, **operation.assign})

    def _put(self, address: tuple[TableName, str, str], item: Item) -> Applied:
        assert item["pk"] == {"S": address[1]}
        assert item["sk"] == {"S": address[2]}
        assert address[1], "DynamoDB has no empty key"
        assert len(address[1].encode()) <= MAX_PK_BYTES
        assert len(address[2].encode()) <= MAX_SK_BYTES
        assert item_bytes(item) <= MAX_ITEM_BYTES
        before = self.items.get(address)
        if before is not None:
            if "v" in item:
                self.image_regressions += item["v"]["S"] < before["v"]["S"]
            if "_rev" in item:
                self.document_regressions += int(item["_rev"]["N"]) <= int(before["_rev"]["N"])
        self.items[address] = dict(item)
        self.applied_writes += 1
        return APPLIED


def _holds(item: Item, condition: Condition) -> bool:
    stored = item.get(condition.attribute)
    if stored is None or set(stored) != set(condition.value):
        return False
    left, right = _comparable(stored), _comparable(condition.value)
    return {"=": left == right, "<": left < right, "<=": left <= right}[condition.operator]


def _comparable(value: AttributeValue) -> tuple[int, str]:
    return (int(value["N"]), "") if "N" in value else (0, value["S"])
