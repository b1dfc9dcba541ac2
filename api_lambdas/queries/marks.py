"""What the worker tells beside the documents: up to where they are complete. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contract.values import Item

MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """All changes of a table are in the documents of `region` that were committed before a time, or before a position.

    `position`: in the source's log, None if the mark names none; of the kind `order`, in the incarnation of the source
    that began at `since_micros` (None: not known).
    """

    commit_micros: int
    position: int | None = None
    order: str = ""
    region: str = ""
    since_micros: int | None = None


def mark_of(item: Item) -> Mark:
    """The mark that a worker has stored, an earlier release's included, which told less."""
    position = item.get("position", {}).get("S", "")
    return Mark(
        int(item["commit_micros"]["N"]),
        int(position, 16) if position else None,
        item.get("order", {}).get("S", ""),
        item.get("region", {}).get("S", ""),
        int(item["since"]["N"]) if "since" in item else None,
    )
