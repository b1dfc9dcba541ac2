"""Two workers on one row, one of them asleep between any two operations: defects that random histories seldom show."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from contract.keys import DOCUMENT_SK, document_pk, row_pk
from tests.worker.projection.histories import PLAN, stored_documents
from tests.worker.projection.strict_store import StrictStore
from worker.projection import assemble, documents, images
from worker.projection.engine import project
from worker.projection.image import Image
from worker.projection.operations import Condition, Operation, TableName, Update, run_to_end
from worker.records.rows import RowChange
from worker.records.version import change_version

AS_OF = "2026-01-01T00:00:00.000000Z"
OLD, NEW = "a" * 40, "b" * 40


def _change(number: int, val: int, big: str | None) -> RowChange:
    row: dict[str, Any] = {"id": "customer0", "referrer": None, "val": val} | ({} if big is None else {"big": big})
    return RowChange("customer", "customer0", change_version(1, number, 1), row, () if big else ("big",))


def _run(store: StrictStore, change: RowChange, sleep_at: int = -1, meanwhile: RowChange | None = None) -> int:
    """A worker's change, and another's before its operation of that number; how many operations there were."""
    steps, done = project(PLAN, [change], AS_OF), 0
    replies: list[Any] | None = None
    while True:
        try:
            group = steps.send(replies) if replies is not None else next(steps)
        except StopIteration:
            return done
        replies = []
        for operation in group:
            if done == sleep_at and meanwhile is not None:
                _run(store, meanwhile)
            replies.append(store.apply(operation))
            done += 1


def _wrong(before: RowChange, slow: RowChange, quick: RowChange, val: int, big: str) -> list[int]:
    """Where the slow worker may sleep through the quick one's work so that the document is not these values."""
    wrong: list[int] = []
    for sleep_at in itertools.count():
        store = StrictStore()
        _run(store, before)
        done = _run(store, slow, sleep_at, quick)
        if done <= sleep_at:
            return wrong
        document = stored_documents(store).get(("customer", "customer0"), {})
        if (document.get("val"), document.get("big")) != (val, big):
            wrong.append(sleep_at)
    raise AssertionError


def _there_and_back() -> list[int]:
    """A value goes to another one and back: the second worker's document is, as text, the one that stands there."""
    return _wrong(_change(1, 0, OLD), _change(2, 1, OLD), _change(3, 0, OLD), 0, OLD)


def _two_late_records() -> list[int]:
    """The row has its newest version; two older records bring the column that this one lacks."""
    return _wrong(_change(9, 0, None), _change(2, 1, OLD), _change(3, 1, NEW), 0, NEW)


CASES = (_there_and_back, _two_late_records)


@pytest.mark.parametrize("case", CASES)
def test_wherever_a_worker_sleeps_the_newest_state_stays(case: Callable[[], list[int]]) -> None:
    assert case() == []


def test_equal_bodies_must_not_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint tells documents apart that are equal but of different rows: the slow writer must lose."""
    build = assemble.assemble

    def by_body(*arguments: Any) -> assemble.Assembled:
        found = build(*arguments)
        return dataclasses.replace(found, fingerprint=repr(found.body))

    monkeypatch.setattr(documents, "assemble", by_body)

    assert _there_and_back() != []


def test_a_fill_needs_its_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fill leaves the row's version as it is: on that condition alone the older of two fills would stay."""
    write = images._image_write

    def on_version_only(row_id: Any, image: Image, stored: Image | None) -> Any:
        operation = write(row_id, image, stored)
        if not isinstance(operation, Update) or stored is None:
            return operation
        return structs.replace(operation, when=(Condition("v", "=", {"S": stored.version}),))

    monkeypatch.setattr(images, "_image_write", on_version_only)

    assert _two_late_records() != []


def test_what_a_lost_race_would_hand_on_is_not_handed_on() -> None:
    """Else an outdated large value stands under the new key, and nothing is left that could mend it: it must wait."""
    store = StrictStore()
    store.drive(project(PLAN, [_order("order0", 1, OLD)], AS_OF))
    put = _order("order1", 3, None, moved_from="order0")
    gone = RowChange("order", "order0", put.version, None, ("big",), moved_to="order1")
    meanwhile = [_order("order0", 2, NEW), _order("order0", 4, "c" * 40)]
    raced = 0

    def writes_the_old_key(group: list[Operation]) -> bool:
        return any(isinstance(one, Update) and one.pk == row_pk("order", "order0") for one in group)

    def run(group: list[Operation]) -> list[Any]:
        nonlocal raced
        if writes_the_old_key(group) and not raced:
            raced += 1
            store.drive(project(PLAN, meanwhile, AS_OF))
        return [store.apply(operation) for operation in group]

    run_to_end(project(PLAN, [put, gone], AS_OF), run)

    assert raced
    document = store.items[TableName.DOCUMENTS, document_pk("order", "order1"), DOCUMENT_SK]
    assert "big" not in document
    assert "big of this row not seen yet" in document["_parked"]["S"]


def _order(key: str, number: int, big: str | None, moved_from: str | None = None) -> RowChange:
    row: dict[str, Any] = {"id": key, "buyer": None, "receiver": None, "val": 1}
    row |= {} if big is None else {"big": big}
    missing = () if big else ("big",)
    return RowChange("order", key, change_version(1, number, 1), row, missing, moved_from)
