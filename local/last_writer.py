"""Which write of an item stands when two regions have written it: the last one, as in DynamoDB global tables.

Pure. Times are those at which a region took a write; equal times are decided by the region's name, in both regions
alike. A region's stream also shows what the replication wrote there: such an echo is no write of that region.
"""

from __future__ import annotations

import json
import math
from collections import deque
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


@dataclass(slots=True)
class _Echo:
    text: str
    since: int
    until: float = math.inf


class LastWriter:
    """Decides what has to be written where. `conflicts` counts writes that lost against one that they did not know."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions
        self._standing: dict[Key, Change] = {}
        self._content: dict[tuple[str, Key], str] = {}
        self._echoes: dict[tuple[str, Key], deque[_Echo]] = {}
        self.conflicts = 0

    def seen(self, change: Change) -> list[Apply]:
        """What follows from a change that a region's stream shows, in the order of that stream."""
        place = change.region, change.address
        if self._is_echo(place, change):
            return []
        # what was written into its own region and is not yet seen there has covered this change
        covered = place in self._echoes
        if not covered:
            self._content[place] = _text(change.item)
        stands = self._standing.get(change.address)
        if stands is None or (change.millis, change.region) >= (stands.millis, stands.region):
            self._standing[change.address] = change
            return [Apply(region, change) for region in self._regions if region != change.region or covered]
        self.conflicts += 1
        # the region that lost shows its own write until it is given the one that stands
        return [Apply(change.region, stands)]

    def is_due(self, apply: Apply) -> bool:
        """Whether it is to be written: no later write has come meanwhile, and the region does not have it already."""
        address = apply.change.address
        is_so = self._content.get((apply.region, address), _text(None)) == _text(apply.change.item)
        return self._standing.get(address) is apply.change and not is_so

    def begin(self, apply: Apply, millis: int) -> None:
        """It is about to be written, maybe repeatedly; the region's stream shows it once, or not if it was so."""
        place, text = (apply.region, apply.change.address), _text(apply.change.item)
        self._content[place] = text
        self._echoes.setdefault(place, deque()).append(_Echo(text, millis))

    def end(self, apply: Apply, millis: int) -> None:
        """It is written: nothing that is newer is its echo."""
        for echo in self._echoes.get((apply.region, apply.change.address), ()):
            echo.until = min(echo.until, millis)

    def _is_echo(self, place: tuple[str, Key], change: Change) -> bool:
        awaited = self._echoes.get(place, deque())
        while awaited and awaited[0].until < change.millis:  # a write that changed nothing is not shown
            awaited.popleft()
        # the region itself may have written the same before
        found = bool(awaited) and awaited[0].since <= change.millis and awaited[0].text == _text(change.item)
        if found:
            awaited.popleft()
        if not awaited:
            self._echoes.pop(place, None)
        return found


def _text(value: Item | None) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
