"""Real children on the benchmarks' tables: what they write is what the records say, and it is counted."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import orjson
import pytest

from bench import throughput, workloads
from bench.child import DOCUMENTS, ChildFailed, empty_tables, worker
from bench.session import QUICK, Session
from bench.table_server import Server, table_server
from bench.workloads import MAPPINGS


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The benchmarks' tables."""
    with table_server() as running:
        yield running


HANDLERS = [throughput.NAIVE, throughput.CONDITIONAL_PUT, throughput.STOCK_KCLPY]


def test_the_worker_s_child_makes_whole_documents_and_a_replay_writes_nothing(server: Server) -> None:
    workload = workloads.nested(4, customers=3, products=4)
    empty_tables(server)
    with worker(server, workload.mappings) as child:
        child.feed(workload.setup)
        used = child.measure(workload.lines, workload.changes)
        again = child.measure(workload.lines, workload.changes)
        assert child.metrics()["nearview_records_total"] == workload.changes * 2 + 7
        assert child.checkpoint
    documents = server.items(DOCUMENTS)
    assert len(documents) == used.written[DOCUMENTS] == 4
    for document in documents:
        assert len(document["lines"]["L"]) >= 5
        assert all("title" in line["M"]["product"]["M"] for line in document["lines"]["L"])
        assert "name" in document["customer"]["M"]
    assert used.cpu_seconds > 0
    assert used.peak_megabytes > 10
    assert sum(again.written.values()) == 0


@pytest.mark.parametrize("module", [*HANDLERS, "worker.child"])
def test_all_handlers_leave_the_newest_values(server: Server, module: str) -> None:
    workload = workloads.flat(20, 60, per_line=40)
    expected = {}
    for record in workloads.flat_records(workloads.Log(), 20, 60, random.Random(1)):
        row = orjson.loads(record)["data"]
        expected[row["ycsb_key"]] = row["field0"]
    empty_tables(server)
    with worker(server, workload.mappings, module) as child:
        child.feed(workload.lines)
    documents = server.items(DOCUMENTS)
    assert {item["ycsb_key"]["S"]: item["field0"]["S"] for item in documents} == expected


def test_a_child_that_ends_says_why(server: Server) -> None:
    with pytest.raises(ChildFailed, match="no such folder of mappings"), worker(server, MAPPINGS / "nothing"):
        pass


def test_a_hot_lookup_reaches_all_documents(server: Server) -> None:
    """The benchmark itself looks at the documents when it is done."""
    sizes = dataclasses.replace(QUICK, referrers=30, hot_orders=6)
    found = throughput.hot_lookup(Session(server, 1, sizes, lambda _: None))
    assert found["referring_documents"].median == 30
