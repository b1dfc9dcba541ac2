"""The console's reader on real tables: what stands there, nothing written, and no endless patience."""

from __future__ import annotations

import io
import json
import socket
from typing import Any

import pytest
from click.testing import CliRunner

from tests.worker.conftest import Tables
from tests.worker.console.shop import AS_OF, make_plan_of_shop
from tests.worker.dms_records import record
from worker.cli import main
from worker.console.reader import Reader
from worker.errors import TransientError
from worker.log import Log
from worker.parked.parking import Parking, record_entry, table_entry
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.records.errors import Reason
from worker.records.rows import RowChange

CANARY = "canary-51D0"


@pytest.fixture
def reader(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Reader:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    names = {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}
    return Reader(make_plan_of_shop(), "eu-west-1", tables.endpoint_url, names, tables.parked)


def everything(tables: Tables) -> list[Any]:
    names = (tables.rows, tables.documents, tables.parked)
    return [sorted(tables.items(name), key=lambda item: (item["pk"]["S"], item["sk"]["S"])) for name in names]


def test_a_document_its_rows_and_the_watermarks_are_read_and_nothing_is_written(tables: Tables, reader: Reader) -> None:
    rows: list[tuple[str, str, Any]] = [
        ("shop.customers", "1", {"customer_id": 1, "name": "Ada"}),
        ("shop.orders", "7", {"order_id": 7, "status": "placed", "total": 3, "customer_id": 1}),
        ("shop.order_lines", "7|1", {"order_id": 7, "line_no": 1, "quantity": "many"}),
    ]
    changes = [RowChange(table, key, f"{1:040d}", row) for table, key, row in rows]
    store = tables.store(Log("error", io.StringIO()))
    store.drive(project(reader.plan, changes, AS_OF))
    store.close()
    mark = {"pk": {"S": "~complete#shop.orders"}, "sk": {"S": "#"}, "commit_micros": {"N": "1777629600000000"}}
    tables.client.put_item(TableName=tables.documents, Item=mark)
    before = everything(tables)

    found = reader.document("order", ("7",))

    assert found is not None
    assert [(child.place, child.key) for child in found.rows.children] == [("customer", "1"), ("lines", "7|1")]
    assert found.misfits
    assert reader.document("nothing", ("7",)) is None
    complete = reader.complete()
    assert (complete["shop.orders"], complete["shop.customers"]) == (1_777_629_600_000_000, None)
    assert everything(tables) == before


def test_what_is_parked_is_listed_without_its_payload(tables: Tables, reader: Reader) -> None:
    parking = Parking(tables.client, tables.parked, Log("error", io.StringIO()))
    parking.park(
        [
            record_entry(record(CANARY.encode()), "shop.lines", Reason.NOT_JSON, "no JSON"),
            table_entry(record(CANARY.encode()), "shop.orders", "no before image"),
        ]
    )
    found = reader.parked()
    assert found["counts"] == {"tables": 1, "records": 1, "unknown_tables": 0, "documents": 0}
    assert (found["tables"][0]["table"], found["records"][0]["reason"]) == ("shop.orders", "not_json")
    assert CANARY not in str(found)


@pytest.mark.parametrize("shown", [False, True])
def test_a_parked_document_is_listed_by_its_id_and_by_its_key_only_if_asked_for(
    tables: Tables, reader: Reader, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `nearview parked list` does: the same entries, field by field."""
    rows: list[tuple[str, str, Any]] = [
        ("shop.orders", CANARY, {"order_id": CANARY, "status": "placed", "total": 3, "customer_id": None}),
        ("shop.order_lines", f"{CANARY}|1", {"order_id": CANARY, "line_no": 1, "quantity": "many"}),
    ]
    store = tables.store(Log("error", io.StringIO()))
    store.drive(project(reader.plan, [RowChange(table, key, f"{1:040d}", row) for table, key, row in rows], AS_OF))
    store.close()
    names = {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}
    asked = Reader(reader.plan, "eu-west-1", tables.endpoint_url, names, tables.parked, parked_keys=shown)

    found = asked.parked()

    for name, value in tables.environment().items():
        monkeypatch.setenv(name, value)
    listed = ["parked", "list", "--json", *["--show-payload"] * shown]
    environment = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": tables.endpoint_url}
    assert found["documents"] == json.loads(CliRunner().invoke(main, listed, env=environment).stdout)["documents"]
    assert [document["aggregate"] for document in found["documents"]] == ["order"]
    assert (CANARY in str(found)) == shown


def test_a_store_that_is_not_there_is_given_up(reader: Reader, tables: Tables) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    names = {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}
    lost = Reader(reader.plan, "eu-west-1", url, names, tables.parked)
    with pytest.raises(TransientError, match="DynamoDB does not answer"):
        lost.document("order", ("7",))
