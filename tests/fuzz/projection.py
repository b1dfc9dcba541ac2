"""Whatever decodes, the engine makes it durable, stores only what DynamoDB holds, and ends at the same documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from api_lambdas.queries.repository import _document
from api_lambdas.shared.json_text import loads
from contract.mapping import Lookup, Mapping
from contract.values import Item, from_item, item_bytes, number_text
from tests.fuzz import records
from tests.fuzz.parts import Target, split
from tests.fuzz.records import MAX_ITEM_BYTES, MAX_PK_BYTES, MAX_SK_BYTES, plans, source_of, stream_records
from worker.intake import Intake
from worker.projection.engine import project
from worker.projection.operations import Applied, Operation, Query, TableName
from worker.records.errors import TableLacks
from worker.records.rows import RowChange
from worker.store.memory import Address, MemoryStore

HEAD_BYTES: Final = records.HEAD_BYTES
AS_OF: Final = "2026-01-01T00:00:00.000000Z"
MAX_NESTING: Final = 32
_OF_A_WRITE: Final = ("_rev", "_fp", "_as_of")
"""What differs with the way that led to a document."""


class WireStore(MemoryStore):
    """Refuses what DynamoDB would: keys, numbers, names and texts that have no form there."""

    def put(self, address: Address, item: Item) -> Applied:
        """As the memory store, for storable items only."""
        storable(item)
        return super().put(address, item)

    def apply(self, operation: Operation) -> Any:
        """Keys of reads are keys, too."""
        assert 0 < len(operation.pk.encode()) <= MAX_PK_BYTES
        sk = operation.prefix if isinstance(operation, Query) else operation.sk
        assert len(sk.encode()) <= MAX_SK_BYTES
        return super().apply(operation)


def storable(item: Item) -> None:
    """Raises AssertionError unless DynamoDB takes the item."""
    assert item_bytes(item) <= MAX_ITEM_BYTES
    for name, value in item.items():
        assert 0 < len(name.encode()) < 65_536
        _value(value, 0)
    for name in ("pk", "sk", *(f"_i{slot}{part}" for slot in range(4) for part in "ps")):
        if name in item:
            longest = MAX_PK_BYTES if name.endswith(("pk", "p")) else MAX_SK_BYTES
            assert 0 < len(item[name]["S"].encode()) <= longest, f"{name} is no key"


def _value(value: Any, depth: int) -> None:
    assert depth < MAX_NESTING, "nested too deeply"
    ((kind, inner),) = value.items()
    if kind == "S":
        inner.encode()
    elif kind == "N":
        assert number_text(loads(inner)) == inner
    elif kind == "M":
        for name, below in inner.items():
            assert name.encode()
            _value(below, depth + 1)
    elif kind == "L":
        for below in inner:
            _value(below, depth + 1)
    else:
        assert (kind, inner) in (("NULL", True), ("BOOL", True), ("BOOL", False))


def check(data: bytes) -> None:
    """Project the parts as one batch, twice, then one after the other. Raises for a finding."""
    head, parts = split(data, HEAD_BYTES)
    plan = plans()[head[0] % len(plans())]
    intake = Intake(plan.mapping, source_of(head[1] % 128, plan.mapping), notes_tables=head[1] < 128)
    taken = intake.take(stream_records(parts))
    intake.settle(taken, {})
    together, one_by_one = WireStore(), WireStore()
    try:
        together.drive(project(plan, taken.changes, AS_OF))
        before = dict(together.items)
        counts = together.drive(project(plan, taken.changes, AS_OF))
        assert together.items == before, "the same batch again changes something"
        assert counts.documents_written + counts.documents_parked == 0, "the same batch again writes a document"
        for change in taken.changes:
            one_by_one.drive(project(plan, [change], AS_OF))
    except TableLacks:
        return
    _readable(together)
    if _same_in_any_order(plan.mapping, taken.changes):
        assert _documents(together) == _documents(one_by_one), "one batch and single records end differently"


def _same_in_any_order(mapping: Mapping, changes: list[RowChange]) -> bool:
    """Copies show what was known first; a parked document keeps what fitted last."""
    copies = any(node.lookup is Lookup.COPY for aggregate in mapping.aggregates for node in aggregate.root.walk())
    return not copies and not any(change.missing for change in changes)


def _documents(store: MemoryStore) -> dict[str, Any]:
    found = {}
    for (table, pk, _), item in store.items.items():
        if table is TableName.DOCUMENTS:
            kept = {name: value for name, value in item.items() if name not in _OF_A_WRITE}
            found[pk] = item.get("_parked", kept)
    return found


def _readable(store: MemoryStore) -> None:
    """The API can show every stored document."""
    for (table, _, _), item in store.items.items():
        if table is TableName.DOCUMENTS and (document := _document(item)) is not None:
            assert loads(document.text()) == from_item(document.attributes), "a document changes on its way out"


def seeds() -> Iterator[bytes]:
    """The records of every example."""
    return records.seeds()


TARGET: Final = Target("projection", check, seeds)
