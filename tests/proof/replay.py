"""A schema that is not random, end to end: mapping files, records through shards and faults, a store to verify."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from contract.mapping import Mapping
from contract.values import Item, from_item
from local.dms.records import Record
from local.dms.settings import Settings
from tests.proof.standin import deliver
from tests.proof.workers import Fleet
from tests.worker.projection.strict_store import StrictStore
from worker.mapping.loader import load_mappings
from worker.parked.parking import Entry
from worker.projection.operations import Applied, TableName
from worker.projection.plan import make_plan
from worker.records.errors import Reason
from worker.records.source import Source as Intake
from worker.store.memory import Address
from worker.verify.options import Options, Settle
from worker.verify.report import Report
from worker.verify.run import verify
from worker.verify.source import open_source
from worker.verify.target import Documents

_SHOWN: Final = 20
_AT_ONCE: Final = Options(Settle(seconds=0, rounds=1))


def read_folder(folder: Path) -> Mapping:
    """The mapping of a folder without problems."""
    mapping, found = load_mappings(folder)
    if mapping is None:
        raise AssertionError([str(problem) for problem in found])
    return mapping


class PartitionedStore(StrictStore):
    """Knows the items of each partition: a query need not look through a hundred thousand of them."""

    def __init__(self) -> None:
        super().__init__()
        self._partitions: defaultdict[tuple[TableName, str], set[str]] = defaultdict(set)

    def partition(self, table: TableName, pk: str) -> Iterable[str]:
        """What was noted of it."""
        return self._partitions[table, pk]

    def put(self, address: Address, item: Item) -> Applied:
        """Noted in its partition."""
        applied = super().put(address, item)
        self._partitions[address[:2]].add(address[2])
        return applied

    def remove(self, address: Address) -> Applied:
        """Gone from its partition."""
        applied = super().remove(address)
        self._partitions[address[:2]].discard(address[2])
        return applied


class Replay:
    """One store that fleets work on, one after the other."""

    def __init__(self, rng: random.Random, mapping: Mapping, settings: Settings) -> None:
        """With an empty store."""
        self.store = PartitionedStore()
        self.parked: list[Entry] = []
        self.records = 0
        self._rng = rng
        self._mapping = mapping
        self._settings = settings
        self._plan = make_plan(mapping)

    def run(
        self,
        loads: list[list[Record]],
        changes: list[Record],
        *,
        faults: int,
        batches: Sequence[int],
    ) -> None:
        """A new fleet does all these records in batches like these, with so many kills, zombies and rewinds at most."""
        shards = deliver(self._rng, self._settings, loads, changes)
        fleet = Fleet(self._rng, self._plan, Intake(), shards, faults, batches=batches, store=self.store)
        fleet.run()
        self.records += sum(map(len, shards))
        self.parked += [entry for entry in fleet.parked.entries if entry.reason != Reason.UNKNOWN_TABLE]

    def documents(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every stored document that readers get, by aggregate and key text."""
        found = {}
        for (table, pk, _), item in self.store.items.items():
            if table is TableName.DOCUMENTS and "_deleted" not in item:
                aggregate, _, key = pk.partition("#")
                own = {n: v for n, v in item.items() if not n.startswith("_") and n not in ("pk", "sk")}
                found[aggregate, key] = from_item(own)
        return found

    def wrongs(self) -> list[str]:
        """What must never be: parked records or documents, images or documents that went backward."""
        parked = [f"parked record of {entry.table}: {entry.reason} {entry.detail}" for entry in self.parked]
        for (table, pk, _), item in self.store.items.items():
            if table is TableName.DOCUMENTS and "_parked" in item:
                parked.append(f"{pk} is parked: {item['_parked']}")
        store = self.store
        backward = {"images": store.image_regressions, "documents": store.document_regressions}
        return parked + [f"{count} {what} went backward" for what, count in backward.items() if count]

    def verify(self, url: str) -> Report:
        """What `nearview verify` says of the store."""
        with open_source(url) as source:
            documents = Documents("documents", _Client(self.store))
            return verify(source, documents, self._mapping, limit=_SHOWN, progress=lambda _: None, options=_AT_ONCE)


class _Client:
    """The two calls of boto3's client that `verify` makes."""

    def __init__(self, store: StrictStore) -> None:
        self._items = {(pk, sk): item for (table, pk, sk), item in store.items.items() if table is TableName.DOCUMENTS}
        self._keys = sorted(self._items)

    def scan(self, *, Limit: int, ExclusiveStartKey: Item | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A page in the order of keys; positions are keys."""
        after = None if ExclusiveStartKey is None else _pair(ExclusiveStartKey)
        page = [key for key in self._keys if after is None or key > after][:Limit]
        more = bool(page) and page[-1] != self._keys[-1]
        last = {"LastEvaluatedKey": {"pk": {"S": page[-1][0]}, "sk": {"S": page[-1][1]}}} if more else {}
        return {"Items": [self._items[key] for key in page], **last}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """The items that exist."""
        ((table, request),) = RequestItems.items()
        found = [self._items[key] for key in map(_pair, request["Keys"]) if key in self._items]
        return {"Responses": {table: found}}


def _pair(key: Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]
