"""A store that writes nothing."""

from __future__ import annotations

from worker.explain.overlay import Overlay
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Query,
    Refused,
    TableName,
    Update,
    number,
    text,
)
from worker.store.memory import MemoryStore

ROWS = TableName.ROWS


def _insert(sk: str, version: str = "1") -> Insert:
    return Insert(ROWS, "a", sk, {"pk": text("a"), "sk": text(sk), "v": text(version)})


def test_later_reads_see_the_writes_and_the_store_does_not() -> None:
    """Puts, updates, deletes and what a query lists."""
    base = MemoryStore()
    base.run([_insert("#"), _insert("x#1"), _insert("x#2")])
    stored = dict(base.items)
    overlay = Overlay(base)

    assert overlay.run([_insert("x#3")]) == [APPLIED]
    assert overlay.run([Delete(ROWS, "a", "x#1", (Condition("v", "<", text("9")),))]) == [APPLIED]
    assert overlay.run([Update(ROWS, "a", "#", {"v": text("5")}, (Condition("v", "=", text("1")),))]) == [APPLIED]

    assert overlay.run([Query(ROWS, "a", "x#"), Get(ROWS, "a", "#"), Get(ROWS, "a", "x#1")]) == [
        ("x#2", "x#3"),
        {"pk": text("a"), "sk": text("#"), "v": text("5")},
        None,
    ]
    assert base.items == stored


def test_conditions_meet_what_is_stored() -> None:
    """A write that the real store would refuse is refused, and says so."""
    base = MemoryStore()
    base.run([_insert("#", "7")])
    overlay = Overlay(base)

    (inserted,) = overlay.run([_insert("#")])
    (updated,) = overlay.run([Update(ROWS, "a", "#", {"v": text("5")}, (Condition("v", "<", text("5")),))])

    assert isinstance(inserted, Refused)
    assert isinstance(updated, Refused)
    assert [step.outcome for step in overlay.steps] == ["refused", "refused"]


def test_each_region_pays_for_a_document_that_is_written_and_only_one_for_all_else() -> None:
    """Conditions are evaluated where the worker writes; rows and reads are there only."""
    overlay = Overlay(MemoryStore())
    document = Insert(TableName.DOCUMENTS, "a", "#", {"pk": text("a"), "sk": text("#"), "body": text("x" * 1500)})

    for operation in (document, document, _insert("#"), Get(TableName.DOCUMENTS, "a", "#")):
        overlay.run([operation])

    assert [step.outcome for step in overlay.steps] == ["done", "refused", "done", "found"]
    assert [step.units_in(3) for step in overlay.steps] == [6, 2, 1, 1]


def test_steps_count_whole_items_by_round() -> None:
    """A read of a part of an item costs the whole of it."""
    base = MemoryStore()
    item = {"pk": text("d"), "sk": text("#"), "_rev": number(1), "body": text("x" * 9000)}
    base.run([Insert(TableName.DOCUMENTS, "d", "#", item)])
    overlay = Overlay(base)

    (head,) = overlay.run([Get(TableName.DOCUMENTS, "d", "#", ("_rev",))])
    overlay.run([Get(ROWS, "nothing", "#"), Query(ROWS, "nothing", "")])

    assert head == {"_rev": number(1)}
    assert [(step.group, step.outcome, step.units) for step in overlay.steps] == [
        (1, "found", 3),
        (2, "absent", 1),
        (2, "0 found", 1),
    ]
