"""`nearview explain` on the command line, without tables and with real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change
from tests.worker.explain.test_record import MAPPING, ORDER
from worker.cli import main
from worker.mapping.loader import load_mappings
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.envelope import ChangeEvent, decode
from worker.records.rows import row_changes
from worker.store.memory import MemoryStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "order.yaml").write_text(MAPPING)
    return tmp_path


def _run(*arguments: object, record: dict[str, Any] | str = "", env: dict[str, str] | None = None) -> Result:
    text = record if isinstance(record, str) else json.dumps(record)
    return CliRunner().invoke(main, ["explain", *map(str, arguments)], input=text, env=env)


INSERT = change("insert", "shop.orders", ORDER)


def test_a_record_is_explained_without_any_value(folder: Path) -> None:
    """Keys, names, counts; a status is shown only on wish."""
    result = _run("-", "--mappings", folder, record=INSERT)

    assert result.exit_code == 0
    assert "insert of shop.orders, key 1" in result.output
    assert "document       order#1: written, new" in result.output
    assert "paid" not in result.output
    assert "secret" not in result.output
    assert '"status":"paid"' in _run("-", "--mappings", folder, "--values", record=INSERT).output


def test_programs_get_every_operation_and_the_units(folder: Path) -> None:
    """A new order: image, edge to its customer, document; three regions pay for the document."""
    result = json.loads(_run("-", "--mappings", folder, "--json", "--regions", 3, record=INSERT).output)

    dry_run = result["dry_run"]
    assert [(s["operation"], s["item"]) for s in dry_run["steps"] if s["operation"] == "insert"] == [
        ("insert", "shop.customers#7  shop.orders#customer_id#1"),
        ("insert", "shop.orders#1  #"),
        ("insert", "order#1  #"),
    ]
    assert (dry_run["row_write_units"], dry_run["document_write_units"]) == (2, 3)
    assert dry_run["joins"] == [["shop.customers#7", "shop.orders#customer_id#1"]]
    assert "row" not in result["record"]


def test_a_record_that_would_be_parked(folder: Path) -> None:
    """The reason, and exit code 1."""
    result = _run("-", "--mappings", folder, record=change("insert", "shop.orders", {**ORDER, "order_id": None}))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "nearview explain: it would be parked: key column order_id is missing or null\n"


def test_sensitive_columns_are_shown_as_what_is_left_of_them(folder: Path) -> None:
    """A token, even on wish; a dropped column not at all."""
    (folder / "tables.yaml").write_text("tables: {shop.orders: {sensitive: {status: token, note: drop}}}")
    result = _run("-", "--mappings", folder, "--values", record=INSERT)

    assert result.exit_code == 0
    assert "sensitive      note: drop, status: token" in result.output
    assert '"status":"tok:' in result.output
    assert "paid" not in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give one of: a RECORD, --key, --row"),
        (["--key", "order/1"], "--key and --row look at stored items: add --online"),
        (["--key", "ordr/1", "--online"], "expected AGGREGATE/KEY with one of the aggregates order"),
        (["--row", "shop.order", "1", "--online"], "no mapping uses table shop.order"),
    ],
)
def test_wrong_use_is_said_in_a_line(folder: Path, arguments: list[str], line: str) -> None:
    """Exit code 2."""
    result = _run(*arguments, "--mappings", folder)

    assert result.exit_code == 2
    assert line in result.stderr


@pytest.fixture
def environment(ministack: MiniStack, tables: Tables, folder: Path) -> dict[str, str]:
    """Settings that name real tables, which hold an order with a line and a product."""
    names = {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}
    for (table, _, _), item in _shop(folder).items.items():
        tables.client.put_item(TableName=names[table], Item=item)
    return {**ministack.environment(), **tables.environment()}


def _shop(folder: Path) -> MemoryStore:
    mapping, _ = load_mappings(folder)
    assert mapping is not None
    plan, store = make_plan(mapping), MemoryStore()
    rows: list[tuple[str, dict[str, Any]]] = [
        ("shop.orders", ORDER),
        ("shop.lines", {"order_id": 1, "line_no": 1, "sku": "A"}),
        ("shop.products", {"sku": "A", "title": "Lamp"}),
    ]
    for position, (table, row) in enumerate(rows, start=1):
        event = decode(json.dumps(change("insert", table, row, position=position)).encode(), "before-image")
        assert isinstance(event, ChangeEvent)
        store.drive(project(plan, row_changes(event, mapping.tables[table], 1), ""))
    return store


def test_a_document_that_is_up_to_date_costs_reads_only(folder: Path, environment: dict[str, str]) -> None:
    """Building it anew gives what is stored."""
    result = _run("--key", "order/1", "--online", "--mappings", folder, "--json", env=environment)

    found = json.loads(result.output)["dry_run"]
    assert [(d["document"], d["outcome"]) for d in found["documents"]] == [("order#1", "as it is stored")]
    assert (found["row_write_units"], found["document_write_units"]) == (0, 0)
    assert found["read_units"] >= 5


def test_writes_that_were_avoided_are_shown(folder: Path, environment: dict[str, str]) -> None:
    """Equal fingerprints save a write in each region; a row that changed in nothing saves looking at documents."""
    arguments = ("--online", "--mappings", folder, "--regions", 3)
    document = json.loads(_run("--key", "order/1", *arguments, "--json", env=environment).output)["dry_run"]
    same_row = change("update", "shop.orders", ORDER, {}, position=9)
    row = json.loads(_run("-", *arguments, "--json", record=same_row, env=environment).output)["dry_run"]

    nothing = {"document_writes": 0, "document_write_units": 0, "unchanged_rows": 0, "folded_changes": 0}
    assert document["avoided"] == {**nothing, "document_writes": 1, "document_write_units": 3}
    assert row["avoided"] == {**nothing, "unchanged_rows": 1}
    told = _run("--key", "order/1", *arguments, env=environment).output
    assert "avoided        1 document not written, their fingerprints are equal, 3 units in 3 regions" in told
    assert (
        "avoided        the documents of 1 row, which" in _run("-", *arguments, record=same_row, env=environment).output
    )


def test_a_change_of_a_row_reaches_its_documents_and_nothing_is_written(
    folder: Path, environment: dict[str, str]
) -> None:
    """The product stands in the order's line."""
    result = _run("--row", "shop.products", "A", "--online", "--mappings", folder, "--json", env=environment)
    again = _run("--row", "shop.products", "A", "--online", "--mappings", folder, "--json", env=environment)

    found = json.loads(result.output)["dry_run"]
    assert [(d["document"], d["outcome"]) for d in found["documents"]] == [("order#1", "written")]
    assert (found["row_write_units"], found["document_write_units"]) == (1, 1)
    assert again.output == result.output
    missing = _run("--row", "shop.products", "B", "--online", "--mappings", folder, env=environment)
    assert (missing.exit_code, missing.stderr) == (2, "nearview explain: no image of shop.products B is stored\n")


def test_a_record_beside_the_stored_row_shows_its_move(folder: Path, environment: dict[str, str]) -> None:
    """The edge under the new parent is put, the one under the old parent is deleted."""
    moved = change("update", "shop.orders", {**ORDER, "customer_id": 8}, {}, position=9)
    found = json.loads(_run("-", "--online", "--mappings", folder, "--json", record=moved, env=environment).output)[
        "dry_run"
    ]

    assert found["joins"] == [["shop.customers#8", "shop.orders#customer_id#1"]]
    assert found["leaves"] == [["shop.customers#7", "shop.orders#customer_id#1"]]


def test_a_record_of_a_later_incarnation_is_newer(
    folder: Path, environment: dict[str, str], tables: Tables, ministack: MiniStack
) -> None:
    """After a restore positions begin again: the list in the parking table tells."""
    client = ministack.client("dynamodb")
    item = {
        "pk": {"S": "incarnation"}, "sk": {"S": "0002"}, "from": {"N": "0"}, "raised_at": {"S": ""}, "why": {"S": ""},
    }  # fmt: skip
    older = change("update", "shop.orders", {**ORDER, "status": "placed"}, {}, position=0)
    arguments = ("-", "--online", "--mappings", folder, "--json")
    before = json.loads(_run(*arguments, record=older, env=environment).output)
    client.put_item(TableName=tables.parked, Item=item)
    after = json.loads(_run(*arguments, record=older, env=environment).output)

    assert [d["outcome"] for d in before["dry_run"]["documents"]] == ["as it is stored"]
    assert [d["outcome"] for d in after["dry_run"]["documents"]] == ["written"]
    assert after["record"]["version_parts"]["incarnation"] == "2"
