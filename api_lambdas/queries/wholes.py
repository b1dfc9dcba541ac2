"""Documents that are too large for one item: which of them are read as a whole, and how much of that at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from api_lambdas.queries.selection import Selection
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import Kind, Problem
from contract.parts import PARTS, Fetch, PartsMissing, lists_of, read_whole, whole_bytes
from contract.values import Item

MAX_BYTES: Final = 10_000_000
"""Of several documents together, as DynamoDB counts them: what a function's memory and an answer can take."""

PAGE_BYTES: Final = 4_000_000
"""A page ends before the document with which it would have more."""


def wanted(item: Item, chosen: Selection | None) -> bool:
    """Whether something is in parts that the answer shows."""
    return PARTS in item and (chosen is None or any(name in chosen for name in lists_of(item)))


def check_together(items: Sequence[Item]) -> None:
    """Raises Problem if these documents are too much for one answer; a single one is tried."""
    if len(items) > 1 and sum(map(whole_bytes, items)) > MAX_BYTES:
        raise Problem(Kind.ANSWER_TOO_LARGE, "ask for fewer documents, or name `fields`")


def page_length(items: Sequence[Item]) -> int:
    """How many of these a page has."""
    total = 0
    for count, item in enumerate(items):
        total += whole_bytes(item)
        if total > PAGE_BYTES and count:
            return count
    return len(items)


def read(item: Item, fetch: Callable[[Item], Fetch]) -> Item | None:
    """The whole document; None if it is gone meanwhile. Raises StoreError, also while its parts are on their way."""
    try:
        return read_whole(item, fetch(item))
    except PartsMissing:
        raise StoreError("BatchGetItem", "PartsMissing", retryable=True) from None
