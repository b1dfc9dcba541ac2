"""What flat writes cost and count, and what becomes of flat documents when the mapping changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from contract.mapping import Aggregate, Field, FieldType, Kind, Mapping, Node
from contract.values import from_item
from tests.worker.projection.flat_histories import LARGE_VALUES, MISFIT, PLAN, TABLE, change, mapping
from tests.worker.projection.strict_store import StrictStore
from worker.projection.engine import project, rebuild_roots
from worker.projection.flat_documents import RECIPES_PK, claim, filed_holders, renew, stored_rows
from worker.projection.generations import NewerGeneration
from worker.projection.habit import Habit
from worker.projection.images import Counts
from worker.projection.operations import WRITES, Get, Operation, TableName
from worker.projection.plan import Plan, make_plan
from worker.records.errors import TableLacks
from worker.records.rows import RowChange

AS_OF = "2026-01-01T00:00:00.000000Z"
BIG = LARGE_VALUES[0]


class CountingStore(StrictStore):
    """Counts reads and writes, those that are refused included."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.writes = 0

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """Operations as they come."""
        self.reads += sum(isinstance(operation, Get) for operation in group)
        self.writes += sum(isinstance(operation, WRITES) for operation in group)
        return super().run(group)

    def counted(self) -> tuple[int, int]:
        """Reads and writes since the last time."""
        found = self.reads, self.writes
        self.reads = self.writes = 0
        return found


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


def row(value: Any = 1, **columns: Any) -> dict[str, Any]:
    return {"val": value, "team": "a", "big": BIG, **columns}


def rows(count: int, version: int, *, new: bool = False, value: Any = 1) -> list[RowChange]:
    return [change(f"u{at}", row(value), version, new=new) for at in range(count)]


def write(store: StrictStore, changes: Sequence[RowChange], habit: Habit | None = None, plan: Plan = PLAN) -> Counts:
    return store.drive(project(plan, changes, AS_OF, habit=habit))


def document(store: StrictStore, key: str) -> dict[str, Any]:
    return from_item(store.items[TableName.DOCUMENTS, f"user#{key}", "#"])


def images(store: StrictStore) -> list[str]:
    return [pk for table, pk, _ in store.items if table is TableName.ROWS and not pk.startswith("#")]


def test_a_change_costs_one_write_and_no_read_once_nothing_is_in_the_way(store: CountingStore) -> None:
    """The fence is read once a batch."""
    habit = Habit()
    write(store, rows(10, 1, new=True), habit)
    store.counted()

    inserted = write(store, [change(f"v{at}", row(), 2, new=True) for at in range(10)], habit)
    assert store.counted() == (1, 10)
    updated = write(store, rows(10, 3), habit)
    assert store.counted() == (1, 10)

    assert (inserted.documents_written, updated.documents_written, updated.rows_written) == (10, 10, 0)
    assert images(store) == []


def test_a_replay_after_a_restart_writes_nothing(store: CountingStore) -> None:
    changes = [*rows(10, 1, new=True), *rows(5, 2), change("u9", None, 3)]
    write(store, changes)
    store.counted()

    again = write(store, changes)

    assert store.counted()[1] == 0
    assert (again.folded, again.documents_skipped, again.documents_written, again.stale) == (6, 10, 0, 0)
    assert write(store, rows(5, 1)).stale == 5


def test_refused_writes_make_the_next_batches_look_first_until_nothing_is_in_the_way(store: CountingStore) -> None:
    habit = Habit(looks=False)
    write(store, rows(10, 2), habit)
    assert habit.looks

    store.counted()
    write(store, rows(10, 1), habit)
    assert (store.counted()[1], habit.looks) == (0, True)
    write(store, rows(10, 3), habit)
    assert not habit.looks


def test_what_a_row_loses_is_gone_from_its_document(store: CountingStore) -> None:
    """Index attributes of a value that is NULL now, every attribute of a deleted row."""
    write(store, [change("u", row("2"), 1, new=True)])
    assert {"_i1p", "_raw"} < document(store, "u").keys()
    write(store, [change("u", row(2, team=None), 2)], Habit(looks=False))
    assert not {"_i1p", "_i1s", "_raw"} & document(store, "u").keys()

    write(store, [change("u", None, 3)], Habit(looks=False))

    shown = document(store, "u")
    assert (shown.pop("_deleted"), shown.pop("_v")[:36]) == (True, change("u", None, 3).version[:36])
    assert all(name.startswith("_") or name in ("pk", "sk") for name in shown)


def test_a_value_that_does_not_fit_parks_the_document_with_its_last_good_state(store: CountingStore) -> None:
    write(store, [change("u", row(1), 1, new=True)])

    parked = write(store, [change("u", row(MISFIT), 2)])
    assert (parked.documents_parked, document(store, "u")["val"]) == (1, 1)
    assert store.drive(stored_rows(PLAN, [(TABLE, "u")]))[TABLE, "u"][1] == {**row(MISFIT), "id": "u"}

    write(store, [change("u", row(3), 3)])
    shown = document(store, "u")
    assert shown["val"] == 3
    assert not {"_parked", "_i0p", "_claimed", "_v"} & shown.keys()


def test_stored_rows_are_found_wherever_they_are(store: CountingStore) -> None:
    write(store, [change("flat", row(), 1, new=True), change("gone", None, 1), change("image", row(MISFIT), 1)])

    found = store.drive(stored_rows(PLAN, [(TABLE, key) for key in ("flat", "gone", "image", "never")]))

    assert {key: columns for (_, key), (_, columns) in found.items()} == {
        "flat": {**row(), "id": "flat"},
        "gone": None,
        "image": {**row(MISFIT), "id": "image"},
    }


def test_a_worker_of_an_older_mapping_stops_at_a_document_of_a_newer_one(store: CountingStore) -> None:
    newer = make_plan(mapping(2))
    write(store, rows(1, 1, new=True), plan=newer)

    for habit in (Habit(), Habit(looks=False)):
        with pytest.raises(NewerGeneration):
            write(store, rows(1, 2), habit)


def test_what_an_older_mapping_wrote_from_the_same_record_is_written_again(store: CountingStore) -> None:
    """Its worker met the fence and left the record."""
    write(store, rows(1, 1, new=True))

    write(store, rows(1, 1, new=True), plan=make_plan(mapping(2, Field("worth", "val", FieldType.TEXT))))

    shown = document(store, "u0")
    assert (shown["worth"], shown["_gen"], "val" in shown) == ("1", 2, False)


def test_a_rebuild_makes_documents_of_what_the_older_ones_hold(store: CountingStore) -> None:
    """Other names, other types; delivered values come back as they were delivered."""
    write(store, [change("a", row("07"), 1, new=True), change("b", row(2), 1, new=True), change("c", None, 1)])
    newer = make_plan(mapping(2, Field("worth", "val", FieldType.TEXT), Field("group", "team")))
    counts = Counts()

    left = store.drive(renew(newer, newer.flats[TABLE], ["a", "b", "c", "never"], counts))

    assert (left.misfits, dict(left.lacking), counts.documents_written) == ([], {}, 3)
    a, b, c = (document(store, key) for key in "abc")
    assert (a["worth"], b["worth"], a["group"], "team" in a, c["_deleted"]) == ("07", "2", "a", False, True)
    assert {shown["_gen"] for shown in (a, b, c)} == {2}
    assert a["_i1p"].startswith("user#by_team#")
    again = Counts()
    store.drive(renew(newer, newer.flats[TABLE], ["a", "b", "c"], again))
    assert (again.documents_written, again.documents_skipped) == (0, 3)
    assert store.document_regressions == 0


def test_columns_that_were_not_kept_leave_documents_as_they_are_until_the_table_is_loaded(store: CountingStore) -> None:
    write(store, rows(2, 1, new=True))
    (user,) = mapping(2).aggregates
    wider = replace(user, root=replace(user.root, fields=(*user.root.fields, Field("note", "note"))))
    plan = make_plan(Mapping((wider,)))

    left = store.drive(renew(plan, plan.flats[TABLE], ["u0", "u1"], Counts()))
    assert dict(left.lacking) == {"note": 2}
    assert "note" not in document(store, "u0")

    write(store, [change("u0", row(note="n"), 2, new=True)], plan=plan)
    assert (document(store, "u0")["note"], "_v" in document(store, "u0")) == ("n", True)


def _shop() -> Mapping:
    """The table stands in another aggregate, too."""
    (user,) = mapping().aggregates
    boss = Node("user", Kind.ONE, TABLE, ("id",), ("user_id",), (Field("val", "val"),))
    order = Node("order", Kind.ROOT, "shop.orders", ("id",), fields=(Field("id", "id"),), children=(boss,))
    return Mapping((user, Aggregate("order", "orders", order)))


@pytest.mark.parametrize("missing", [(), ("big",)], ids=["complete", "partial"])
def test_a_table_that_is_used_elsewhere_now_goes_into_images_without_a_loss(
    store: CountingStore, missing: tuple[str, ...]
) -> None:
    write(store, [change("u", row(1), 1, new=True), change("old", row(7), 5, new=True)])
    plan = make_plan(_shop())
    assert plan.flats == {}

    write(store, [change("u", row(2), 2, missing)], plan=plan)
    write(store, [change("old", row(8), 4)], plan=plan)  # older than what the document holds

    for key, value in (("u", 2), ("old", 7)):
        shown = document(store, key)
        assert (shown["val"], shown["big"], "_v" in shown, "_parked" in shown) == (value, BIG, False, False)


def test_a_rebuild_takes_rows_over_of_aggregates_that_are_gone(store: CountingStore) -> None:
    write(store, rows(2, 1, new=True))
    assert store.drive(filed_holders({TABLE})) == {"user": TABLE}
    assert store.drive(filed_holders({"shop.orders"})) == {}
    (user,) = mapping().aggregates

    held = store.drive(claim(make_plan(Mapping((_shop().aggregates[1],))), [(user, "u0"), (user, "u1")]))

    assert [(c.key, c.row) for c in held] == [(key, {**row(), "id": key}) for key in ("u0", "u1")]


def test_a_rebuild_of_one_document_keeps_what_only_it_holds(store: CountingStore) -> None:
    write(store, rows(1, 1, new=True))
    before = document(store, "u0")

    store.drive(rebuild_roots(PLAN, [(PLAN.flats[TABLE].aggregate, "u0")], AS_OF))

    public = {name: value for name, value in before.items() if not name.startswith("_")}
    after = document(store, "u0")
    assert {name: value for name, value in after.items() if not name.startswith("_")} == public
    assert images(store) == [f"{TABLE}#u0"]


def test_without_its_recipe_a_document_of_another_mapping_is_left_alone(store: CountingStore) -> None:
    write(store, rows(1, 1, new=True))
    recipes = [address for address in store.items if address[1] == RECIPES_PK]
    for address in recipes:
        del store.items[address]

    with pytest.raises(TableLacks, match="lacks the item #flat user#"):
        write(store, [change("u0", row(2), 2, ("big",))], plan=make_plan(_shop()))

    assert len(recipes) == 1
    assert document(store, "u0")["val"] == 1
