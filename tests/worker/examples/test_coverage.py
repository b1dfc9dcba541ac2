"""What examples exercise."""

from __future__ import annotations

from contract.mapping import Aggregate, Field, FieldType, Filter, Kind, Node, Test
from tests.worker.examples.conftest import Run
from tests.worker.examples.test_run import GOOD
from worker.examples.coverage import empty_coverage
from worker.records.envelope import Operation


def test_operations_are_counted_by_table(run: Run) -> None:
    """Every table of the aggregate is listed."""
    (coverage,) = run(GOOD).coverage

    assert coverage.changes["shop.orders"] == {Operation.INSERT: 2, Operation.UPDATE: 2}
    assert coverage.changes["shop.lines"] == {Operation.INSERT: 2, Operation.UPDATE: 1, Operation.DELETE: 1}
    assert coverage.changes["shop.customers"] == {Operation.LOAD: 1}


def test_branches_count_where_a_checked_document_takes_them(run: Run) -> None:
    """Found, absent, elements and empty are taken; no checked document fails the filter at its end."""
    (coverage,) = run(GOOD).coverage

    assert coverage.branches == {
        ("(root)", "where status in: passes"): 2,
        ("(root)", "where status in: fails"): 0,
        ("customer", "found"): 1,
        ("customer", "absent"): 1,
        ("lines", "elements"): 1,
        ("lines", "empty"): 1,
    }
    assert coverage.missing == [("(root)", "where status in: fails")]
    assert coverage.taken == 5


def test_without_examples_nothing_is_taken(run: Run) -> None:
    """But all there is to take is listed."""
    (coverage,) = run("").coverage

    assert (coverage.examples, coverage.taken, len(coverage.branches)) == (0, 0, 6)


def test_value_maps_and_joins_on_other_columns_have_branches_too() -> None:
    """A virtual place stands for the rows that hold its value."""
    states = Field("state", "state", FieldType.TEXT, values=(("P", "paid"), (None, "none")), otherwise=("unknown",))
    notes = Node("notes", Kind.MANY, "s.notes", ("id",), ("code",), where=(Filter("kind", (3,), Test.ABOVE),))
    virtual = Node("notes", Kind.ONE, "s.orders@code", ("code",), ("code",), children=(notes,))
    found = Node("twin", Kind.MANY, "s.twins", ("id",), ("code",))
    first = Node("twin", Kind.ONE, "s.twins@code", ("code",), ("code",), children=(found,), first=True)
    root = Node("order", Kind.ROOT, "s.orders", ("id",), fields=(states,), children=(virtual, first))

    coverage = empty_coverage(Aggregate("order", "orders", root))

    assert list(coverage.branches) == [
        ("(root)", "state: P"),
        ("(root)", "state: null"),
        ("(root)", "state: otherwise"),
        ("notes", "elements"),
        ("notes", "empty"),
        ("notes", "where kind above: passes"),
        ("notes", "where kind above: fails"),
        ("twin", "found"),
        ("twin", "absent"),
    ]
    assert list(coverage.changes) == ["s.orders", "s.notes", "s.twins"]
