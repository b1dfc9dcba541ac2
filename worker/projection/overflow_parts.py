"""Documents in parts in the store: parts before the item that names them, clean-up after it.

What makes it safe is in the names. A part is named by the revision that it is written for and by what is in it. An item
of revision n names parts that its predecessor, revision n-1, named, and new ones of revision n. So a part of a revision
up to n that the item of revision n does not name is in no later item either: it may be deleted at any time, by anybody
who has seen that item. A part of a later revision may be somebody's who is about to write the item: it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import DOCUMENT_SK
from contract.parts import (
    ELEMENTS,
    OLD_PARTS,
    PART_SK_PREFIX,
    PARTS,
    digest_of,
    part_name,
    part_sk,
    parts_of,
    reading,
    revision_of,
    revision_prefix,
)
from contract.values import AttributeValue, Item
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Operation,
    Query,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.overflow import Sizes, check_fits, split
from worker.value import Value

PARTS_AT_ONCE: Final = 25


class Kept(Value, frozen=True):
    """The parts that a document's item names: those of its state, and those of states before it."""

    names: tuple[str, ...] = ()
    old: tuple[str, ...] = ()


NO_PARTS: Final = Kept()


def kept(item: Item) -> Kept:
    """Of a document's item."""
    old = tuple(name["S"] for name in item[OLD_PARTS]["L"]) if OLD_PARTS in item else ()
    return Kept(parts_of(item), old)


@dataclass(frozen=True, slots=True)
class Made:
    """The item that is to be written now that its parts are there. `size`: of the whole document, 0 without parts."""

    item: Item
    names: tuple[str, ...]
    old: tuple[str, ...]
    size: int

    @property
    def pk(self) -> str:
        """Partition of the document."""
        pk: str = self.item["pk"]["S"]
        return pk


def write_parts(
    item: Item, revision: int, before: Kept, sizes: Sizes, *, fits: bool, anew: bool = False
) -> Steps[Made]:
    """Write the parts of a document's next state; what returns is its item. Raises TooLarge before anything is written.

    `before`: of the item that the write of this one is conditioned on. Parts that are equal to its are taken over,
    unless they are to be written `anew`, for they may have been lost.
    """
    names: dict[str, str] = {}
    made, size, pk = item, 0, item["pk"]["S"]
    if not fits:
        found = split(item, sizes)
        size = found.size
        known = {} if anew else {digest_of(name): name for name in before.names}
        names = {digest: known.get(digest) or part_name(revision, digest) for digest in found.parts}
        made = found.named(names)
        check_fits(made, size)
    yield from delete_parts(pk, before.old)
    (sort_keys,) = yield [Query(TableName.DOCUMENTS, pk, part_sk(revision_prefix(revision)))]
    tried = [sk.removeprefix(PART_SK_PREFIX) for sk in sort_keys]
    if names:
        there = {*before.names, *tried}
        yield from _insert(pk, {name: found.parts[digest] for digest, name in names.items() if name not in there})
    wanted = set(names.values())
    # what a worker has written for this revision without coming to the item is named here, too, so that it is found
    old = tuple(name for name in dict.fromkeys((*before.names, *tried)) if name not in wanted)
    if old:
        made = {**made, OLD_PARTS: {"L": [text(name) for name in old]}}
    return Made(made, tuple(names.values()), old, size)


def _insert(pk: str, parts: dict[str, list[AttributeValue]]) -> Steps[None]:
    """Whoever has written one of them has written the same."""
    inserts: list[Operation] = [
        Insert(
            TableName.DOCUMENTS,
            pk,
            part_sk(name),
            {"pk": text(pk), "sk": text(part_sk(name)), ELEMENTS: {"L": elements}},
        )
        for name, elements in parts.items()
    ]
    for start in range(0, len(inserts), PARTS_AT_ONCE):
        yield inserts[start : start + PARTS_AT_ONCE]


def delete_parts(pk: str, names: Collection[str]) -> Steps[None]:
    """Delete parts that no item names any more, nor ever will."""
    if names:
        yield [Delete(TableName.DOCUMENTS, pk, part_sk(name), ()) for name in names]


def clean_up(pk: str, before: Kept) -> Steps[None]:
    """Delete the old parts of a document that stays as it is, if whoever wrote it died before that."""
    if before.old:
        items = yield [Get(TableName.DOCUMENTS, pk, part_sk(name), ("pk",)) for name in before.old]
        yield from delete_parts(pk, [name for name, item in zip(before.old, items, strict=True) if item is not None])


def after_parts(made: Made, *, written: bool) -> Steps[None]:
    """Once the item is written, what it replaced may go.

    If somebody else has written one, so may what was written for this one; equal parts may be that one's, too.
    """
    if written:
        yield from delete_parts(made.pk, made.old)
        return
    (item,) = yield [Get(TableName.DOCUMENTS, made.pk, DOCUMENT_SK, ("_rev", PARTS))]
    if item is not None:
        revision, named = int(item["_rev"]["N"]), set(parts_of(item))
        left = [name for name in made.names if name not in named and revision_of(name) <= revision]
        yield from delete_parts(made.pk, left)


def sweep_parts(pk: str, sort_keys: Iterable[str], *, delete: bool) -> Steps[int]:
    """Of these parts, delete those that the document's item does not name; returns how many there are.

    Those of a later revision than the item's may be of a worker that is about to write it. The item gets the latest of
    these revisions first: then that worker loses its race, and writes new ones.
    """
    names = [sk.removeprefix(PART_SK_PREFIX) for sk in sort_keys]
    while True:
        (item,) = yield [Get(TableName.DOCUMENTS, pk, DOCUMENT_SK, ("_rev", PARTS))]
        named = () if item is None else parts_of(item)
        unnamed = [name for name in names if name not in named]
        if not unnamed or not delete:
            return len(unnamed)
        latest = max(map(revision_of, unnamed))
        revision = 0 if item is None else int(item["_rev"]["N"])
        if latest > revision:
            (reply,) = yield [_fence(pk, item, latest)]
            if reply != APPLIED:
                continue
        yield from delete_parts(pk, unnamed)
        return len(unnamed)


def _fence(pk: str, item: Item | None, revision: int) -> Operation:
    """A revision that workers who have read the item do not expect; without one, readers see a deleted document."""
    if item is not None:
        unchanged = (Condition("_rev", "=", item["_rev"]),)
        return Update(TableName.DOCUMENTS, pk, DOCUMENT_SK, {"_rev": number(revision)}, unchanged)
    mark: Item = {
        "pk": text(pk),
        "sk": text(DOCUMENT_SK),
        "_deleted": {"BOOL": True},
        "_rev": number(revision),
        "_gen": number(0),
        **dict.fromkeys(("_fp", "_refs", "_as_of"), text("")),
    }
    return Insert(TableName.DOCUMENTS, pk, DOCUMENT_SK, mark)


def read_document(pk: str) -> Steps[Item | None]:
    """A document's item with all its lists; None if there is none. Raises PartsMissing."""
    (item,) = yield [Get(TableName.DOCUMENTS, pk, DOCUMENT_SK)]
    if item is None or PARTS not in item:
        found: Item | None = item
        return found
    steps = reading(item)
    try:
        sort_keys, _ = next(steps)
        while True:
            items: list[Any] = yield [Get(TableName.DOCUMENTS, pk, sk) for sk in sort_keys]
            there = {sk: one for sk, one in zip(sort_keys, items, strict=True) if one is not None}
            sort_keys, _ = steps.send(there)
    except StopIteration as end:
        found = end.value
        return found
