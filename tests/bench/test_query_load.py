"""The query function under load is measured beside a handler that gives the same answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench import query, query_load
from bench.table_server import Server, table_server


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def stored(server: Server) -> None:
    server.create_table(query.TABLE, indexes=4)
    for number in range(1, 4):
        server.call("PutItem", {"TableName": query.TABLE, "Item": query.order(query.compiled_mapping(), 1, number)})


def test_both_functions_give_the_same_answers(tmp_path: Path, one_core: None) -> None:
    """Documents and lists, value for value; every answer of the time measured is counted."""
    query.unpack(query.compiled_mapping(), tmp_path)
    urls = ["/orders/2", "/orders?customer_id=1042&limit=2&order=desc"]
    found = {}
    with table_server() as server:
        stored(server)
        for name, function in query.functions(tmp_path).items():
            (found[name],) = query_load.together(
                server, function, [query_load._event(u, gzip=False) for u in urls], 0.05
            )

    documents, lists = zip(*(map(json.loads, one["bodies"]) for one in found.values()), strict=True)
    assert documents[0] == documents[1]
    assert lists[0]["items"] == lists[1]["items"]
    assert [item["order_id"] for item in lists[0]["items"]] == [3, 2]
    for one in found.values():
        assert len(one["own_ms"]) == len(one["whole_ms"]) == sum(one["statuses"].values()) > 0


def test_a_wrong_answer_fails_the_benchmark(tmp_path: Path, one_core: None) -> None:
    """Figures of errors say nothing."""
    query.unpack(query.compiled_mapping(), tmp_path)
    function = query.functions(tmp_path)["query"]
    with table_server() as server:
        stored(server)
        with pytest.raises(ChildProcessError, match="not every answer was right"):
            query_load.together(server, function, [query_load._event("/orders/none", gzip=False)], 0.05)
