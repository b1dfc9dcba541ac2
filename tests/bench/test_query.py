"""The query function is measured beside a handler that gives the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import query
from bench.results import SUMMARY
from bench.table_server import table_server
from contract.values import item_bytes


def test_both_functions_give_the_same_document(tmp_path: Path) -> None:
    """Value for value, for every size."""
    mapping = query.compiled_mapping()
    query.unpack(mapping, tmp_path)
    functions = query.functions(tmp_path)
    with table_server() as server:
        server.create_table(query.TABLE)
        for size in query.KILOBYTES:
            stored = query.store(server, mapping, size)
            bodies = [json.loads(query.run(server, one, size, 1)["body"]) for one in functions.values()]
            assert bodies[0] == bodies[1]
            assert bodies[0]["order_id"] == size
            assert stored.item_bytes == item_bytes(query.order(mapping, size))


def test_every_figure_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for every run; more for starts; those of the summary by the names it uses."""
    few = dict.fromkeys(query.KILOBYTES, 3)
    monkeypatch.setattr(query, "CALLS", few)
    monkeypatch.setattr(query, "PLAIN_CALLS", few)
    monkeypatch.setattr(query, "STARTS", 1)

    found = query.measure(1).metrics()

    assert {metric for benchmark, metric in SUMMARY.values() if benchmark == "query"} <= set(found)
    assert {len(metric.values) for name, metric in found.items() if name.startswith(("import", "own_code"))} == {1}
    assert all(metric.low > 0 for metric in found.values())
    assert [found[f"read_units_{size}kb"].median for size in query.KILOBYTES] == [0.5, 1.5, 12.5]
