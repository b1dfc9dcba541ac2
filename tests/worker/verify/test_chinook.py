"""A public schema with documents that other queries made: the generated SQL gives the same.

The data is not part of this repository: TEST_CHINOOK names a folder with load.sql.gz, changes.sql, aggregates.json,
expected_after_load.jsonl.gz and expected_after_changes.jsonl.gz.
"""

import gzip
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from contract.mapping import Aggregate, Field, FieldType, Kind, Mapping, Node
from local.postgres import Postgres
from tests.worker.verify.business import run_sql
from worker.verify.compare import digest, first_difference
from worker.verify.marks import Marks
from worker.verify.problems import problems
from worker.verify.source import open_source
from worker.verify.sql import statement

_FOLDER = os.environ.get("TEST_CHINOOK")

pytestmark = pytest.mark.skipif(
    _FOLDER is None, reason="TEST_CHINOOK names no folder with the Chinook data, which is not in this repository"
)

_KEYS = {"playlist_track": ("playlist_id", "track_id")}
_TIMES = {"birth_date", "hire_date", "invoice_date"}
_MARKS = Marks("unfit 0123")

Documents = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(_FOLDER or "")


@pytest.fixture(scope="module")
def mapping(folder: Path) -> Mapping:
    """The aggregates in the language of nearview."""
    trees = json.loads((folder / "aggregates.json").read_text())
    return Mapping(tuple(Aggregate(tree["aggregate"], tree["aggregate"], _node(tree, "root", "")) for tree in trees))


def _node(tree: dict[str, Any], kind: str, name: str) -> Node:
    if kind == "many_through":
        return _link(tree, name)
    joins = {"root": (), "one": tree.get("parent_columns", ()), "many": tree.get("child_columns", ())}
    return Node(
        name,
        Kind(kind),
        f"public.{tree['table']}",
        (f"{tree['table']}_id",),
        tuple(joins[kind]),
        tuple(Field(c, c, FieldType.TIMESTAMP if c in _TIMES else FieldType.DELIVERED) for c in tree["columns"]),
        tuple(_node(child, child["kind"], child["attr"]) for child in tree["children"]),
        tuple(tree.get("order_by", ())),
    )


def _link(tree: dict[str, Any], name: str) -> Node:
    far = _node({**tree, "parent_columns": tree["through_child_columns"], "order_by": ()}, "one", "far")
    order = tuple(tree["through_child_columns"])
    table = tree["through"]
    join = tuple(tree["through_parent_columns"])
    return Node(name, Kind.MANY, f"public.{table}", _KEYS[table], join, (), (far,), order, unwrap="far")


@pytest.fixture(scope="module")
def loaded(postgres: Postgres, folder: Path) -> str:
    postgres.create_database("verify_chinook")
    url = postgres.url("verify_chinook")
    run_sql(url, gzip.decompress((folder / "load.sql.gz").read_bytes()).decode())
    return url


def generated(url: str, mapping: Mapping) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What the generated statements give."""
    with open_source(url) as source:
        catalog = source.catalog(mapping.tables)
        assert problems(mapping, catalog, []) == []
        for aggregate in mapping.aggregates:
            for document in source.documents(statement(aggregate, catalog, _MARKS)):
                yield aggregate.name, document.key, document.body


def _loads(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def assert_same(found: Iterator[tuple[str, str, dict[str, Any]]], expected: Documents) -> None:
    missing = dict(expected)
    for aggregate, key, body in found:
        wanted = missing.pop((aggregate, key))
        assert first_difference(wanted, body, {}) is None, (aggregate, key)
        assert digest(wanted, {}) == digest(body, {})
    assert missing == {}


def _expected(path: Path) -> Documents:
    lines = map(_loads, gzip.decompress(path.read_bytes()).splitlines())
    return {(line["aggregate"], line["key"]): line["document"] for line in lines}


def test_documents_after_the_load_and_after_all_changes(loaded: str, folder: Path, mapping: Mapping) -> None:
    expected = _expected(folder / "expected_after_load.jsonl.gz")
    assert len(expected) > 300
    assert_same(generated(loaded, mapping), expected)

    _run_transactions(loaded, (folder / "changes.sql").read_text())

    assert_same(generated(loaded, mapping), _expected(folder / "expected_after_changes.jsonl.gz"))


def _run_transactions(url: str, script: str) -> None:
    """Each by itself: in one message, a BEGIN would take a single statement before it into its transaction."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for transaction in re.split(r"^-- @txn ", script, flags=re.MULTILINE):
                cursor.execute(f"-- {transaction}")
    finally:
        connection.close()
