"""Left-over parts of documents: written by workers that died before the item that was to name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.pace import Pace
from worker.projection.overflow_parts import sweep_parts
from worker.rebuild.scan import PartScan
from worker.store.dynamodb import DynamoStore


@dataclass(slots=True)
class Parts:
    """Counts: items read, documents that have parts and how large the largest is, parts, and those nobody names."""

    examined: int = 0
    documents: int = 0
    largest_bytes: int = 0
    parts: int = 0
    left_over: int = 0


def look_for_parts(
    scan: PartScan, store: DynamoStore, pace: Pace, told: Callable[[Parts], None], *, delete: bool
) -> Parts:
    """Count them in the whole documents table; `delete` those left over, beside workers. Raises FatalError."""
    found = Parts()
    for page in scan.pages():
        found.examined += page.examined
        found.documents += len(page.sizes)
        found.largest_bytes = max([found.largest_bytes, *page.sizes])
        for pk, sort_keys in page.parts.items():
            found.parts += len(sort_keys)
            found.left_over += store.drive(sweep_parts(pk, sort_keys, delete=delete))
            pace.after(1)
        told(found)
    return found
