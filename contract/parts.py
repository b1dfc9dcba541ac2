"""Documents in parts: lists for which one item is too small stand beside the document, in items of its partition. Pure.

The document's item names its parts. A name says for which revision a part was written and what is in it, and never
stands for anything else. So an item together with all the parts that it names is one state of the document: whoever
reads them one after the other, while workers write and clean up, has that state or misses a part, never a mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final

from contract.keys import DOCUMENT_SK
from contract.values import AttributeValue, Item

PARTS: Final = "_parts"
"""In a document's item: `bytes` of the whole document, and its `lists`: where each stands, its length and its parts."""

OLD_PARTS: Final = "_old_parts"
"""In a document's item: parts of states before it, which are being deleted."""

PART_SK_PREFIX: Final = "#part#"
ELEMENTS: Final = "elements"
"""What a part holds: some elements of one list, in their order."""

LOOKS: Final = 4
"""How often parts are looked for before they count as missing."""

Names = tuple[str, ...]
Fetch = Callable[[Names, int], Mapping[str, Item]]
"""Items of one partition by sort key, those that are there; and how often has been looked before."""


class PartsMissing(Exception):
    """The document's item names parts that are not there: they are on their way, or its next state is."""


def part_sk(name: str) -> str:
    """Sort key of a part."""
    return PART_SK_PREFIX + name


def part_name(revision: int, digest: str) -> str:
    """Name of a part that is written for a revision; names sort by it."""
    return f"{revision_prefix(revision)}{digest}"


def revision_prefix(revision: int) -> str:
    """What the names of all parts written for a revision begin with."""
    return f"{revision:012d}#"


def revision_of(name: str) -> int:
    """The revision that a part was written for."""
    return int(name.partition("#")[0])


def digest_of(name: str) -> str:
    """What is in a part."""
    return name.partition("#")[2]


def parts_of(item: Item) -> Names:
    """The names of a document's parts, each once."""
    if PARTS not in item:
        return ()
    return tuple(dict.fromkeys(name["S"] for one in _lists(item) for name in one["names"]["L"]))


def whole_bytes(item: Item) -> int:
    """Size of a document in parts, as DynamoDB counts it; 0 of one that has none."""
    return int(item[PARTS]["M"]["bytes"]["N"]) if PARTS in item else 0


def lists_of(item: Item) -> set[str]:
    """The document's own attributes that are in parts, or have lists in them that are."""
    return {str(_steps(one["at"])[0]) for one in _lists(item)} if PARTS in item else set()


def reading(item: Item) -> Generator[tuple[Names, int], Mapping[str, Item], Item | None]:
    """The whole document: asks for sort keys of its partition, is sent the items that are there.

    A part that is missing was replaced a moment ago, then the document's item is another one by now; or it is not here
    yet: each replica gets items in any order. Both are looked for again. Any look but the first must see what was
    written before it. None if the document is gone meanwhile. Raises PartsMissing.
    """
    found: dict[str, Item] = {}
    for look in range(LOOKS):
        missing = tuple(sk for sk in map(part_sk, parts_of(item)) if sk not in found)
        if not missing:
            return joined(item, found)
        if look:
            answer = yield (DOCUMENT_SK, *missing), look
            if DOCUMENT_SK not in answer:
                return None
            item = answer[DOCUMENT_SK]
        else:
            answer = yield missing, look
        found.update(answer)
    if any(part_sk(name) not in found for name in parts_of(item)):
        raise PartsMissing
    return joined(item, found)


def read_whole(item: Item, fetch: Fetch) -> Item | None:
    """The whole document, by `fetch`. Raises PartsMissing."""
    steps = reading(item)
    try:
        sort_keys, look = next(steps)
        while True:
            sort_keys, look = steps.send(fetch(sort_keys, look))
    except StopIteration as end:
        found: Item | None = end.value
        return found


def joined(item: Item, parts: Mapping[str, Item]) -> Item:
    """A document with its lists in their places; `parts` by sort key. Raises PartsMissing."""
    whole: AttributeValue = {"M": item}
    for one in _lists(item) if PARTS in item else ():
        elements: list[AttributeValue] = []
        for name in one["names"]["L"]:
            part = parts.get(part_sk(name["S"]))
            if part is None:
                raise PartsMissing
            elements += part[ELEMENTS]["L"]
        if len(elements) != int(one["count"]["N"]):
            raise PartsMissing
        whole = _placed(whole, _steps(one["at"]), {"L": elements})
    found: Item = whole["M"]
    return found


def _lists(item: Item) -> Iterator[Item]:
    return (one["M"] for one in item[PARTS]["M"]["lists"]["L"])


def _steps(at: AttributeValue) -> list[str | int]:
    return [int(step["N"]) if "N" in step else step["S"] for step in at["L"]]


def place(at: tuple[str | int, ...]) -> AttributeValue:
    """Where a list stands: names of attributes and positions in lists, from the document's item on."""
    return {"L": [{"N": str(step)} if isinstance(step, int) else {"S": step} for step in at]}


def _placed(value: AttributeValue, at: list[str | int], new: AttributeValue) -> AttributeValue:
    """The value with another one at a place in it; what is on the way there is copied."""
    if not at:
        return new
    kind = "L" if isinstance(at[0], int) else "M"
    inner: Any = list(value["L"]) if kind == "L" else dict(value["M"])
    inner[at[0]] = _placed(inner[at[0]], at[1:], new)
    return {kind: inner}
