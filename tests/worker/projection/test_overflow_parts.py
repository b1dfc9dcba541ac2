"""Documents in parts, through the engine: what is written and what goes, wherever a worker dies or sleeps.

Items hold 400 bytes here.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from contract.keys import DOCUMENT_SK
from contract.mapping import Aggregate, Field, FieldType, Kind, Mapping, Node
from contract.parts import OLD_PARTS, PART_SK_PREFIX, PARTS, parts_of
from contract.values import from_item, item_bytes
from tests.worker.projection.strict_store import StrictStore, one_by_one
from worker.projection import documents, overflow, overflow_parts
from worker.projection.engine import project
from worker.projection.images import Counts
from worker.projection.operations import Delete, Insert, Operation, Replace, TableName
from worker.projection.overflow import Sizes
from worker.projection.overflow_parts import read_document, sweep_parts
from worker.projection.plan import make_plan
from worker.records.rows import RowChange
from worker.records.version import change_version
from worker.repair import RowStore
from worker.store.dynamodb import DynamoStore

AS_OF = "2026-01-01T00:00:00.000000Z"
PK = "order#1"
HEAD = (TableName.DOCUMENTS, PK, DOCUMENT_SK)
ITEM_BYTES = 400
LARGE = 30


def _node(name: str, kind: Kind, table: str, join: tuple[str, ...] = (), *children: Node) -> Node:
    fields = (Field("id", "id"), Field("text", "text", FieldType.TEXT))
    return Node(name, kind, table, ("id",), join, fields, children)


MAPPING = Mapping(
    (
        Aggregate(
            "order", "orders", _node("order", Kind.ROOT, "orders", (), _node("lines", Kind.MANY, "lines", ("of",)))
        ),
    )
)
SIZES = Sizes(document=100_000, left=200, list=10, least_part=60, part=300)
PLAN = dataclasses.replace(make_plan(MAPPING), sizes=SIZES)


@pytest.fixture(autouse=True)
def _small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_fits", lambda item: item_bytes(item) <= ITEM_BYTES)
    monkeypatch.setattr(overflow, "MAX_ITEM_BYTES", 20_000)


def order(number: int, text: str | None = "") -> RowChange:
    return RowChange("orders", "1", change_version(1, number, 1), None if text is None else {"id": 1, "text": text})


def line(number: int, at: int, size: int = LARGE, letter: str = "x") -> RowChange:
    """Of size 0: deleted."""
    row = {"id": at, "of": 1, "text": f"{at}{letter}" + letter * size} if size else None
    return RowChange("lines", str(at), change_version(1, number, 1), row)


def lines(number: int, count: int, **more: Any) -> list[RowChange]:
    return [line(number + at, at, **more) for at in range(count)]


def batch(store: StrictStore, *changes: RowChange) -> Counts:
    return store.drive(project(PLAN, list(changes), AS_OF))


def parts(store: StrictStore) -> set[str]:
    return {sk.removeprefix(PART_SK_PREFIX) for sk in store.partition(TableName.DOCUMENTS, PK) if sk != DOCUMENT_SK}


def shown(store: StrictStore) -> dict[int, str] | None:
    """The lines that readers get."""
    item = store.drive(read_document(PK))
    if item is None or "_deleted" in item:
        return None
    return {one["id"]: one["text"] for one in from_item(item)["lines"]}


def texts(count: int, **others: str) -> dict[int, str]:
    return {at: f"{at}x" + "x" * LARGE for at in range(count)} | {int(at[1:]): text for at, text in others.items()}


@pytest.fixture
def store() -> StrictStore:
    """An order with 20 lines."""
    found = StrictStore()
    counts = batch(found, order(1), *lines(10, 20))
    assert (counts.documents_in_parts, counts.documents_parked) == (1, 0)
    assert 1_000 < counts.largest_document < 1_500
    return found


def written(store: StrictStore, do: Callable[[], Any]) -> list[Operation]:
    """The applied writes to documents."""
    apply, found = store.apply, []

    def noting(operation: Operation) -> Any:
        before = store.applied_writes
        reply = apply(operation)
        if operation.table is TableName.DOCUMENTS and store.applied_writes > before:
            found.append(operation)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "apply", noting)
        do()
    return found


def test_a_large_document_is_whole_for_readers_and_small_in_its_item(store: StrictStore) -> None:
    item = store.items[HEAD]

    assert shown(store) == texts(20)
    assert parts(store) == set(parts_of(item)) != set()
    assert (item["lines"], "_parked" in item, OLD_PARTS in item) == ({"NULL": True}, False, False)
    assert len(str(item)) < 3_000


def test_a_change_of_one_element_writes_its_part_and_the_item(store: StrictStore) -> None:
    before = parts(store)

    operations = written(store, lambda: batch(store, line(50, 7, letter="y")))

    assert [type(one) for one in operations if not isinstance(one, Delete)] == [Insert, Replace]
    assert shown(store) == texts(20, _7="7y" + "y" * LARGE)
    assert parts(store) == set(parts_of(store.items[HEAD]))
    assert len(before - parts(store)) == 1


def test_what_is_stored_already_is_not_written_again(store: StrictStore) -> None:
    assert written(store, lambda: batch(store, order(1), *lines(10, 20))) == []


def test_a_document_that_shrinks_has_no_parts_any_more(store: StrictStore) -> None:
    batch(store, *(line(50 + at, at, 0) for at in range(17)))

    assert parts(store) == set()
    assert PARTS not in store.items[HEAD]
    assert shown(store) == {at: text for at, text in texts(20).items() if at >= 17}
    batch(store, line(90, 0, 5))
    assert OLD_PARTS not in store.items[HEAD]


def test_a_deleted_document_leaves_no_parts(store: StrictStore) -> None:
    batch(store, order(50, None))

    assert parts(store) == set()
    assert shown(store) is None
    batch(store, order(60))
    assert shown(store) == texts(20)


def test_a_document_over_the_limit_is_parked_with_its_last_state_and_tried_again_with_another_limit(
    store: StrictStore,
) -> None:
    small = dataclasses.replace(PLAN, sizes=dataclasses.replace(SIZES, document=1_100))

    counts = store.drive(project(small, [line(50, 30)], AS_OF))

    assert (counts.documents_parked, counts.documents_in_parts) == (1, 0)
    assert store.items[HEAD]["_parked"]["S"].endswith("NEARVIEW_MAX_DOCUMENT_BYTES lets it have 1100")
    assert shown(store) == texts(20)
    assert written(store, lambda: store.drive(project(small, [line(50, 30)], AS_OF))) == []
    batch(store, line(50, 30))
    assert "_parked" not in store.items[HEAD]
    assert shown(store) == texts(20, _30="30x" + "x" * LARGE)
    assert parts(store) == set(parts_of(store.items[HEAD]))


def test_a_repaired_document_gets_all_its_parts_anew(store: StrictStore) -> None:
    """What was lost or spoilt must not be taken over."""
    lost, *_ = (address for address in store.items if address[1] == PK and address[2] != DOCUMENT_SK)
    del store.items[lost]

    repair = RowStore(MAPPING, cast("DynamoStore", store))
    repair._plan = PLAN
    repair.rebuild([("order", "1")])

    assert shown(store) == texts(20)
    assert parts(store) == set(parts_of(store.items[HEAD]))


def test_a_flat_document_has_no_lists_and_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.projection.flat.MAX_ITEM_BYTES", 10_000)
    flat = make_plan(Mapping((Aggregate("order", "orders", _twice()),)))
    store = StrictStore()

    counts = store.drive(project(flat, [order(1, "x" * 30_000)], AS_OF))

    assert flat.flats
    assert counts.documents_parked == 1
    assert "bytes and has no lists, most of them text" in store.items[HEAD]["_parked"]["S"]


def _twice() -> Node:
    node = _node("order", Kind.ROOT, "orders")
    return dataclasses.replace(node, fields=(*node.fields, Field("again", "text", FieldType.TEXT)))


CHANGES = {
    "one line": [line(50, 7, letter="y")],
    "larger": lines(50, 25, letter="z"),
    "small": [line(50 + at, at, 0) for at in range(17)],
    "deleted": [order(50, None)],
}


def _stopped(store: StrictStore, changes: list[RowChange], at: int) -> bool:
    """A worker that dies before its operation of that number; whether it came to its end."""
    steps = one_by_one(store, project(PLAN, changes, AS_OF))
    return sum(1 for _ in itertools.islice(steps, at + 1)) <= at


@pytest.mark.parametrize("name", CHANGES)
def test_wherever_a_worker_dies_its_records_read_again_leave_nothing_over(name: str) -> None:
    start = StrictStore()
    batch(start, order(1), *lines(10, 20))
    expected = StrictStore()
    batch(expected, order(1), *lines(10, 20))
    batch(expected, *CHANGES[name])

    for at in itertools.count():
        store = StrictStore()
        store.items = dict(start.items)
        ended = _stopped(store, CHANGES[name], at)
        if not ended:
            assert store.drive(read_document(PK)) is not None  # whole, of either state
        batch(store, *CHANGES[name])
        assert shown(store) == shown(expected)
        assert parts(store) == set(parts_of(store.items[HEAD])), at
        if ended:
            return


def test_what_a_dead_worker_left_goes_with_the_next_write_of_the_document() -> None:
    """Also if that one is of other changes, so that its parts are others."""
    found = 0
    for at in itertools.count():
        store = StrictStore()
        batch(store, order(1), *lines(10, 20))
        ended = _stopped(store, [line(50, 7, letter="y")], at)
        found += bool(parts(store) - set(parts_of(store.items[HEAD])))
        batch(store, line(60, 7, letter="z"))
        assert parts(store) == set(parts_of(store.items[HEAD])), at
        if ended:
            assert found
            return


def _sweep(store: StrictStore, *, delete: bool = True) -> int:
    found: int = store.drive(sweep_parts(PK, [PART_SK_PREFIX + name for name in parts(store)], delete=delete))
    return found


def _swept_while_asleep() -> Iterator[tuple[StrictStore, int]]:
    """A worker that sleeps before one of its operations while left-over parts are swept; the document is new or not."""
    for first in (True, False):
        for at in itertools.count():
            store = StrictStore()
            batch(store, *lines(10, 20))
            if not first:
                batch(store, order(1))
            work = one_by_one(store, project(PLAN, [order(50, "new"), line(60, 7, letter="y")], AS_OF))
            steps = sum(1 for _ in itertools.islice(work, at + 1))
            _sweep(store)
            left = len(parts(store) - set(parts_of(store.items.get(HEAD, {}))))
            for _ in work:
                pass
            yield store, left
            if steps <= at:
                break


def test_a_sweep_leaves_nothing_and_takes_nothing_from_a_worker_that_sleeps() -> None:
    for store, left in _swept_while_asleep():
        assert left == 0
        assert shown(store) == texts(20, _7="7y" + "y" * LARGE)


def test_a_sweep_without_its_fence_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker would name parts that are gone."""
    numbers = itertools.count()

    def elsewhere(*_: object) -> Operation:
        pk = f"nothing#{next(numbers)}"
        return Insert(TableName.DOCUMENTS, pk, DOCUMENT_SK, {"pk": {"S": pk}, "sk": {"S": DOCUMENT_SK}})

    monkeypatch.setattr(overflow_parts, "_fence", elsewhere)
    torn = 0
    for store, _ in _swept_while_asleep():
        torn += not set(parts_of(store.items[HEAD])) <= parts(store)
    assert torn


def test_a_look_deletes_nothing(store: StrictStore) -> None:
    before = dict(store.items)

    for at in range(40):
        again = StrictStore()
        again.items = dict(before)
        _stopped(again, [line(50, 7, letter="y")], at)
        before_look = dict(again.items)
        left = _sweep(again, delete=False)
        assert again.items == before_look
        assert left == len(parts(again) - set(parts_of(again.items[HEAD])))
