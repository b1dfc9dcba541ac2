"""Two workers at one row whose document holds it: one stops before each of its operations while the other works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from contract.values import from_item
from tests.worker.projection.flat_histories import LARGE_VALUES, PLAN, Bold, Careful, change
from tests.worker.projection.strict_store import StrictStore, one_by_one
from worker.projection import documents, flat_documents
from worker.projection.engine import project
from worker.projection.habit import Habit
from worker.projection.operations import APPLIED, Insert, Replace, TableName
from worker.records.rows import RowChange

AS_OF = "2026-01-01T00:00:00.000000Z"
FIRST, SECOND = LARGE_VALUES

Row = dict[str, Any]


def row(value: int, big: str = FIRST) -> Row:
    """A row of the source."""
    return {"val": value, "team": None, "big": big}


def play(
    before: Sequence[RowChange], one: Sequence[RowChange], other: Sequence[RowChange], stop: int, habit: type[Habit]
) -> tuple[StrictStore, bool]:
    """The store after `one` stopped before that operation, `other` worked, and `one` went on; whether it stopped."""
    store = StrictStore()
    for earlier in before:
        store.drive(project(PLAN, [earlier], AS_OF))
    steps = project(PLAN, one, AS_OF, habit=habit())
    replies: list[Any] | None = None
    numbers = count()
    stopped = False
    while True:
        try:
            group = steps.send(replies) if replies is not None else next(steps)
        except StopIteration:
            return store, stopped
        replies = []
        for operation in group:
            if next(numbers) == stop:
                stopped = True
                store.drive(project(PLAN, other, AS_OF, habit=habit()))
            replies.append(store.apply(operation))


def document(store: StrictStore, key: str) -> Row | None:
    """What readers get."""
    item = store.items.get((TableName.DOCUMENTS, f"user#{key}", "#"))
    if item is None or "_deleted" in item:
        return None
    assert "_parked" not in item, item["_parked"]
    return {name: value for name, value in from_item(item).items() if name in ("val", "team", "big")}


CASES: dict[str, tuple[list[RowChange], list[RowChange], list[RowChange], dict[str, Row | None]]] = {
    "a partial record, then a complete one": (
        [change("u", row(0), 1, new=True)],
        [change("u", row(1), 2, ("big",))],
        [change("u", row(0, SECOND), 3)],
        {"u": row(0, SECOND)},
    ),
    "a complete record, then a partial one": (
        [change("u", row(0), 1, new=True)],
        [change("u", row(0, SECOND), 2)],
        [change("u", row(1, SECOND), 3, ("big",))],
        {"u": row(1, SECOND)},
    ),
    "a partial record, then a delete": (
        [change("u", row(0), 1, new=True)],
        [change("u", row(1), 2, ("big",))],
        [change("u", None, 3)],
        {"u": None},
    ),
    "a delete, then the key again": (
        [change("u", row(0), 1, new=True)],
        [change("u", None, 2)],
        [change("u", row(1), 3, new=True)],
        {"u": row(1)},
    ),
    "a row that is not there yet": (
        [],
        [change("u", row(1), 2, ("big",))],
        [change("u", row(0), 1, new=True)],
        {"u": row(1)},
    ),
    "two inserts": ([], [change("u", row(0), 1, new=True)], [change("u", row(1), 2)], {"u": row(1)}),
}


def wrong_stops(case: str, habit: type[Habit]) -> Iterator[int]:
    """Where the first worker must be stopped for a wrong end; its batch is replayed then, as after a kill, too."""
    before, one, other, wanted = CASES[case]
    for stop in count():
        store, stopped = play(before, one, other, stop, habit)
        if not stopped:
            return
        ends = [{key: document(store, key) for key in wanted}]
        store.drive(project(PLAN, one, AS_OF, habit=habit()))
        ends.append({key: document(store, key) for key in wanted})
        if ends != [wanted, wanted] or store.document_regressions or store.image_regressions:
            yield stop


@pytest.mark.parametrize("habit", [Bold, Careful])
@pytest.mark.parametrize("case", CASES)
def test_wherever_a_worker_is_stopped_the_document_is_that_of_the_newest_version(case: str, habit: type[Habit]) -> None:
    assert list(wrong_stops(case, habit)) == []


def _image_without_a_claim(patch: pytest.MonkeyPatch) -> None:
    """The state is taken over, but flat writes go on beside the image."""
    get = flat_documents.claim

    def claim(plan: Any, roots: Any) -> Any:
        steps = get(plan, roots)
        replies = None
        while True:
            try:
                group = steps.send(replies) if replies is not None else next(steps)
            except StopIteration as end:
                return end.value
            if isinstance(group[0], (Replace, Insert)):
                replies = [APPLIED for _ in group]
            else:
                replies = yield group

    patch.setattr(flat_documents, "claim", claim)
    patch.setattr(documents, "claim", claim)


def test_an_image_without_a_claim_loses_what_is_written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the claim comes before the image."""
    _image_without_a_claim(monkeypatch)

    assert list(wrong_stops("a partial record, then a complete one", Bold))


def test_an_earlier_life_that_comes_late_reaches_the_new_key_once_the_move_is_stored() -> None:
    """A claimed document takes no flat write: else the key taken again would make the earlier life look done with."""
    moved = [change("w", row(1), 3, ("big",), new=True, moved_from="u"), change("u", None, 3, ("big",), moved_to="w")]
    late = [change("u", row(0, SECOND), 4, new=True), change("u", row(0), 1, new=True)]
    seen = 0
    for stop in count():
        store, stopped = play([], moved, late, stop, Bold)
        if not stopped:
            break
        if is_stored_at(moved, stop):
            seen += 1
            assert (document(store, "u"), document(store, "w")) == (row(0, SECOND), row(1)), stop
    assert seen > 2


def is_stored_at(batch: Sequence[RowChange], stop: int) -> bool:
    """Whether the old key's image, which remembers the move, is there before that operation."""
    store = StrictStore()
    kill_after(store, batch, stop)
    return (TableName.ROWS, "shop.users#u", "#") in store.items


@pytest.mark.parametrize("case", CASES)
def test_a_worker_may_be_killed_before_any_operation(case: str) -> None:
    """The next one has the same batch, and does not see what the first one knew."""
    before, one, _, _ = CASES[case]
    whole, _ = play(before, one, [], -1, Careful)
    for stop in range(40):
        store = StrictStore()
        for earlier in before:
            store.drive(project(PLAN, [earlier], AS_OF))
        kill_after(store, one, stop)
        store.drive(project(PLAN, one, AS_OF, habit=Bold()))

        keys = ("u", "w")
        assert [shown(store, key) for key in keys] == [shown(whole, key) for key in keys]


def kill_after(store: StrictStore, batch: Sequence[RowChange], operations: int) -> None:
    """A worker that does so many operations of a batch and no more."""
    work = one_by_one(store, project(PLAN, batch, AS_OF, habit=Careful()))
    for _ in range(operations + 1):  # it sleeps before the operation after them
        next(work, None)


def shown(store: StrictStore, key: str) -> dict[str, Any]:
    """A document's own attributes, and whether it is deleted or parked."""
    item = store.items.get((TableName.DOCUMENTS, f"user#{key}", "#"), {})
    wanted = {"_deleted", "_parked"}
    return {name: value for name, value in from_item(item).items() if not name.startswith("_") or name in wanted}
