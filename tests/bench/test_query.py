"""The query function is measured beside a handler that gives the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import query
from bench.results import SUMMARY
from bench.table_server import table_server


def test_both_functions_give_the_same_document(tmp_path: Path) -> None:
    """Value for value."""
    mapping = query.compiled_mapping()
    query.unpack(mapping, tmp_path)
    with table_server() as server:
        server.create_table(query.TABLE)
        query.store(server, mapping, 10)
        bodies = [json.loads(query.run(server, one, 10, 1)["body"]) for one in query.functions(tmp_path).values()]

    assert bodies[0] == bodies[1]
    assert bodies[0]["order_id"] == 10
    assert len(bodies[0]["lines"]) > 10


def test_a_document_has_its_size_and_costs_what_dynamodb_takes_for_it() -> None:
    """Half a unit for every 4 KB begun."""
    with table_server() as server:
        server.create_table(query.TABLE)
        stored = {size: query.store(server, query.compiled_mapping(), size) for size in query.KILOBYTES}

    assert {size: round(one.item_bytes / 1000) for size, one in stored.items()} == {1: 1, 10: 10, 100: 100}
    assert {size: one.read_units for size, one in stored.items()} == {1: 0.5, 10: 1.5, 100: 12.5}


def test_every_figure_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for every run; those of the summary by the names it uses."""
    for name, value in (("KILOBYTES", (10,)), ("CALLS", {10: 3}), ("PLAIN_CALLS", {10: 3}), ("STARTS", 1)):
        monkeypatch.setattr(query, name, value)

    found = query.measure(1).metrics()

    assert {metric for benchmark, metric in SUMMARY.values() if benchmark == "query"} <= set(found)
    assert {len(metric.values) for metric in found.values()} == {1}
    assert all(metric.low > 0 for metric in found.values())
