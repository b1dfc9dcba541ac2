"""What benchmarks feed: the same every time, and records that the worker's own decoder takes."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from bench import workloads
from bench.workloads import Workload
from worker.mapping.loader import load_mappings
from worker.records.envelope import ChangeEvent, decode
from worker.records.positions import Engine, Order
from worker.records.rows import row_changes

WORKLOADS: dict[str, Workload] = {
    "flat": workloads.flat(30, 30, per_line=25),
    "nested": workloads.nested(5, customers=3, products=4),
    "backlog": workloads.backlog(4, 3),
    "documents": workloads.wide_documents(2, 3, 4),
    "fan-out": workloads.fan_out(5, 2),
    "shard": workloads.shards(8, 2)[1],
}


def records(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The records in deliveries."""
    return [record for line in lines for record in orjson.loads(line)["records"]]


def events(lines: Iterable[bytes]) -> list[ChangeEvent]:
    """The same as the worker decodes them."""
    found = []
    for record in records(lines):
        event = decode(base64.b64decode(record["data"]), "before-image")
        assert isinstance(event, ChangeEvent)
        found.append(event)
    return found


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_record_is_a_change_that_the_mapping_uses(name: str) -> None:
    workload = WORKLOADS[name]
    mapping, problems = load_mappings(workload.mappings)
    assert mapping, problems
    versions: list[str] = []
    for event in events([*workload.setup, *workload.lines]):
        for change in row_changes(event, mapping.tables[event.table], 1, Order(Engine.POSTGRESQL)):
            assert change.row is not None
            if event.operation != "load":
                versions.append(change.version)
    assert versions == sorted(set(versions))
    assert len(records(workload.lines)) == workload.changes


@pytest.mark.parametrize("name", WORKLOADS)
def test_sequence_numbers_rise(name: str) -> None:
    workload = WORKLOADS[name]
    numbers = [int(record["sequenceNumber"]) for record in records([*workload.setup, *workload.lines])]
    assert numbers == sorted(set(numbers))


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert workloads.flat(20, 20).lines == workloads.flat(20, 20).lines
    assert workloads.flat(20, 20, seed=2).lines != workloads.flat(20, 20).lines
    assert workloads.nested(3).lines == workloads.nested(3).lines
    assert workloads.hot_lookup(3, 2, 5).after == workloads.hot_lookup(3, 2, 5).after


def test_an_order_has_five_to_fifteen_lines_in_one_transaction() -> None:
    found = events(workloads.nested(40).lines)
    counts = Counter(event.data["order_id"] for event in found if event.table == "tpcc.order_lines")
    assert len(counts) == 40
    assert min(counts.values()) >= 5
    assert max(counts.values()) <= 15
    assert len({event.transaction for event in found}) == 40


def test_some_rows_are_updated_far_more_often_than_others() -> None:
    found = events(workloads.flat(200, 2000).lines)
    counts = Counter(event.data["ycsb_key"] for event in found if event.operation == "update")
    assert counts.most_common(1)[0][1] > 20 * min(counts.values())


def test_shards_have_orders_of_their_own() -> None:
    parts = [{event.data["order_id"] for event in events(part.lines)} for part in workloads.shards(8, 2)]
    assert parts[0].isdisjoint(parts[1])


def test_a_hot_lookup_knows_how_many_documents_its_deliveries_touch() -> None:
    hot = workloads.hot_lookup(6, 4, 10)
    touched = [{event.data["order_id"] for event in events([line])} for line in hot.after]
    assert hot.documents_after == sum(map(len, touched))
    (renamed,) = events([hot.rename])
    assert renamed.data["title"] == hot.title
    held = [event for event in events(hot.setup) if event.table == "tpcc.order_lines"]
    assert [event.data["sku"] for event in held] == [renamed.data["sku"]] * 6
