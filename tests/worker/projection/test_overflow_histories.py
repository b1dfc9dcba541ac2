"""Documents in parts against random histories of workers, readers, crashes and clean-up; and broken variants of them.

The engine's histories, with items so small that most documents have parts.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec import structs

from contract import parts as contract_parts
from contract.parts import ELEMENTS, PART_SK_PREFIX, part_sk, parts_of
from contract.values import Item, item_bytes
from tests.worker.projection import histories
from tests.worker.projection.histories import PLAN, Faults
from tests.worker.projection.overflow_store import OverflowStore, Truth, public
from worker.projection import documents, overflow, overflow_parts
from worker.projection.operations import Insert, Query, Replace, Steps, TableName, decoded, text
from worker.projection.overflow import Sizes, Split
from worker.projection.overflow_parts import Made
from worker.store import memory

ITEM_BYTES = 200
SIZES = Sizes(document=100_000, left=150, list=10, least_part=30, part=100, element=110)
FAULTS = Faults(plan=dataclasses.replace(PLAN, sizes=SIZES))
FOCUSES: tuple[tuple[str, ...], ...] = (("order", "line"), ("order", "line", "option"), ("customer",), ())


@dataclasses.dataclass
class Found:
    """What a search has met."""

    histories: int = 0
    different: list[int] = dataclasses.field(default_factory=list)
    torn: list[int] = dataclasses.field(default_factory=list)
    read_wrong: list[int] = dataclasses.field(default_factory=list)
    unswept: list[int] = dataclasses.field(default_factory=list)
    left_over: int = 0
    read: int = 0
    read_in_parts: int = 0
    looked_again: int = 0
    missing: int = 0

    @property
    def wrong(self) -> set[int]:
        """Seeds with any defect."""
        return {*self.different, *self.torn, *self.read_wrong, *self.unswept}


@pytest.fixture(autouse=True)
def _small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_ITEM_BYTES", ITEM_BYTES)
    monkeypatch.setattr(documents, "_fits", lambda item: item_bytes(item) <= ITEM_BYTES)
    monkeypatch.setattr(overflow, "MAX_ITEM_BYTES", 10_000)


def search(seeds: Iterable[int], focus: tuple[str, ...], *, checks: bool = True) -> Found:
    """Play histories; without `checks` only what readers get and what is there in the end counts."""
    found = Found()
    for seed in seeds:
        found.histories += 1
        _play(seed, focus, found, checks=checks)
    return found


def _play(seed: int, focus: tuple[str, ...], found: Found, *, checks: bool) -> None:
    truth: Truth = {}
    stores: list[OverflowStore] = []
    make = documents._item

    def noting(*arguments: Any) -> Any:
        made = make(*arguments)
        item: Any = made.item if isinstance(made, documents.Large) else made
        if not isinstance(item, str):
            truth[item["pk"]["S"], item["_rev"]["N"], item["_fp"]["S"]] = public(item)
        return made

    def store() -> OverflowStore:
        stores.append(OverflowStore(truth, seed, checks=checks))
        return stores[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_item", noting)
        patch.setattr(histories, "StrictStore", store)
        try:
            result = histories.run(seed, dataclasses.replace(FAULTS, focus=focus))
        except (contract_parts.PartsMissing, memory.NotAllowed, KeyError, IndexError):
            found.different.append(seed)
            return
    (only,) = stores
    only.settle()
    found.left_over += bool(only.unnamed())
    if result.differences or result.document_regressions:
        found.different.append(seed)
    if only.torn:
        found.torn.append(seed)
    if only.seen.wrong:
        found.read_wrong.append(seed)
    _sweep(only)
    if only.unnamed():
        found.unswept.append(seed)
    found.read += only.seen.whole
    found.read_in_parts += only.seen.in_parts
    found.looked_again += only.seen.looked_again
    found.missing += only.seen.missing


def _sweep(store: OverflowStore) -> None:
    for pk in {address[1] for address in store.items if address[0] is TableName.DOCUMENTS}:
        sort_keys = [sk for sk in store.partition(TableName.DOCUMENTS, pk) if sk.startswith(PART_SK_PREFIX)]
        store.drive(overflow_parts.sweep_parts(pk, sort_keys, delete=True))


@pytest.mark.parametrize("focus", FOCUSES, ids=lambda focus: "-".join(focus) or "all tables")
def test_at_every_moment_documents_are_whole_and_readers_get_whole_ones(focus: tuple[str, ...]) -> None:
    found = search(range(100 if focus else 25), focus)

    assert found.wrong == set()
    assert found.read_in_parts > found.read / 4 > 0
    assert found.looked_again


@pytest.mark.long
@pytest.mark.parametrize("focus", FOCUSES, ids=lambda focus: "-".join(focus) or "all tables")
def test_many_more_histories(focus: tuple[str, ...]) -> None:
    found = search(range(1_000_000, 1_004_000), focus)

    assert found.wrong == set()


Patch = Callable[[pytest.MonkeyPatch], None]


def _item_before_its_parts(patch: pytest.MonkeyPatch) -> None:
    after = overflow_parts.after_parts
    waiting: dict[str, list[Insert]] = {}

    def remember(pk: str, parts: dict[str, Any]) -> Steps[None]:
        waiting.setdefault(pk, []).extend(_part(pk, name, elements) for name, elements in parts.items())
        yield from ()

    def then(made: Made, *, written: bool) -> Steps[None]:
        if inserts := waiting.pop(made.pk, []):
            yield list({insert.sk: insert for insert in inserts}.values())
        yield from after(made, written=written)

    patch.setattr(overflow_parts, "_insert", remember)
    patch.setattr(documents, "after_parts", then)


def _part(pk: str, name: str, elements: Any) -> Insert:
    sk = part_sk(name)
    return Insert(TableName.DOCUMENTS, pk, sk, {"pk": text(pk), "sk": text(sk), ELEMENTS: {"L": elements}})


def _parts_named_by_their_place(patch: pytest.MonkeyPatch) -> None:
    """One after the other, overwritten in place."""
    split = overflow.split

    def numbered(item: Any, sizes: Sizes) -> Split:
        found = split(item, sizes)
        digests = {digest: str(number) for number, digest in enumerate(found.parts)}
        lists = [(at, count, [digests[digest] for digest in chain]) for at, count, chain in found.lists]
        return dataclasses.replace(
            found, lists=lists, parts={digests[digest]: part for digest, part in found.parts.items()}
        )

    def overwrite(pk: str, parts: dict[str, Any]) -> Steps[None]:
        inserts = [_part(pk, name, elements) for name, elements in parts.items()]
        if inserts:
            yield list(inserts)
            yield [Replace(one.table, one.pk, one.sk, decoded(one.item), ()) for one in inserts]

    patch.setattr(overflow_parts, "split", numbered)
    patch.setattr(overflow_parts, "part_name", lambda _revision, digest: f"{0:012d}#{digest}")
    patch.setattr(overflow_parts, "digest_of", lambda name: name)  # nothing is taken over: all are written
    patch.setattr(overflow_parts, "_insert", overwrite)
    make = overflow_parts.write_parts

    def forgetting(item: Any, revision: int, before: Any, sizes: Sizes, *, fits: bool, anew: bool) -> Steps[Made]:
        kept = structs.replace(before, names=())
        made = yield from make(item, revision, kept, sizes, fits=fits, anew=anew)
        return dataclasses.replace(made, old=tuple(name for name in before.names if name not in made.names))

    patch.setattr(documents, "write_parts", forgetting)


def _parts_named_by_revision_and_place(patch: pytest.MonkeyPatch) -> None:
    """Two workers who write the same revision share names, whatever is in their parts."""
    split = overflow.split

    def numbered(item: Any, sizes: Sizes) -> Split:
        found = split(item, sizes)
        digests = {digest: f"{number}" for number, digest in enumerate(found.parts)}
        lists = [(at, count, [digests[digest] for digest in chain]) for at, count, chain in found.lists]
        return dataclasses.replace(
            found, lists=lists, parts={digests[digest]: part for digest, part in found.parts.items()}
        )

    patch.setattr(overflow_parts, "split", numbered)
    patch.setattr(overflow_parts, "digest_of", lambda name: name)


def _clean_up_before_the_item(patch: pytest.MonkeyPatch) -> None:
    write = overflow_parts.write_parts

    def eager(*arguments: Any, **more: Any) -> Steps[Made]:
        made = yield from write(*arguments, **more)
        yield from overflow_parts.delete_parts(made.pk, made.old)
        return made

    patch.setattr(documents, "write_parts", eager)


def _clean_up_takes_whatever_is_not_its_own(patch: pytest.MonkeyPatch) -> None:
    """What stands in the partition beside the parts just written, whichever revision it is for."""

    def everything(made: Made, *, written: bool) -> Steps[None]:
        (there,) = yield [Query(TableName.DOCUMENTS, made.pk, PART_SK_PREFIX)]
        names = [sk.removeprefix(PART_SK_PREFIX) for sk in there]
        yield from overflow_parts.delete_parts(made.pk, [name for name in names if name not in made.names and written])

    patch.setattr(documents, "after_parts", everything)


def _clean_up_takes_what_was_taken_over(patch: pytest.MonkeyPatch) -> None:
    write = overflow_parts.write_parts

    def forgetting(item: Any, revision: int, before: Any, *rest: Any, **more: Any) -> Steps[Made]:
        made = yield from write(item, revision, before, *rest, **more)
        return dataclasses.replace(made, old=(*before.names, *(name for name in made.old if name not in before.names)))

    patch.setattr(documents, "write_parts", forgetting)


def _loser_deletes_what_it_wrote(patch: pytest.MonkeyPatch) -> None:
    """Without a look at the item: the winner's parts may be equal to its own."""

    def blindly(made: Made, *, written: bool) -> Steps[None]:
        yield from overflow_parts.delete_parts(made.pk, made.old if written else made.names)

    patch.setattr(documents, "after_parts", blindly)


def _reader_leaves_out_what_is_missing(patch: pytest.MonkeyPatch) -> None:
    join = contract_parts.joined

    def leniently(item: Any, parts: Any) -> Any:
        missing: dict[str, Item] = {
            part_sk(name): {ELEMENTS: {"L": []}} for name in parts_of(item) if part_sk(name) not in parts
        }
        lists = item["_parts"]["M"]["lists"]["L"] if "_parts" in item else []
        there = {**parts, **missing}
        counted = [
            {"M": {**one["M"], "count": {"N": str(sum(len(there[part_sk(n["S"])][ELEMENTS]["L"]) for n in names))}}}
            for one in lists
            for names in [one["M"]["names"]["L"]]
        ]
        if missing:
            item = {**item, "_parts": {"M": {**item["_parts"]["M"], "lists": {"L": counted}}}}
        return join(item, there)

    def once(item: Any) -> Any:
        found = yield tuple(part_sk(name) for name in parts_of(item)), 0
        return leniently(item, found)

    patch.setattr("tests.worker.projection.overflow_store.reading", once)


def _parts_taken_over_from_another_revision(patch: pytest.MonkeyPatch) -> None:
    """The item is written whatever its revision is by now."""
    patch.setattr(documents, "_unchanged", lambda *_: ())


BROKEN: dict[str, Patch] = {
    "the item before its parts": _item_before_its_parts,
    "parts named by their place": _parts_named_by_their_place,
    "parts named by revision and place": _parts_named_by_revision_and_place,
    "clean-up before the item": _clean_up_before_the_item,
    "clean-up takes whatever is not its own": _clean_up_takes_whatever_is_not_its_own,
    "clean-up takes what was taken over": _clean_up_takes_what_was_taken_over,
    "the loser deletes what it wrote": _loser_deletes_what_it_wrote,
    "a reader leaves out what is missing": _reader_leaves_out_what_is_missing,
    "parts taken over from another revision": _parts_taken_over_from_another_revision,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[name](monkeypatch)

    for start, focus in itertools.product(range(0, 1_500, 25), (("customer",), ("order", "line"))):
        if search(range(start, start + 25), focus).wrong:
            return
    pytest.fail(f"no history of 3,000 shows the defect: {name}")
