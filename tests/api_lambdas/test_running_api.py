"""The whole API over HTTP under schemathesis, on real tables, with every request to DynamoDB read on the wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api_lambdas.queries.lists import MAX_KEYS, MAX_LIMIT
from tests.api_lambdas.running import Running
from tests.api_lambdas.support import Tables

# what no schema of parameters can say: that exactly one of them is to be given, that a key belongs to another body,
# that a consistency token is signed
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422]

{lists}
"""
LIST = """
[[operations]]
include-name = "GET /{collection}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400]

[[operations]]
include-name = "GET /{collection}/{{key}}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400, 404]
"""
NOT_CHECKED = "use_after_free,ensure_resource_availability,ignored_auth"
"""They need operations that make and delete resources, or that ask for credentials."""


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The description, with nothing let through in a document that it does not name."""
    schemas = document["components"]["schemas"]
    closed = {name: closed_schema(s) if "." not in name and name != "Problem" else s for name, s in schemas.items()}
    return {**document, "components": {**document["components"], "schemas": closed}}


def closed_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed_schema(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed_schema(value) for name, value in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else found


def schemathesis(
    running: Running, folder: Path, document: dict[str, Any], cases: int, *not_checked: str
) -> subprocess.CompletedProcess[str]:
    """Examples, the edges of every schema, random requests, and requests made of earlier answers."""
    (folder / "openapi.json").write_text(json.dumps(document), "utf-8")
    collections = [
        path[1:] for path, item in document["paths"].items() if "get" in item and f"{path}/{{key}}" in document["paths"]
    ]
    lists = "".join(LIST.format(collection=name) for name in collections)
    (folder / "schemathesis.toml").write_text(CONFIGURATION.format(lists=lists), "utf-8")
    command_line = [
        sys.executable,
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
        "run",
        "openapi.json",
    ]
    command_line += ["--url", running.url, "--checks", "all", "--exclude-checks", ",".join((NOT_CHECKED, *not_checked))]
    command_line += ["--max-examples", str(cases), "--seed", "1", "--generation-database", "none", "--no-color"]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(command_line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def one_read(operation: str, request: dict[str, Any], tables: Tables) -> bool:
    """Whether a request names what it reads or writes: a key, up to 100 keys, or one partition of an index."""
    if operation == "Query":
        partition, _, rest = request["KeyConditionExpression"].partition(" AND ")
        return (
            request["TableName"] == tables.documents
            and partition == "#p = :p"
            and rest in ("", "#s BETWEEN :low AND :high")
            and bool(request["ExpressionAttributeValues"][":p"]["S"])
            and request["Limit"] <= MAX_LIMIT + 1
            and "FilterExpression" not in request
        )
    if operation == "BatchGetItem":
        ((table, wanted),) = request["RequestItems"].items()
        return table == tables.documents and 0 < len(wanted["Keys"]) <= MAX_KEYS
    if operation == "GetItem":
        return set(request["Key"]) in ({"pk", "sk"}, {"pk"})
    if operation == "PutEvents":
        return len(request["Entries"]) == 1
    return operation in ("PutItem", "UpdateItem") and request["TableName"] in (tables.commands, tables.events)


def test_what_is_no_read_of_named_keys_or_one_partition_is_noticed(running: Running) -> None:
    """What the runs below rely on: each planted request would read more than was asked for, or elsewhere."""
    documents = running.tables.documents
    values = {":p": {"S": "order#by_status#paid"}}
    query: dict[str, Any] = {
        "TableName": documents,
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeValues": values,
    }
    query |= {"Limit": 21}
    assert one_read("Query", query, running.tables)
    planted: list[tuple[str, dict[str, Any]]] = [
        ("Scan", {"TableName": documents}),
        ("ExecuteStatement", {"Statement": documents}),
        ("Query", {**query, "TableName": "another"}),
        ("Query", {**query, "KeyConditionExpression": "#p = :p OR #p = :q"}),
        ("Query", {**query, "KeyConditionExpression": "#p = :p AND #s > :low"}),
        ("Query", {**query, "ExpressionAttributeValues": {":p": {"S": ""}}}),
        ("Query", {**query, "Limit": MAX_LIMIT + 2}),
        ("Query", {**query, "FilterExpression": "#x = :x"}),
        ("BatchGetItem", {"RequestItems": {documents: {"Keys": [{}] * (MAX_KEYS + 1)}}}),
        ("GetItem", {"TableName": documents, "Key": {"pk": {"S": "x"}, "other": {"S": "y"}}}),
        ("PutItem", {"TableName": documents}),
        ("DeleteItem", {"TableName": documents}),
    ]
    assert [operation for operation, asked in planted if one_read(operation, asked, running.tables)] == []


def test_every_answer_is_as_described_and_no_request_is_a_scan(running: Running, tmp_path: Path) -> None:
    """No 5xx, no undocumented status, header, type or attribute; no read that is not of named keys or one partition."""
    running.passed.clear()

    run = schemathesis(running, tmp_path, strict(running.document), 5)

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert {name for name, _ in running.passed} >= {
        *("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "PutEvents")
    }
    assert [asked for asked in running.passed if not one_read(*asked, running.tables)] == []


@pytest.mark.long
def test_thousands_of_requests(running: Running, tmp_path: Path) -> None:
    """The same with many more."""
    run = schemathesis(running, tmp_path, strict(running.document), 400)

    assert run.returncode == 0, run.stdout[-6000:]
    assert [asked for asked in running.passed if not one_read(*asked, running.tables)] == []


def test_a_description_that_is_wrong_is_noticed(running: Running, tmp_path: Path) -> None:
    """An attribute of another type, and a status that is missing: what the run above relies on."""
    spoilt = json.loads(json.dumps(strict(running.document)))
    spoilt["components"]["schemas"]["order"]["properties"]["status"] = {"type": "integer"}
    spoilt["paths"] = {path: item for path, item in spoilt["paths"].items() if path == "/orders/{key}"}
    del spoilt["paths"]["/orders/{key}"]["get"]["responses"]["404"]

    run = schemathesis(running, tmp_path, spoilt, 3)

    assert run.returncode != 0
    assert "Undocumented status code" in run.stdout
    assert "Response violates schema" in run.stdout


def test_what_is_served_is_what_was_packed(running: Running) -> None:
    """The description as a client gets it."""
    with Running.opened(f"{running.url}/openapi.json") as answer:
        assert json.load(answer) == running.document
