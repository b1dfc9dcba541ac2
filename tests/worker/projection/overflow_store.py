"""A store that watches documents in parts: at every moment they must be whole, and so must whatever readers are given.

Readers work between any two operations of workers: in the worker's region, first with stale reads; and in another
region, to which every item comes for itself, in any order.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.keys import DOCUMENT_SK
from contract.parts import PART_SK_PREFIX, PARTS, Names, PartsMissing, joined, part_sk, parts_of, reading
from contract.values import Item
from tests.worker.projection.strict_store import StrictStore
from worker.projection.operations import Applied, Operation, TableName
from worker.store.memory import Address, Reply

Truth = dict[tuple[str, str, str], Item]
"""What documents show, by partition, revision and fingerprint, as the engine has made them."""


def public(item: Item) -> Item:
    """What readers are shown."""
    return {name: value for name, value in item.items() if not name.startswith("_") and name not in ("pk", "sk")}


@dataclass
class Seen:
    """What became of all readers."""

    whole: int = 0
    in_parts: int = 0
    gone: int = 0
    missing: int = 0
    looked_again: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Reader:
    """One that waits for items."""

    steps: Generator[tuple[Names, int], Mapping[str, Item], Item | None]
    pk: str
    wanted: Names
    look: int
    elsewhere: bool


class OverflowStore(StrictStore):
    """Checks documents whenever one changes, and lets readers work in between."""

    def __init__(self, truth: Truth, seed: int, *, checks: bool = True) -> None:
        super().__init__()
        self.seen = Seen()
        self.torn = 0
        self._truth = truth
        self._rng = random.Random(seed)
        self._checks = checks
        self._before: dict[Address, Item | None] = {}
        self._elsewhere: dict[Address, Item] = {}
        self._on_their_way: set[Address] = set()
        self._readers: list[Reader] = []

    def put(self, address: Address, item: Item) -> Applied:
        """An item of the documents table goes to the other region, some time."""
        self._note(address)
        done = super().put(address, item)
        self._check(address)
        return done

    def remove(self, address: Address) -> Applied:
        """So does its deletion."""
        self._note(address)
        done = super().remove(address)
        self._check(address)
        return done

    def apply(self, operation: Operation) -> Reply:
        """Afterwards somebody may read, and something may arrive elsewhere."""
        reply = super().apply(operation)
        rng = self._rng
        while self._on_their_way and rng.random() < 0.4:
            self._arrive(rng.choice(sorted(self._on_their_way, key=str)))
        if operation.table is TableName.DOCUMENTS and rng.random() < 0.6:
            self._begin()
        for reader in list(self._readers):
            if rng.random() < 0.15:
                self._go_on(reader)
        return reply

    def settle(self) -> None:
        """Everything has arrived, and all readers come to their end."""
        for address in sorted(self._on_their_way, key=str):
            self._arrive(address)
        self._before.clear()
        while self._readers:
            self._go_on(self._readers[0])

    def unnamed(self) -> list[Address]:
        """Parts that no document names."""
        return [
            address
            for address in self.items
            if address[0] is TableName.DOCUMENTS
            and address[2].startswith(PART_SK_PREFIX)
            and address[2].removeprefix(PART_SK_PREFIX)
            not in parts_of(self.items.get((TableName.DOCUMENTS, address[1], DOCUMENT_SK), {}))
        ]

    def _note(self, address: Address) -> None:
        if address[0] is TableName.DOCUMENTS:
            self._before[address] = self.items.get(address)
            self._on_their_way.add(address)

    def _check(self, address: Address) -> None:
        """Whoever could read the whole partition at once would see the document as it was made."""
        item = self.items.get((TableName.DOCUMENTS, address[1], DOCUMENT_SK))
        if self._checks and address[0] is TableName.DOCUMENTS and item is not None and PARTS in item:
            parts = {part_sk(n): self.items.get((TableName.DOCUMENTS, address[1], part_sk(n))) for n in parts_of(item)}
            self.torn += not self._is_right(item, {sk: part for sk, part in parts.items() if part is not None})

    def _is_right(self, item: Item, parts: Mapping[str, Item]) -> bool:
        try:
            whole = joined(item, parts)
        except (PartsMissing, KeyError, IndexError):
            return False
        return self._as_made(whole)

    def _as_made(self, whole: Item) -> bool:
        made = self._truth.get((whole["pk"]["S"], whole["_rev"]["N"], whole["_fp"]["S"]))
        # a parked document shows an earlier state, a fenced one has a later revision
        known = [made] if made is not None else [one for key, one in self._truth.items() if key[0] == whole["pk"]["S"]]
        return public(whole) in known

    def _arrive(self, address: Address) -> None:
        self._on_their_way.discard(address)
        item = self.items.get(address)
        if item is None:
            self._elsewhere.pop(address, None)
        else:
            self._elsewhere[address] = item

    def _begin(self) -> None:
        elsewhere = self._rng.random() < 0.5
        items = self._elsewhere if elsewhere else self.items
        heads = [address for address in items if address[0] is TableName.DOCUMENTS and address[2] == DOCUMENT_SK]
        if heads:
            pk = self._rng.choice(heads)[1]
            item = self._get(pk, DOCUMENT_SK, 0, elsewhere=elsewhere)
            if item is not None and "_deleted" not in item:
                self._go(Reader(reading(item), pk, (), 0, elsewhere), None)

    def _go_on(self, reader: Reader) -> None:
        self._readers.remove(reader)
        found = {sk: self._get(reader.pk, sk, reader.look, elsewhere=reader.elsewhere) for sk in reader.wanted}
        self._go(reader, {sk: item for sk, item in found.items() if item is not None})

    def _go(self, reader: Reader, answer: Any) -> None:
        try:
            reader.wanted, reader.look = reader.steps.send(answer)
        except StopIteration as end:
            self._count(end.value)
        except PartsMissing:
            self.seen.missing += 1
        else:
            self.seen.looked_again += bool(reader.look)
            self._readers.append(reader)

    def _count(self, whole: Item | None) -> None:
        if whole is None or "_deleted" in whole:
            self.seen.gone += 1
            return
        self.seen.whole += 1
        self.seen.in_parts += PARTS in whole
        if not self._as_made(whole):
            self.seen.wrong.append(f"{whole['pk']['S']} revision {whole['_rev']['N']}")

    def _get(self, pk: str, sk: str, look: int, *, elsewhere: bool) -> Item | None:
        address = (TableName.DOCUMENTS, pk, sk)
        if elsewhere:
            return self._elsewhere.get(address)
        if look == 0 and address in self._before and self._rng.random() < 0.3:
            return self._before[address]
        return self.items.get(address)
