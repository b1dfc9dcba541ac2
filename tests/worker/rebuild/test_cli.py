"""`nearview rebuild` on real tables: a changed mapping, an old worker behind the fence, a run that is stopped."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contract.values import from_item
from tests.worker.conftest import Tables
from worker.errors import FatalError
from worker.log import Log
from worker.mapping.loader import load_mappings
from worker.projection.engine import project
from worker.projection.generations import NewerGeneration
from worker.projection.plan import make_plan
from worker.rebuild import run
from worker.rebuild.cli import rebuild
from worker.rebuild.first_start import note_first_start
from worker.rebuild.scan import RowScan
from worker.records.rows import Row, RowChange
from worker.records.version import change_version
from worker.settings import parse

OLD = """
aggregate: order
source: shop.orders
key: id
fields: [id, state]
"""
LINE = """
aggregate: line
source: shop.lines
key: id
fields: [id, order_id, text]
"""
NEW = """
aggregate: order
generation: 2
source: shop.orders
key: id
fields: [id, state]
many:
  lines: {source: shop.lines, key: id, join: order_id, fields: [text]}
"""
AS_OF = "2026-01-01T00:00:00.000000Z"


class Shop:
    """A few orders and lines in real tables, projected as a worker would."""

    def __init__(self, tables: Tables, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables = tables
        self.folder = folder
        self.position = 0
        self.store = tables.store(Log("error"))
        environment = {
            **tables.environment(),
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": tables.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "NEARVIEW_MAPPINGS": str(folder),
            "NEARVIEW_STREAM": "changes",
            "NEARVIEW_APPLICATION": "worker",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        self.environment = environment

    def deploy(self, *texts: str) -> None:
        for path in self.folder.glob("*.yaml"):
            path.unlink()
        for at, text in enumerate(texts):
            (self.folder / f"{at}.yaml").write_text(text)

    def first_start(self) -> None:
        note_first_start(parse(self.environment), Log("error"))

    def put(self, table: str, **row: Any) -> None:
        mapping, problems = load_mappings(self.folder)
        assert mapping is not None, problems
        self.position += 1
        kept: Row = {name: value for name, value in row.items() if name in mapping.tables[table].columns}
        change = RowChange(table, str(row["id"]), change_version(1, self.position, 1), kept)
        self.store.drive(project(make_plan(mapping), [change], AS_OF))

    def document(self, aggregate: str, key: str) -> dict[str, Any] | None:
        item = self.tables.document(aggregate, key)
        if item is None:
            return None
        return {name: value for name, value in from_item(item).items() if name[0] != "_" and name not in ("pk", "sk")}

    def rebuild(self, *arguments: str) -> Result:
        return CliRunner().invoke(rebuild, list(arguments))


@pytest.fixture
def shop(tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop(tables, tmp_path, monkeypatch)
    found.deploy(OLD, LINE)
    found.first_start()
    for number in range(1, 6):
        found.put("shop.lines", id=number * 10, order_id=number, text=f"line {number}")
        found.put("shop.orders", id=number, state="new")
    return found


def test_a_document_of_new_relations_waits_for_the_rebuild_and_is_never_half_built(shop: Shop) -> None:
    shop.deploy(NEW, LINE)
    shop.first_start()  # another start changes nothing
    shop.put("shop.orders", id=1, state="paid")
    assert shop.document("order", "1") == {"id": 1, "state": "new"}

    answer = shop.rebuild("order", "--json")

    assert answer.exit_code == 0, answer.output
    (found,) = json.loads(answer.stdout).values()
    assert (found["phase"], found["covered"], found["documents"], found["written"]) == ("done", 5, 5, 5)
    assert shop.document("order", "1") == {"id": 1, "state": "paid", "lines": [{"text": "line 1"}]}
    assert shop.document("order", "5") == {"id": 5, "state": "new", "lines": [{"text": "line 5"}]}
    shop.put("shop.lines", id=11, order_id=1, text="more")
    assert shop.document("order", "1") == {"id": 1, "state": "paid", "lines": [{"text": "line 1"}, {"text": "more"}]}


def test_a_repeated_rebuild_only_reads(shop: Shop) -> None:
    shop.rebuild("order")

    (found,) = json.loads(shop.rebuild("order", "--json").stdout).values()

    assert (found["documents"], found["written"], found["covered"]) == (5, 0, 0)


def test_an_old_worker_stops_behind_the_fence(shop: Shop) -> None:
    shop.deploy(NEW, LINE)
    assert shop.rebuild("--all").exit_code == 0
    shop.deploy(OLD, LINE)

    with pytest.raises(NewerGeneration, match="generation 2 of its mapping is at work, this worker's is 1"):
        shop.put("shop.lines", id=12, order_id=2, text="late")

    shop.deploy(NEW, LINE)
    shop.put("shop.lines", id=13, order_id=2, text="again")
    assert shop.document("order", "2") == {"id": 2, "state": "new", "lines": [{"text": "again"}, {"text": "line 2"}]}


def test_a_rebuild_that_was_stopped_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deploy(NEW, LINE)

    def stopped(*_: Any) -> Any:
        raise FatalError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(run, "rebuild_roots", stopped)
        assert shop.rebuild("order").exit_code == 2
    assert shop.document("order", "3") == {"id": 3, "state": "new"}

    (found,) = json.loads(shop.rebuild("order", "--json").stdout).values()

    assert (found["phase"], found["covered"], found["written"]) == ("done", 5, 5)
    assert shop.document("order", "3") == {"id": 3, "state": "new", "lines": [{"text": "line 3"}]}


def test_columns_that_no_mapping_kept_are_named_with_their_table(shop: Shop) -> None:
    shop.deploy(NEW.replace("fields: [id, state]", "fields: [id, state, note]"), LINE)

    answer = shop.rebuild("order")

    assert answer.exit_code == 1
    counted, parked, lacking = answer.stdout.splitlines()
    assert counted == "order: 5 documents looked at, 0 written, 5 rows got edges"
    assert parked == "order: 5 parked: they were not rebuilt and keep their last state"
    assert lacking.startswith("order: 5 rows of shop.orders have no note yet, no mapping kept it: load the table again")
    assert lacking.endswith("in a raised incarnation")
    assert shop.document("order", "1") == {"id": 1, "state": "new"}


def test_a_page_without_documents_of_the_aggregate_is_not_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deploy(NEW, LINE)
    shop.rebuild("order")
    monkeypatch.setattr("worker.rebuild.cli.RowScan", partial(RowScan, page_items=1))

    told = shop.rebuild("order").stderr.splitlines()

    assert [line for line in told if "rebuilding" in line] == [
        f"order: rebuilding: {number} documents looked at, 0 of them written" for number in range(1, 6)
    ]


def test_documents_that_hold_their_rows_are_made_of_what_they_hold(shop: Shop) -> None:
    """A changed mapping of one table: nothing is read from the source, and no row image appears."""
    shop.deploy(OLD.replace("key: id", "key: id\ngeneration: 2").replace("state]", "{status: state}]"), LINE)

    (found,) = json.loads(shop.rebuild("order", "--json").stdout).values()

    assert (found["phase"], found["documents"], found["written"]) == ("done", 5, 5)
    assert shop.document("order", "4") == {"id": 4, "status": "new"}
    assert all(item["pk"]["S"].startswith("#") for item in shop.tables.items(shop.tables.rows))
    shop.deploy(OLD.replace("key: id", "key: id\ngeneration: 3").replace("state]", "state, note]"), LINE)
    answer = shop.rebuild("order")
    assert (answer.exit_code, shop.document("order", "4")) == (1, {"id": 4, "status": "new"})
    assert "order: 5 rows of shop.orders have no note yet" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["ordre"], "no aggregate ordre in the mappings (known: order, line)"),
        ([], "name the aggregates (order, line) or give --all"),
        (["order", "--all"], "name the aggregates (order, line) or give --all"),
    ],
)
def test_what_cannot_be_rebuilt_is_said_in_one_line(shop: Shop, arguments: list[str], line: str) -> None:
    answer = shop.rebuild(*arguments)

    assert answer.exit_code == 2
    assert answer.stderr == f"nearview rebuild: {line}\n"
