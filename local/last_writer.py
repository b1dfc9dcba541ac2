"""Which write of an item stands when two regions have written it: the last one, as in DynamoDB global tables.

Pure. Times are those at which a region took a write; equal times are decided by the region's name, in both regions
alike. A region's stream also shows what the replication wrote there: such an echo is no write of that region.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Item = Mapping[str, Any]
Key = tuple[str, str]
"""Table, and the item's key as text."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change as a region's stream shows it; `item` is None for a deletion."""

    region: str
    table: str
    key: Item
    item: Item | None
    millis: int

    @property
    def address(self) -> Key:
        """Table and key."""
        return self.table, _text(self.key)


@dataclass(frozen=True, slots=True)
class Apply:
    """Make an item of a region what another region's write says."""

    region: str
    change: Change


class LastWriter:
    """Decides what has to be written where. `conflicts` counts writes that lost against one that they did not know."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions
        self._standing: dict[Key, Change] = {}
        self._echoes: dict[tuple[str, Key], deque[str]] = defaultdict(deque)
        self.conflicts = 0

    def seen(self, change: Change) -> list[Apply]:
        """What follows from a change that a region's stream shows, in the order of that stream."""
        if self._is_echo(change):
            return []
        stands = self._standing.get(change.address)
        if stands is None or (change.millis, change.region) >= (stands.millis, stands.region):
            self._standing[change.address] = change
            # what was written into its own region and is not yet seen there has covered this change
            covered = (change.region, change.address) in self._echoes
            return [Apply(region, change) for region in self._regions if region != change.region or covered]
        self.conflicts += 1
        # the region that lost shows its own write until it is given the one that stands
        return [Apply(change.region, stands)]

    def stands(self, apply: Apply) -> bool:
        """Whether it is still to be applied: a later write may have come meanwhile."""
        return self._standing.get(apply.change.address) is apply.change

    def applied(self, apply: Apply) -> None:
        """The item is now so in that region, and its stream will show it."""
        self._echoes[apply.region, apply.change.address].append(_text(apply.change.item))

    def unchanged(self, apply: Apply) -> None:
        """It was so already: a stream does not show writes that change nothing."""
        place = apply.region, apply.change.address
        if awaited := self._echoes.get(place):
            awaited.pop()
            if not awaited:
                del self._echoes[place]

    def _is_echo(self, change: Change) -> bool:
        awaited = self._echoes.get((change.region, change.address))
        text = _text(change.item)
        if awaited is None or text not in awaited:
            return False
        while awaited.popleft() != text:  # what wrote the same twice is shown once
            pass
        if not awaited:
            del self._echoes[change.region, change.address]
        return True


def _text(value: Item | None) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
