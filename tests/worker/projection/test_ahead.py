"""What a batch reads: nothing that it has just written, and no row that is said to be new unless that is doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from contract.values import from_item
from tests.worker.projection.strict_store import StrictStore
from tests.worker.projection.test_features import _plan
from worker.projection.ahead import ways_to_roots
from worker.projection.engine import project
from worker.projection.habit import Habit, is_worth_a_look
from worker.projection.operations import Get, Operation, Query
from worker.records.rows import Row, RowChange
from worker.records.version import change_version

MAPPING = """
aggregate: order
source: s.orders
key: id
fields: [id]
one:
  buyer: {source: s.customers, key: id, join: buyer_id, fields: [name]}
many:
  lines:
    source: s.lines
    key: id
    join: order_id
    fields: [id, quantity]
    one:
      product: {source: s.products, key: id, join: product_id, fields: [title]}
    many:
      options: {source: s.options, key: id, join: line_id, fields: [id]}
  gifts:
    source: s.gifts
    key: id
    join: order_id
    fields: [id]
    one:
      product: {source: s.products, key: id, join: product_id, fields: [title], lookup: copy}
"""
PLAN = _plan(MAPPING)
ORDER = ("s.orders", {"id": 1, "buyer_id": 5})
LINES: tuple[tuple[str, Row], ...] = tuple(
    ("s.lines", {"id": at, "order_id": 1, "product_id": 7, "quantity": at}) for at in range(1, 4)
)
LOOKED_UP: tuple[tuple[str, Row], ...] = (
    ("s.customers", {"id": 5, "name": "Ann"}),
    ("s.products", {"id": 7, "title": "pen"}),
)


class Reads(StrictStore):
    """Notes what is read of rows and documents, in the order of the groups."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """Notes and runs."""
        for operation in group:
            if isinstance(operation, Get | Query):
                self.read.append(operation.pk.partition("#")[0])
        return super().run(group)


def _changes(rows: Sequence[tuple[str, Row]], first: int, *, new: bool = True) -> list[RowChange]:
    return [
        RowChange(table, str(row["id"]), change_version(1, first + at, 1), row, new=new)
        for at, (table, row) in enumerate(rows)
    ]


def _shown(store: StrictStore) -> Any:
    (found,) = [from_item(item) for (_, pk, _), item in store.items.items() if pk == "order#1"]
    return [(line["quantity"], line["product"]["title"]) for line in found["lines"]]


@pytest.mark.parametrize(
    ("table", "known"),
    [("s.lines", True), ("s.orders", False), ("s.options", False), ("s.products", False), ("s.gifts", False)],
    ids=["right under a root", "a root", "further down", "looked up", "holds copies"],
)
def test_what_stands_right_under_roots_and_nowhere_else_is_written_last(table: str, known: bool) -> None:
    assert bool(ways_to_roots(PLAN, table)) is known


def test_a_table_that_also_stands_elsewhere_is_not() -> None:
    plan = _plan("""
aggregate: person
source: s.people
key: id
fields: [id]
many:
  reports: {source: s.people, key: id, join: boss_id, fields: [id]}
  tasks: {source: s.tasks, key: id, join: person_id, fields: [id]}
""")

    assert not ways_to_roots(plan, "s.people")
    assert ways_to_roots(plan, "s.tasks")


def test_a_new_order_reads_no_row_that_its_batch_has_written_under_it() -> None:
    """But for the root, what is looked up, and the order's head and edges."""
    store, habit = Reads(), Habit()
    store.drive(project(PLAN, _changes(LOOKED_UP, 1), "", habit=habit))
    assert not habit.looks_for_new
    store.read.clear()

    store.drive(project(PLAN, _changes([ORDER, *LINES], 10), "", habit=habit))

    assert Counter(store.read) == {
        "order": 1,  # its head
        "s.orders": 1 + 1,  # the root, and its edges
        "s.lines": 3,  # edges of options under each line
        "s.customers": 1,
        "s.products": 1,
        "": 1,  # the fence
    }
    assert _shown(store) == [(1, "pen"), (2, "pen"), (3, "pen")]


def test_a_changed_line_is_read_before_it_is_written_and_not_again() -> None:
    store, habit = Reads(), Habit()
    store.drive(project(PLAN, _changes([*LOOKED_UP, ORDER, *LINES], 1), "", habit=habit))
    store.read.clear()

    changed = ("s.lines", {**LINES[1][1], "quantity": 9})
    store.drive(project(PLAN, _changes([changed], 20, new=False), "", habit=habit))

    assert Counter(store.read)["s.lines"] == 1 + 2 + 3, "before the write; the other two lines; edges under all three"
    assert _shown(store) == [(1, "pen"), (9, "pen"), (3, "pen")]


def test_a_line_that_lacks_columns_is_read_again_for_the_same_batch_may_fill_it() -> None:
    """Its key changed before the record came that has the column; both rows are written last."""
    store, habit = Reads(), Habit()
    moved = {"id": 2, "order_id": 1, "product_id": 7}
    lacks = ("quantity",)
    move = [
        RowChange("s.lines", "2", change_version(1, 30, 1), moved, lacks, moved_from="1"),
        RowChange("s.lines", "1", change_version(1, 30, 1), None, lacks, moved_to="2"),
    ]
    store.drive(project(PLAN, [*_changes([*LOOKED_UP, ORDER], 1), *move], "", habit=habit))

    late = RowChange("s.lines", "1", change_version(1, 20, 1), {**LINES[0][1], "quantity": 4}, new=True)
    newer = RowChange("s.lines", "2", change_version(1, 40, 1), moved, lacks)
    store.drive(project(PLAN, [late, newer], "", habit=habit))

    assert _shown(store) == [(4, "pen")]


def test_a_change_that_no_document_shows_reads_none() -> None:
    """Its image gets the newer version, no more."""
    store, habit = Reads(), Habit()
    store.drive(project(PLAN, _changes([*LOOKED_UP, ORDER, *LINES], 1), "", habit=habit))
    store.read.clear()

    counts = store.drive(project(PLAN, _changes([LINES[1]], 20, new=False), "", habit=habit))

    assert (counts.unchanged, counts.rows_written) == (1, 1)
    assert Counter(store.read) == {"s.lines": 1, "": 1}


def test_a_process_begins_with_a_look_and_a_surprise_makes_it_look_again() -> None:
    """So a replay writes nothing: not even an edge."""
    store, changes = Reads(), _changes([*LOOKED_UP, ORDER, *LINES], 1)
    store.drive(project(PLAN, changes, "", habit=Habit()))
    written, habit = store.applied_writes, Habit()

    store.drive(project(PLAN, changes, "", habit=habit))

    assert (habit.looks_for_new, store.applied_writes) == (True, written)
    habit.looks_for_new = False
    store.drive(project(PLAN, changes, "", habit=habit))
    assert (habit.looks_for_new, store.applied_writes) == (True, written)


def test_settled_changes_are_looked_at_whatever_the_habit() -> None:
    store, changes, habit = Reads(), _changes([*LOOKED_UP, ORDER, *LINES], 1), Habit()
    store.drive(project(PLAN, changes, "", habit=habit))
    written = store.applied_writes
    habit.looks_for_new = False

    counts = store.drive(project(PLAN, changes, "", habit=habit, settled=True))

    assert (counts.settled, store.applied_writes) == (len(changes), written)


def test_a_row_that_was_not_new_is_merged_all_the_same() -> None:
    """Somebody was first with a later change: it stays."""
    store = Reads()
    later = ("s.lines", {**LINES[0][1], "quantity": 8})
    store.drive(project(PLAN, _changes([*LOOKED_UP, ORDER], 1), "", habit=Habit()))
    store.drive(project(PLAN, _changes([later], 30, new=False), "", habit=Habit()))

    store.drive(project(PLAN, _changes(LINES, 10), "", habit=Habit(looks_for_new=False)))

    assert _shown(store) == [(8, "pen"), (2, "pen"), (3, "pen")]
    assert (store.image_regressions, store.document_regressions) == (0, 0)


def test_one_surprise_in_ten_rows_is_worth_a_look() -> None:
    assert [is_worth_a_look(1, rows) for rows in (9, 10, 11)] == [True, False, False]
