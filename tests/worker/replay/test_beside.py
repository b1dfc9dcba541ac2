"""A replay beside the workers: what is read, fed and counted, where it goes on, and what it must not do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.worker.dms_records import change
from tests.worker.replay.kcl import Stream as Shape
from worker.errors import FatalError
from worker.mapping.loader import read_mappings
from worker.pipeline import BatchReport
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.replay import beside_state
from worker.replay.beside import Beside
from worker.replay.beside_filter import Verdict, make_filter
from worker.replay.beside_state import ShardState, State
from worker.replay.budget import Budget
from worker.replay.stream import Page, Record, Start, Stream

MAPPING = """
aggregate: order
source: shop.orders
key: [region, order_id]
fields: [region, order_id, note]
"""
P, C1, C2 = (f"shardId-{number:012d}" for number in range(3))
UNTIL = 1000


class Pages(Stream):
    """A stream of which every page has two records; a shard's records are its list."""

    def __init__(self, records: dict[str, list[Record]], closed: frozenset[str] = frozenset()) -> None:
        super().__init__(None, "changes", sleep=lambda seconds: None)
        self.records = records
        self.closed = closed

    def pages(self, shard: str, start: Start, limit: int = 0) -> Any:
        at = next(
            (n for n, record in enumerate(self.records[shard]) if int(record.number) >= int(start.number)),
            len(self.records[shard]),
        )
        at += start.kind == "AFTER_SEQUENCE_NUMBER" and at < len(self.records[shard])
        while True:
            found = tuple(self.records[shard][at : at + 2])
            at += len(found)
            ended = at >= len(self.records[shard])
            yield Page(found, ended and shard not in self.closed, ended and shard in self.closed)


class Fed:
    """A pipeline that notes what it is given."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.numbers: list[str] = []
        self.dies_at = dies_at

    def process(self, records: Sequence[StreamRecord]) -> BatchReport:
        if self.dies_at is not None and len(self.numbers) + len(records) > self.dies_at:
            raise FatalError("the store is gone")
        self.numbers += [record.sequence_number for record in records]
        return BatchReport(
            len(records), documents_skipped=len(records), read_units={"rows": 0.5 * len(records)}, write_units={}
        )


def order(number: int, key: int, at: int | None = None, **more: Any) -> Record:
    payload = change("insert", "shop.orders", {"region": "eu", "order_id": key, "note": ""}, None, number, **more)
    return Record(str(number), number if at is None else at, "k", json.dumps(payload).encode())


def wanted(tables: tuple[str, ...] = (), keys: tuple[str, ...] = ()) -> Any:
    mapping, problems = read_mappings({"order.yaml": MAPPING})
    assert mapping is not None, problems
    return make_filter(mapping, Source(), tables, keys)


def state_of(stream: Pages, until: int = UNTIL) -> State:
    shards = {
        name: ShardState("", records[0].number, records[0].arrival_millis, records[0].arrival_millis)
        for name, records in stream.records.items()
        if records
    }
    return State({"from": "start"}, until, shards)


def run(
    stream: Pages, state: State, fed: Fed, path: Path, *, chosen: Any = None, ends: dict[str, str] | None = None
) -> None:
    shape = Shape({name: [] for name in stream.records}, {P: (), C1: (P,), C2: (P,)}, dict.fromkeys(stream.closed, 99))
    shape.began = dict.fromkeys(shape.parents, 1)
    Beside(
        stream,
        shape.listed(frozenset(shape.parents) - stream.records.keys()),
        fed,
        chosen or wanted(),
        Budget(),
        Budget(),
        state,
        ends or {},
        lambda found: beside_state.write(path, found),
        lambda found: None,
        clock=lambda: 0.0,
        now_millis=lambda: UNTIL + 1,
        sleep=lambda seconds: None,
    ).run()


def family() -> Pages:
    return Pages(
        {
            P: [order(number, number) for number in range(10, 15)],
            C1: [order(number, number) for number in (30, 31, 32)],
            C2: [order(20, 20)],
        },
        frozenset({P}),
    )


def test_every_record_is_fed_parents_first_and_counted(tmp_path: Path) -> None:
    stream, fed = family(), Fed()
    state = state_of(stream)

    run(stream, state, fed, tmp_path / "state")

    assert fed.numbers[:5] == ["10", "11", "12", "13", "14"]
    assert sorted(fed.numbers[5:]) == ["20", "30", "31", "32"]
    assert state.done
    counts = state.counts
    assert (counts["records"], counts["records_taken"], counts["documents_unchanged"]) == (9, 9, 9)
    assert counts["read_units_rows"] == 4.5


@pytest.mark.parametrize("deaths", [[0], [1], [3], [6], [0, 2, 5, 8]])
def test_what_is_killed_goes_on_where_it_was_and_leaves_nothing_out(tmp_path: Path, deaths: list[int]) -> None:
    path, stream, numbers = tmp_path / "state", family(), []
    state: State | None = state_of(stream)
    for dies_at in [*deaths, None]:
        assert state is not None
        fed = Fed(dies_at)
        try:
            run(stream, state, fed, path)
        except FatalError:
            numbers += fed.numbers
            state = beside_state.read(path, {"from": "start"})
        else:
            numbers += fed.numbers
    assert sorted(numbers) == sorted({record.number for records in stream.records.values() for record in records})


def test_it_ends_at_a_time_and_at_a_number(tmp_path: Path) -> None:
    stream, fed = Pages({P: [order(1, 1, 500), order(2, 2, 1000), order(3, 3, 1001), order(4, 4, 2000)]}), Fed()
    state = state_of(stream)
    run(stream, state, fed, tmp_path / "state")
    assert (fed.numbers, state.done) == (["1", "2"], True)

    stream, fed = Pages({P: [order(number, number, 5) for number in (1, 2, 3, 10, 11)]}), Fed()
    run(stream, state_of(stream), fed, tmp_path / "state", ends={P: "10"})
    assert fed.numbers == ["1", "2", "3", "10"]


def test_only_the_tables_and_rows_asked_for_are_fed(tmp_path: Path) -> None:
    line = Record("3", 3, "k", json.dumps(change("insert", "shop.lines", {"id": 1})).encode())
    renamed = change(
        "update", "shop.orders", {"region": "eu", "order_id": 9, "note": ""}, {"region": "eu", "order_id": 2}, 4
    )
    stream = Pages(
        {
            P: [
                order(1, 1),
                order(2, 2),
                line,
                Record("4", 4, "k", json.dumps(renamed).encode()),
                Record("5", 5, "k", b"x"),
            ]
        }
    )
    fed, state = Fed(), state_of(stream)

    run(stream, state, fed, tmp_path / "state", chosen=wanted(("shop.orders",), ("eu|2",)))

    assert fed.numbers == ["2", "4"]
    assert {name: n for name, n in state.counts.items() if name.startswith("records_")} == {
        "records_taken": 2,
        "records_other": 1,
        "records_unmapped": 1,
        "records_unreadable": 1,
    }


def test_verdicts() -> None:
    chosen = wanted(("shop.orders",), ("eu|2",))

    assert chosen.judge(order(1, 2).data) is Verdict.TAKEN
    assert chosen.judge(b"\xff") is Verdict.UNREADABLE
    no_key = json.dumps(change("insert", "shop.orders", {"region": "eu", "note": ""})).encode()
    assert chosen.judge(no_key) is Verdict.UNREADABLE
    with pytest.raises(FatalError, match=r"no mapping uses the table shop\.nothing"):
        wanted(("shop.nothing",))


def test_a_state_is_of_one_replay_and_done_once(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = State({"from": "start"}, 5, {"s": ShardState("4", "1", 1, 3)})
    assert beside_state.read(path, {}) is None
    beside_state.write(path, state)
    assert beside_state.read(path, {"from": "start"}) == state
    assert state.part() == 0.5

    with pytest.raises(FatalError, match="is of another replay: name another file with --state, or give --restart"):
        beside_state.read(path, {"from": "1h"})
    state.shards["s"].done = True
    beside_state.write(path, state)
    with pytest.raises(FatalError, match="says that this replay is done: give --restart"):
        beside_state.read(path, {"from": "start"})
    path.write_text("{}")
    with pytest.raises(FatalError, match="is not the state of a replay"):
        beside_state.read(path, {"from": "start"})
