"""What becomes of a document that is too large for one item: its largest lists are cut into parts. Pure.

Lists of the document itself go first, the largest before the others, until what stays is small: it is written with
every change and stands in every index. An element that is itself too large for a part gives up lists of its own. Where
a list is cut depends on its elements, so that a changed one gives another part and leaves the others as they are.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from contract.parts import PARTS, place
from contract.values import MAX_ITEM_BYTES, AttributeValue, Item, attribute_bytes, item_bytes

DEFAULT_DOCUMENT_BYTES: Final = 4_000_000
NOTHING: Final[AttributeValue] = {"NULL": True}
"""In the place of a list that is in parts: whoever reads the item alone must not take it for an empty one."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bounds in bytes. `document`: the largest stored; `left`: what stays in the item if moving lists is enough.

    A `list` is worth moving. Parts have at least `least_part` (but for the last of a list) and at most `part`, or one
    element; larger ones than `element` are made smaller, and none may be above `largest_element`.
    """

    document: int = DEFAULT_DOCUMENT_BYTES
    left: int = 64_000
    list: int = 1_000
    least_part: int = 32_000
    part: int = 128_000
    element: int = 256_000
    largest_element: int = MAX_ITEM_BYTES - 5_000


class TooLarge(Exception):
    """The document cannot be stored, not even in parts; the text says what is too large and holds no value."""

    def __init__(self, why: str, size: int) -> None:
        super().__init__(why)
        self.size = size


@dataclass(slots=True)
class Split:
    """`item`: what stays; `lists`: where lists stand, how long they are, and the digests of their parts; `parts`."""

    item: Item
    size: int
    lists: list[tuple[Place, int, list[str]]] = field(default_factory=list)
    parts: dict[str, list[AttributeValue]] = field(default_factory=dict)

    def named(self, names: dict[str, str]) -> Item:
        """The item with its parts, whose names are given by digest."""
        lists = [
            {
                "M": {
                    "at": place(at),
                    "count": _number(count),
                    "names": {"L": [{"S": names[digest]} for digest in chain]},
                }
            }
            for at, count, chain in self.lists
        ]
        if not lists:
            return self.item
        return {**self.item, PARTS: {"M": {"bytes": _number(self.size), "lists": {"L": lists}}}}


def split(item: Item, sizes: Sizes) -> Split:
    """A document's item, keys and system attributes included, in parts. Raises TooLarge."""
    size = item_bytes(item)
    if size > sizes.document:
        raise TooLarge(
            f"the document takes {size} bytes; NEARVIEW_MAX_DOCUMENT_BYTES lets it have {sizes.document}", size
        )
    found = Split(item, size)
    (left,) = _without_lists({"M": item}, (), sizes.left, sizes, found).values()
    found.item = left
    return found


def check_fits(item: Item, size: int) -> None:
    """Raises TooLarge if what stays of a document is too much for one item."""
    left = item_bytes(item)
    if left > MAX_ITEM_BYTES:
        largest = max(item, key=lambda name: attribute_bytes(item[name]))
        beside = "beside its lists" if PARTS in item else "and has no lists"
        raise TooLarge(
            f"the document takes {left} bytes {beside}, most of them {largest}; DynamoDB holds {MAX_ITEM_BYTES}", size
        )


def _without_lists(value: AttributeValue, at: Place, target: int, sizes: Sizes, found: Split) -> AttributeValue:
    """A value with its largest lists moved into parts, until it is small enough or has none left."""
    left = attribute_bytes(value)
    lists = sorted(_lists(value, at), key=lambda one: -one[2])
    for where, elements, size in lists:
        if left <= target or size < sizes.list:
            break
        left -= size
        value = _replaced(value, where[len(at) :])
        _move(where, elements, sizes, found)
    return value


def _lists(value: AttributeValue, at: Place) -> Iterator[tuple[Place, Sequence[AttributeValue], int]]:
    """The outermost lists in a value, with their places and sizes."""
    ((kind, inner),) = value.items()
    if kind == "L":
        yield at, inner, attribute_bytes(value)
    elif kind == "M":
        for name, one in inner.items():
            yield from _lists(one, (*at, name))


def _move(at: Place, elements: Sequence[AttributeValue], sizes: Sizes, found: Split) -> None:
    chain: list[str] = []
    found.lists.append((at, len(elements), chain))  # before those in its elements: it is put back before them
    whole = [_fitting(element, (*at, position), sizes, found) for position, element in enumerate(elements)]
    for digest, part in _cut(whole, sizes):
        chain.append(digest)
        found.parts[digest] = part


def _fitting(element: AttributeValue, at: Place, sizes: Sizes, found: Split) -> AttributeValue:
    """An element that fits into a part."""
    if attribute_bytes(element) <= sizes.element:
        return element
    left = _without_lists(element, at, sizes.part, sizes, found)
    if (size := attribute_bytes(left)) > sizes.largest_element:
        name = ".".join(str(step) for step in at if isinstance(step, str))
        raise TooLarge(
            f"an element of {name} takes {size} bytes beside its lists; DynamoDB holds {MAX_ITEM_BYTES} in an item",
            found.size,
        )
    return left


def _cut(elements: Sequence[AttributeValue], sizes: Sizes) -> Iterator[tuple[str, list[AttributeValue]]]:
    """A list in parts, each with its digest."""
    part: list[AttributeValue] = []
    size, digest = 0, hashlib.blake2b(digest_size=16)
    for element in elements:
        more, text = attribute_bytes(element) + 1, orjson.dumps(element)
        if part and size + more > sizes.part:
            yield digest.hexdigest(), part
            part, size, digest = [], 0, hashlib.blake2b(digest_size=16)
        part.append(element)
        size += more
        digest.update(text)
        if size >= sizes.least_part and zlib.crc32(text) % sizes.least_part < more:
            yield digest.hexdigest(), part
            part, size, digest = [], 0, hashlib.blake2b(digest_size=16)
    if part:
        yield digest.hexdigest(), part


def _replaced(value: AttributeValue, at: Place) -> AttributeValue:
    """The value with nothing in the place of a list."""
    if not at:
        return NOTHING
    inner: dict[Any, Any] = value["M"]
    return {"M": {**inner, at[0]: _replaced(inner[at[0]], at[1:])}}


def _number(value: int) -> AttributeValue:
    return {"N": str(value)}
