"""Documents in parts on real tables, written by the engine: whole for `verify`, and `nearview sweep-parts`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contract.parts import PART_SK_PREFIX, parts_of, whole_bytes
from contract.values import Item, to_item
from tests.worker.conftest import Tables
from tests.worker.projection.test_overflow_parts import AS_OF, MAPPING, line, order
from worker.log import Log
from worker.projection.engine import project
from worker.projection.images import Counts
from worker.projection.plan import make_plan
from worker.rebuild.parts_cli import sweep_parts_command
from worker.records.rows import RowChange
from worker.store.dynamodb import DynamoStore
from worker.verify.target import Documents

PLAN = make_plan(MAPPING)
SIZE = 30_000
COUNT = 105


@pytest.fixture
def store(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> DynamoStore:
    """A document of 3 MB."""
    environment = {
        **tables.environment(),
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": tables.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return tables.store(Log("error"))


def batch(store: DynamoStore, *changes: RowChange) -> Counts:
    return store.drive(project(PLAN, list(changes), AS_OF))


def parts(tables: Tables) -> list[Item]:
    return [item for item in tables.items(tables.documents) if item["sk"]["S"].startswith(PART_SK_PREFIX)]


def sweep(*arguments: str) -> Result:
    return CliRunner().invoke(sweep_parts_command, list(arguments))


def texts(documents: Documents) -> dict[int, str]:
    found = documents.get(["order#1"])["order#1"].body["lines"]
    return {one["id"]: one["text"] for one in found}


def test_a_document_of_3_mb_is_written_changed_read_and_deleted(tables: Tables, store: DynamoStore) -> None:
    counts = batch(store, order(1, "a"), *(line(10 + at, at, SIZE) for at in range(COUNT)))
    documents = Documents(tables.documents, tables.client)
    head = tables.document("order", "1")
    assert head is not None
    assert (counts.documents_in_parts, counts.documents_parked) == (1, 0)
    assert counts.largest_document == whole_bytes(head) > 3_000_000
    assert texts(documents) == {at: f"{at}x" + "x" * SIZE for at in range(COUNT)}
    names = {item["sk"]["S"] for item in parts(tables)}
    assert names == {PART_SK_PREFIX + name for name in parts_of(head)}

    batch(store, line(5_000, 7, SIZE, "y"))

    assert texts(documents)[7] == "7y" + "y" * SIZE
    assert len(names - {item["sk"]["S"] for item in parts(tables)}) <= 2
    page = [stored for stored in _scanned(documents) if stored.pk == "order#1"]
    assert [len(stored.body["lines"]) for stored in page] == [COUNT]

    batch(store, order(6_000, None))

    assert parts(tables) == []
    assert documents.get(["order#1"])["order#1"].has_body is False


def _scanned(documents: Documents) -> list[Any]:
    found: list[Any] = []
    after: Item | None = None
    while True:
        page, after = documents.scan(after, 100)
        found += page
        if after is None:
            return found


def test_parts_that_belong_to_none_are_counted_then_deleted(tables: Tables, store: DynamoStore) -> None:
    """Of a revision that has passed, of one to come, and of a document that there is not."""
    batch(store, order(1, "a"), *(line(10 + at, at, SIZE) for at in range(16)))
    before = {item["sk"]["S"] for item in parts(tables)}
    for pk, name in (("order#1", "000000000001#dead"), ("order#1", "000000000002#dead"), ("order#2", "000000000001#d")):
        item = {"pk": pk, "sk": PART_SK_PREFIX + name, "elements": []}
        tables.client.put_item(TableName=tables.documents, Item=to_item(item))

    counted = sweep()
    deleted = sweep("--yes", "--json")
    after = sweep("--json")

    assert (counted.exit_code, deleted.exit_code, after.exit_code) == (1, 0, 0)
    assert "3 parts belong to none and would be deleted" in counted.stdout
    found = json.loads(deleted.stdout)
    assert (found["documents"], found["left_over"], found["deleted"]) == (1, 3, 3)
    assert found["largest_bytes"] > 450_000
    assert json.loads(after.stdout)["left_over"] == 0
    assert {item["sk"]["S"] for item in parts(tables)} == before
    head, mark = tables.document("order", "1"), tables.document("order", "2")
    assert head is not None
    assert mark is not None
    assert (head["_rev"]["N"], mark["_rev"]["N"], "_deleted" in mark) == ("2", "1", True)
    batch(store, line(900, 3, SIZE, "y"), RowChange("orders", "2", order(901).version, {"id": 2, "text": "b"}))
    assert texts(Documents(tables.documents, tables.client))[3] == "3y" + "y" * SIZE
    assert Documents(tables.documents, tables.client).get(["order#2"])["order#2"].body["text"] == "b"


def test_what_readers_would_not_get_whole_differs_for_verify(
    tables: Tables, store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(store, order(1, "a"), *(line(10 + at, at, SIZE) for at in range(16)))
    lost = parts(tables)[0]
    tables.client.delete_item(TableName=tables.documents, Key={"pk": lost["pk"], "sk": lost["sk"]})
    monkeypatch.setattr("worker.verify.target._PAUSE_SECONDS", 0)

    found = Documents(tables.documents, tables.client).get(["order#1"])["order#1"]

    assert (found.has_body, found.body["lines"]) == (True, None)


def test_a_table_that_is_not_there_is_one_line(tables: Tables, store: DynamoStore, monkeypatch: Any) -> None:
    monkeypatch.setenv("NEARVIEW_DOCUMENTS_TABLE", "absent")

    answer = sweep()

    assert answer.exit_code == 2
    assert answer.stderr.startswith("nearview sweep-parts: ")
    assert len(answer.stderr.splitlines()) == 1
