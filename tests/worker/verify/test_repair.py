"""What differs is rebuilt from the row store by the real engine; what that does not heal names the rows to reload."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from contract.mapping import Aggregate, Kind, Mapping, Node, Template
from local.ministack import MiniStack
from tests.worker.verify.business import AT_ONCE, Target, fields, one, root, run_sql
from worker.log import Log
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.rows import RowChange, row_key
from worker.records.version import change_version
from worker.repair import RowStore
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB
from worker.verify.cli import verify as command
from worker.verify.report import Kind as Found
from worker.verify.report import Report
from worker.verify.run import verify
from worker.verify.source import open_source
from worker.verify.target import Documents

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY, name text, price numeric(9,2));
CREATE TABLE g (code text PRIMARY KEY, label text);
CREATE TABLE c (id int PRIMARY KEY, p int, g text, weight float4);
INSERT INTO p VALUES (1, 'one', 1.50), (2, 'two', NULL);
INSERT INTO g VALUES ('a', 'A'), ('b', 'B');
INSERT INTO c VALUES (10, 1, 'a', 2.2), (11, 1, 'b', NULL), (12, 2, 'nowhere', NULL);
"""
GROUP = one("g", "public.g", ("code",), ("g",), fields("label"))
PARENT: Aggregate = root(
    "public.p",
    ("id",),
    fields("name", "price"),
    Node("c", Kind.MANY, "public.c", ("id",), ("p",), fields("id", "weight"), (GROUP,)),
    computed=(Template("tag", (("id",), " ", ("name",))),),
)
MAPPING = Mapping((PARENT,))
PLAN = make_plan(MAPPING)
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("public.p", {"id": 1, "name": "one", "price": Decimal("1.5")}),
    ("public.p", {"id": 2, "name": "two", "price": None}),
    ("public.g", {"code": "a", "label": "A"}),
    ("public.g", {"code": "b", "label": "B"}),
    ("public.c", {"id": 10, "p": 1, "g": "a", "weight": Decimal("2.20000005")}),
    ("public.c", {"id": 11, "p": 1, "g": "b", "weight": None}),
    ("public.c", {"id": 12, "p": 2, "g": "nowhere", "weight": None}),
]


class Stored:
    """A row store and its documents, written by the engine."""

    def __init__(self, ministack: MiniStack, target: Target, url: str) -> None:
        self.target = target
        self.url = url
        self.rows_table = f"{target.table}-rows"
        target.client.create_table(
            TableName=self.rows_table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        region = ministack.environment()["AWS_REGION"]
        tables = {TableName.ROWS: self.rows_table, TableName.DOCUMENTS: target.table}
        self.store = DynamoStore(LeanDynamoDB(region, ministack.url), tables, Log("error"))
        self.position = 0

    def close(self) -> None:
        self.store.close()
        self.target.client.delete_table(TableName=self.rows_table)

    def change(self, table: str, columns: dict[str, Any], *, deleted: bool = False) -> None:
        """As if a change record had come."""
        self.position += 1
        of = MAPPING.tables[table]
        row = None if deleted else {name: columns[name] for name in of.columns}
        change = RowChange(table, row_key(columns, of), change_version(1, self.position, 1), row)
        self.store.drive(project(PLAN, [change], "2026-01-01T00:00:00Z"))

    def repair(self) -> Report:
        with open_source(self.url) as source:
            documents = Documents(self.target.table, self.target.client)
            progress = self.target.progress.append
            return verify(
                source,
                documents,
                MAPPING,
                limit=10,
                progress=progress,
                options=AT_ONCE,
                store=RowStore(MAPPING, self.store),
            )


@pytest.fixture
def stored(ministack: MiniStack, target: Target, scratch: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stored]:
    """Documents that are right."""
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    run_sql(scratch, SCHEMA)
    stored = Stored(ministack, target, scratch)
    for table, columns in ROWS:
        stored.change(table, columns)
    yield stored
    stored.close()


def test_nothing_is_rebuilt_where_nothing_differs(stored: Stored) -> None:
    report = stored.repair()

    assert report.summary() == "verified 2 documents: 0 differences"
    assert report.rebuilt == 0


def test_documents_that_somebody_spoilt_are_rebuilt(stored: Stored) -> None:
    """Changed under a fingerprint that is right, deleted, or made up."""
    key = {"pk": {"S": "thing#1"}, "sk": {"S": "#"}}
    stored.target.client.update_item(
        TableName=stored.target.table,
        Key=key,
        UpdateExpression="SET #a = :v",
        ExpressionAttributeNames={"#a": "name"},
        ExpressionAttributeValues={":v": {"S": "Mallory"}},
    )
    item = stored.target.client.get_item(TableName=stored.target.table, Key=key)["Item"]
    stored.target.client.put_item(TableName=stored.target.table, Item={**item, "pk": {"S": "thing#7"}})
    stored.target.client.delete_item(TableName=stored.target.table, Key={**key, "pk": {"S": "thing#2"}})

    report = stored.repair()

    assert report.summary() == "verified 2 documents: 0 differences after 3 rebuilds"
    assert (report.aggregates["thing"].equal, report.first, report.stale) == (2, [], ())
    assert stored.repair().rebuilt == 0


@pytest.mark.parametrize(
    ("sql", "stale"),
    [
        ("UPDATE g SET label = 'new' WHERE code = 'b'", ("public.g", "b", "its image has another label")),
        ("INSERT INTO c VALUES (13, 1, NULL, NULL)", ("public.c", "13", "has no image")),
        ("UPDATE c SET p = 1 WHERE id = 12; DELETE FROM p WHERE id = 2", ("public.c", "12", "its image has another p")),
    ],
)
def test_rows_whose_image_is_missing_or_older_are_named(stored: Stored, sql: str, stale: tuple[str, str, str]) -> None:
    run_sql(stored.url, sql)

    report = stored.repair()

    assert report.differences == report.rebuilt > 0
    found = [(entry.table, entry.row, entry.why) for entry in report.stale if entry.key == "1"]
    assert found == [stale]
    assert not any(word in str(report.stale) for word in ("new", "B"))


def test_a_row_that_is_deleted_here_and_there_again_in_the_source_is_named(stored: Stored) -> None:
    stored.change("public.c", {"id": 10}, deleted=True)

    (finding,) = (report := stored.repair()).first

    assert (finding.kind, finding.key, finding.path) == (Found.DIFFERENT, "1", "c[0].g.label")
    assert [(entry.table, entry.row, entry.why) for entry in report.stale] == [
        ("public.c", "10", "its image says it is deleted")
    ]


def test_a_root_that_only_the_store_has_is_named(stored: Stored) -> None:
    run_sql(stored.url, "DELETE FROM p WHERE id = 2")

    report = stored.repair()

    assert [(finding.kind, finding.key) for finding in report.first] == [(Found.SURPLUS, "2")]
    assert [(entry.table, entry.row, entry.why) for entry in report.stale] == [
        ("public.p", "2", "the source has it no longer")
    ]


def test_rows_that_only_the_store_has_name_the_tables(stored: Stored) -> None:
    run_sql(stored.url, "DELETE FROM c WHERE id = 11")

    report = stored.repair()

    assert [(entry.table, entry.row) for entry in report.stale] == [("public.p or public.c or public.g", "")]


MAPPING_FILE = """
aggregate: thing
source: public.p
key: id
fields: [name, price, tag: {template: "{id} {name}"}]
many:
  c:
    source: public.c
    key: id
    join: p
    fields: [id, weight]
    one:
      g: {source: public.g, key: code, join: g, fields: [label]}
"""


def test_the_command_repairs_and_names_what_to_reload(stored: Stored, tmp_path: Any) -> None:
    (tmp_path / "thing.yaml").write_text(MAPPING_FILE)
    run_sql(stored.url, "UPDATE p SET name = 'zwei' WHERE id = 2")
    tables = ("--documents-table", stored.target.table, "--rows-table", stored.rows_table)
    options = ("--source", stored.url, "--mappings", str(tmp_path), *tables, "--settle-seconds", "0", "--repair")

    result = CliRunner().invoke(command, options)
    shown = json.loads(CliRunner().invoke(command, [*options, "--json"]).stdout)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-3:] == [
        "different  thing  2  name: another text",
        "reload  public.p 2: its image has another name (thing 2)",
        "verified 2 documents: 1 difference after 1 rebuild",
    ]
    assert shown["reload"] == [
        {"aggregate": "thing", "key": "2", "table": "public.p", "row": "2", "why": "its image has another name"}
    ]
    assert "zwei" not in result.output
