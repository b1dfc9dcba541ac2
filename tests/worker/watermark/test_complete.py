"""What all shards together say, and what is written for readers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.projection.strict_store import StrictStore, one_by_one
from worker.projection.due import Dues, put_due
from worker.projection.operations import TableName
from worker.projection.referrers import FanOut, Referrers
from worker.records.incarnations import Incarnations
from worker.records.mark import NOTHING, Mark, parse_mark, place
from worker.watermark.complete import (
    ALL_HASH_KEYS,
    QUIET_MICROS,
    Part,
    Seen,
    Teller,
    loaded_tables,
    look,
    raise_complete,
    read_complete,
    shared_mark,
)
from worker.watermark.progress import (
    CLOCKS_APART_MILLIS,
    RELOAD_PAUSE_MICROS,
    HotRow,
    Progress,
    Shard,
    TableNotes,
    parse_progress,
    parse_tables,
    read_shards,
    save_progress,
    take_turn,
)
from worker.watermark.telling import Tellers

HALF = ALL_HASH_KEYS // 2
ONE, TWO = Part("shard-1", (0, HALF - 1)), Part("shard-2", (HALF, ALL_HASH_KEYS - 1))
FAN_OUT = FanOut(Referrers("s.orders", ("buyer_id",), "s.people", "1"), ("order", "buyer"))


def mark(number: int) -> Mark:
    return Mark(number, place(1, number))


def shards(**marks: int) -> dict[str, Shard]:
    return {name.replace("_", "-"): Shard(Progress(mark(number), number)) for name, number in marks.items()}


def test_marks_keep_their_text_and_what_is_none_holds_everything_up() -> None:
    assert parse_mark(mark(12).text()) == mark(12)
    assert parse_mark(Mark(12).text()) == Mark(12)
    assert [parse_mark(text) for text in ("", "12", "2026-01-01T00:00:00.000000Z")] == [NOTHING] * 3
    assert (mark(258).incarnation, mark(258).position) == (1, f"{258:032x}")


def test_the_shard_that_is_furthest_behind_decides() -> None:
    assert shared_mark((ONE, TWO), Seen(shards(shard_1=20, shard_2=10), [])) == mark(10)


def test_time_and_place_are_bounds_of_their_own() -> None:
    """Two commits may be in another order in the log than by their times."""
    seen = {"shard-1": Shard(Progress(Mark(10, place(1, 9)))), "shard-2": Shard(Progress(Mark(11, place(1, 8))))}

    assert shared_mark((ONE, TWO), Seen(seen, [])) == Mark(10, place(1, 8))


def test_a_new_incarnation_is_later_than_any_place_of_the_one_before() -> None:
    seen = {"shard-1": Shard(Progress(Mark(10, place(2, 1)))), "shard-2": Shard(Progress(Mark(10, place(1, 99))))}

    assert shared_mark((ONE, TWO), Seen(seen, [])) == Mark(10, place(1, 99))


def test_what_is_due_holds_it_up() -> None:
    assert shared_mark((ONE, TWO), Seen(shards(shard_1=20, shard_2=10), [mark(7), mark(12)])) == mark(7)
    assert shared_mark((ONE, TWO), Seen(shards(shard_1=20, shard_2=10), [NOTHING])) is None
    assert shared_mark((ONE, TWO), Seen(shards(shard_1=20, shard_2=10), None)) is None


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((ONE, TWO, Part("shard-3", (0, 5))), id="a shard that has said nothing"),
        pytest.param((ONE,), id="hash keys of no shard at the end"),
        pytest.param((TWO,), id="hash keys of no shard at the beginning"),
        pytest.param((ONE, Part("shard-2", (HALF + 1, ALL_HASH_KEYS - 1))), id="a hole"),
        pytest.param((), id="no shard at all"),
    ],
)
def test_what_is_not_known_is_not_said(parts: tuple[Part, ...]) -> None:
    """The children of a shard that has ended hold everything up until they have begun."""
    assert shared_mark(parts, Seen(shards(shard_1=20, shard_2=10), [])) is None


def test_leases_of_a_time_before_hash_keys_are_believed() -> None:
    parts = (Part("shard-1", None), Part("shard-2", None))

    assert shared_mark(parts, Seen(shards(shard_1=20, shard_2=10), [])) == mark(10)


def test_what_becomes_due_while_somebody_looks_holds_him_up() -> None:
    """A batch puts what is due, then its shard's mark: whoever has read the mark finds the item."""
    for stop in range(1, 12):
        store = StrictStore()
        for name in ("shard-1", "shard-2"):
            store.drive(save_progress(name, Progress(mark(5), 5), None))
        seen: list[Seen] = []
        reader = one_by_one(store, _noted(look((ONE, TWO)), seen))
        for _ in range(stop):
            next(reader, None)

        store.drive(put_due(Dues("shard-1", lambda: "r", complete=lambda: mark(5)), [FAN_OUT], ""))
        for name in ("shard-1", "shard-2"):
            store.drive(save_progress(name, Progress(mark(9), 9), Progress(mark(5), 5)))
        for _ in reader:
            pass

        assert shared_mark((ONE, TWO), seen[0]) == mark(5), stop


def _noted(steps: Any, into: list[Any]) -> Any:
    into.append((yield from steps))


ENDED = 1_000_000_000


@pytest.mark.parametrize(
    ("notes", "reached", "loaded"),
    [
        (TableNotes(), ENDED, False),
        (TableNotes(1, loads={"t": 10}, ends={"t": 20}), 20, True),
        (TableNotes(1, loads={"t": 10}, ends={"t": 20}), 19, False),
        (TableNotes(1, loads={"t": 30}, ends={"t": 20}), 40, False),
        (TableNotes(1, full_load=5, all_ended=20, loads={"t": 10}), 20, True),
        (TableNotes(1, full_load=5, all_ended=20), 20, True),
        (TableNotes(1, full_load=25, all_ended=20), 30, False),
        (TableNotes(1, all_ended=20), 30, False),
        (TableNotes(1, full_load=5, all_ended=20, loads={"t": 30}), 40, False),
        (TableNotes(1, running=ENDED, loads={"t": ENDED - RELOAD_PAUSE_MICROS - 1}), ENDED, True),
        (TableNotes(1, running=ENDED, loads={"t": ENDED - RELOAD_PAUSE_MICROS}), ENDED, False),
        (TableNotes(1, loads={"other": 10}), 10 + QUIET_MICROS, True),
        (TableNotes(1, loads={"other": 10}), 9 + QUIET_MICROS, False),
        (TableNotes(10), 9 + QUIET_MICROS, False),
    ],
)
def test_a_table_counts_when_its_load_is_over_and_read_everywhere(
    notes: TableNotes, reached: int, *, loaded: bool
) -> None:
    seen = {"shard-1": Shard(Progress(built_micros=reached), notes), "shard-2": Shard(Progress(built_micros=ENDED * 9))}

    assert loaded_tables((ONE, TWO), Seen(seen, []), ["t"]) == ({"t"} if loaded else set())


def test_what_an_ended_shard_has_seen_of_a_load_still_counts() -> None:
    notes = TableNotes(1, loads={"t": 30})
    seen = {"old": Shard(tables=notes), "shard-1": Shard(Progress(built_micros=40), TableNotes(1, ends={"t": 20}))}

    assert loaded_tables((Part("shard-1", None),), Seen(seen, []), ["t"]) == set()


def test_what_is_written_only_rises_and_costs_nothing_while_it_stands_still() -> None:
    store = StrictStore()

    store.drive(raise_complete({"s.orders": mark(20)}, 1000.0))
    writes = store.applied_writes
    store.drive(raise_complete({"s.orders": mark(20)}, 1001.0))
    store.drive(raise_complete({"s.orders": Mark(19, place(1, 21))}, 1002.0))
    found = store.drive(read_complete(["s.orders", "s.people"]))

    assert store.applied_writes == writes + 1
    assert {table: one.mark for table, one in found.items()} == {"s.orders": Mark(20, place(1, 21))}
    item = store.items[TableName.DOCUMENTS, "~complete#s.orders", "#"]
    assert (item["commit_micros"], item["incarnation"]) == ({"N": "20"}, {"N": "1"})
    assert item["position"] == {"S": f"{21:032x}"}
    assert item["observed_at"] == {"S": "1970-01-01T00:16:42.000+00:00"}


def test_a_worker_that_has_lost_its_shard_lowers_nothing() -> None:
    store = StrictStore()
    store.drive(save_progress("shard-1", Progress(mark(20), 21, written_millis=2), None))

    store.drive(save_progress("shard-1", Progress(mark(10), 11, written_millis=1), None))

    found = store.drive(read_shards(["shard-1"]))["shard-1"].progress
    assert (found.mark, found.built_micros, found.written_millis) == (mark(20), 21, 2)


def test_stored_texts_are_read_back() -> None:
    progress = Progress(mark(5), 6, 7, 8, 9, 100, (HotRow("s.orders", "17", 40),))
    notes = TableNotes(1, 2, 3, 4, {"s.orders": 5}, {"s.orders": 6})

    assert parse_progress(progress.text()) == progress
    assert parse_tables(notes.text()) == notes
    assert notes.loads == parse_tables(notes.text()).loads


def test_one_worker_at_a_time_has_its_turn() -> None:
    store = StrictStore()

    assert store.drive(take_turn(10_000, 1000))
    assert not store.drive(take_turn(10_999, 1000))
    assert store.drive(take_turn(11_000, 1000))


def test_a_clock_that_ran_ahead_stops_nobody() -> None:
    store = StrictStore()
    store.drive(take_turn(10_000_000, 1000))

    assert not store.drive(take_turn(10_000_000 - CLOCKS_APART_MILLIS, 1000))
    assert store.drive(take_turn(10_000_000 - CLOCKS_APART_MILLIS - 1, 1000))


def test_a_mark_names_its_region_its_kind_of_positions_and_when_its_incarnation_began() -> None:
    """What readers need who compare a position of their own with it; what is not known is left out."""
    store = StrictStore()
    teller = Teller("eu-west-1", "postgresql", (500,))

    store.drive(raise_complete({"s.orders": mark(20), "s.people": Mark(7, place(2, 1))}, 1000.0, teller))
    store.drive(raise_complete({"s.lines": Mark(9, place(3, 1))}, 1000.0, teller))

    items = [store.items[TableName.DOCUMENTS, f"~complete#s.{name}", "#"] for name in ("orders", "people", "lines")]
    assert {(item["region"]["S"], item["order"]["S"]) for item in items} == {("eu-west-1", "postgresql")}
    assert [item.get("since") for item in items] == [{"N": "0"}, {"N": "500"}, None]


def test_the_list_of_incarnations_is_read_when_a_mark_is_of_a_new_one() -> None:
    reads: list[Incarnations] = [Incarnations((500,)), Incarnations((500, 900))]
    tellers = Tellers(Teller("eu-west-1", "mysql"), lambda: reads.pop(0))

    assert [tellers(number).starts for number in (0, 1, 2, 2, 3, 3)] == [(), (), (500,), (500,), *[(500, 900)] * 2]
    assert reads == []
