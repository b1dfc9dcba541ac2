"""The store in memory, counting what must never happen: an image or a document replaced by an older one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contract.values import Item
from worker.projection.operations import Applied
from worker.store.memory import Address, MemoryStore


class StrictStore(MemoryStore):
    """Counts regressions and applied writes; faults are the caller's."""

    def __init__(self) -> None:
        super().__init__()
        self.image_regressions = 0
        self.document_regressions = 0
        self.applied_writes = 0
        self.settled: dict[int, int] = {}  # by shard, what is known of it

    def put(self, address: Address, item: Item) -> Applied:
        """Versions and revisions only rise."""
        before = self.items.get(address)
        if before is not None:
            if "v" in item:
                self.image_regressions += item["v"]["S"] < before["v"]["S"]
            if "_v" in item:  # a document that holds its row; once it does not, it never does again
                self.document_regressions += "_v" not in before or _order(item) <= _order(before)
            elif "_rev" in item:
                self.document_regressions += int(item["_rev"]["N"]) <= int(before["_rev"]["N"])
        self.applied_writes += 1
        return super().put(address, item)

    def remove(self, address: Address) -> Applied:
        """A deletion is a write, too."""
        self.applied_writes += 1
        return super().remove(address)


def one_by_one(store: StrictStore, steps: Any) -> Iterator[None]:
    """Each `next` lets a worker do one operation, in their order."""
    replies: list[Any] | None = None
    while True:
        try:
            group = steps.send(replies) if replies is not None else next(steps)
        except StopIteration:
            return
        replies = []
        for operation in group:
            yield
            replies.append(store.apply(operation))


def _order(item: Item) -> tuple[str, int]:
    """What rises with every write of a document that holds its row: a newer mapping writes the same version again."""
    return item["_v"]["S"], int(item["_gen"]["N"])
