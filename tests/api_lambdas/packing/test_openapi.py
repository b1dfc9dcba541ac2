"""The description of the API: valid, and true of every kind of document that the worker makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api_lambdas.access.rules import JWT, PUBLIC, Access, Rule
from api_lambdas.commands.declared import Command
from api_lambdas.package import ACCESS_FILE, COMMANDS_FILE, compiled
from api_lambdas.packing import openapi
from api_lambdas.queries.catalog import from_json
from api_lambdas.queries.selection import paths
from api_lambdas.shared.http import Kind
from contract.mapping import Mapping
from tests.api_lambdas.examples import DEMO, FEATURES, Documents, examples
from tests.api_lambdas.support import MAPPING

EVERYBODY = Access(Rule(PUBLIC), {})
NESTED = Command(
    "plan-route",
    "POST",
    "/routes",
    json.dumps(
        {
            "type": "object",
            "required": ["root"],
            "properties": {"root": {"$ref": "#/definitions/stop"}},
            "definitions": {
                "stop": {
                    "type": "object",
                    "properties": {"next": {"$ref": "#/definitions/stop"}, "no": {"type": "integer"}},
                }
            },
        }
    ),
)


@pytest.fixture(scope="module", params=[DEMO, FEATURES], ids=lambda folder: folder.name)
def described(request: pytest.FixtureRequest) -> tuple[Mapping, Documents, dict[str, Any]]:
    mapping, documents = examples(request.param)
    return mapping, documents, openapi.document(mapping, [NESTED], EVERYBODY)


def strict(schema: Any) -> Any:
    """A document's schema as its full document must meet it: every attribute is there, and no other."""
    if isinstance(schema, list):
        return [strict(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        found |= {"required": list(schema["properties"]), "additionalProperties": False}
    return found


def as_json(document: dict[str, Any]) -> Any:
    return json.loads(
        json.dumps(document, default=lambda number: float(number) if isinstance(number, Decimal) else str)
    )


def wrong(schema: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]


def test_it_is_openapi(described: tuple[Mapping, Documents, dict[str, Any]]) -> None:
    """Of the version that it names; every operation has a name of its own and a request to copy."""
    document = described[2]

    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(one["x-codeSamples"] for one in operations)
    assert all(sample["source"].startswith('curl "$API/') for one in operations for sample in one["x-codeSamples"])


def test_documents_of_the_worker_are_as_their_schema_says(described: tuple[Mapping, Documents, dict[str, Any]]) -> None:
    """Every feature of the mapping language: no attribute more, none less, each of its type."""
    mapping, documents, document = described
    schemas = document["components"]["schemas"]

    found = {
        (aggregate.name, key): wrong(strict(schemas[aggregate.name]), as_json(body))
        for aggregate in mapping.aggregates
        for key, body in documents.get(aggregate.name, [])
    }

    assert len(found) >= 6
    assert {place: errors for place, errors in found.items() if errors} == {}


def test_a_document_of_another_shape_is_noticed(described: tuple[Mapping, Documents, dict[str, Any]]) -> None:
    """Whatever attribute is left out, added, or of another type: the schemas say more than that it is an object."""
    mapping, documents, document = described
    noticed = kinds = 0
    for aggregate in mapping.aggregates:
        schema = strict(document["components"]["schemas"][aggregate.name])
        for _, body in documents.get(aggregate.name, [])[:1]:
            plain = as_json(body)
            for name in plain:
                assert wrong(schema, {other: value for other, value in plain.items() if other != name})
                kinds += 1
                noticed += bool(wrong(schema, {**plain, name: {"of": ["another", "kind"]}}))
            assert wrong(schema, {**plain, "surplus": 1})
    assert noticed > kinds / 3  # the rest is as the source delivers it, or JSON


def test_fields_are_those_of_the_schema(described: tuple[Mapping, Documents, dict[str, Any]]) -> None:
    """What can be asked for and what is described come from the same mapping on two ways."""
    mapping, _, document = described
    collections = from_json(mapping.to_json())

    for aggregate in mapping.aggregates:
        schema = document["components"]["schemas"][aggregate.name]
        assert list(paths(collections[aggregate.collection].shown)) != []
        assert set(paths(collections[aggregate.collection].shown)) == set(properties(schema))


def properties(schema: dict[str, Any], before: str = "") -> Iterator[str]:
    inner = schema.get("items", schema)
    for name, below in inner.get("properties", {}).items():
        yield before + name
        yield from properties(below, f"{before}{name}.")


def test_examples_meet_their_schema(described: tuple[Mapping, Documents, dict[str, Any]]) -> None:
    """Those made up, too."""
    mapping, _, document = described
    for aggregate in mapping.aggregates:
        schema = document["components"]["schemas"][aggregate.name]
        assert [wrong(strict(schema), example) for example in schema["examples"]] == [[]]


def test_given_examples_are_shown() -> None:
    """A document of the installation's own says more than a made-up one; its key stands in the request to copy."""
    given = {"orders": {"17": {"order_id": 17, "status": "a b", "customer_id": 7}}}
    document = openapi.document(MAPPING, [], EVERYBODY, given)

    assert document["components"]["schemas"]["order"]["examples"] == [given["orders"]["17"]]
    sample, with_token = document["paths"]["/orders/{key}"]["get"]["x-codeSamples"]
    assert sample["source"] == 'curl "$API/orders/17"'
    assert with_token["source"].startswith(sample["source"])
    sources = [one["source"] for one in document["paths"]["/orders"]["get"]["x-codeSamples"]]
    assert any("status=a%20b&" in source for source in sources)


def test_commands_are_described_by_their_own_schemas() -> None:
    """A schema's references to itself still lead there; its example is a body that it takes."""
    document = openapi.document(MAPPING, [NESTED], EVERYBODY)
    post = document["paths"]["/commands/plan-route"]["post"]
    schema = document["components"]["schemas"]["command.plan-route"]
    body = post["requestBody"]["content"]["application/json"]

    assert body["schema"] == {"$ref": "#/components/schemas/command.plan-route"}
    assert schema["properties"]["root"] == {"$ref": "#/components/schemas/command.plan-route/definitions/stop"}
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_examples_of_commands_meet_their_schemas() -> None:
    found = json.loads(compiled(MAPPING.to_json(), COMMANDS_FILE.read_text("utf-8"))["openapi.json"])
    posts = {path: item["post"] for path, item in found["paths"].items() if "post" in item}

    assert len(posts) >= 6
    for path, post in posts.items():
        kind = path.split("/")[1].removesuffix("s")
        schema = found["components"]["schemas"][f"{kind}.{path.rpartition('/')[2]}"]
        assert wrong(schema, post["requestBody"]["content"]["application/json"]["example"]) == []


def test_operations_say_who_may_call_them() -> None:
    """As the rules do; schemes that nobody asks for are left out."""
    rules = Access(Rule(JWT, ("read",)), {"GET /orders/{key}": Rule("iam"), "GET /openapi.json": Rule(PUBLIC)})
    document = openapi.document(MAPPING, [], rules)
    paths_ = document["paths"]

    assert paths_["/orders"]["get"]["security"] == [{"jwt": ["read"]}]
    assert paths_["/orders/{key}"]["get"]["security"] == [{"iam": []}]
    assert paths_["/openapi.json"]["get"]["security"] == []
    assert {"401", "403", "503"} <= set(paths_["/orders"]["get"]["responses"])
    assert "401" not in paths_["/openapi.json"]["get"]["responses"]
    assert set(document["components"]["securitySchemes"]) == {"jwt", "iam"}
    assert "Bearer $TOKEN" in paths_["/orders"]["get"]["x-codeSamples"][0]["source"]
    assert "--aws-sigv4" in paths_["/orders/{key}"]["get"]["x-codeSamples"][0]["source"]
    assert set(openapi.document(MAPPING, [], EVERYBODY)["components"]["securitySchemes"]) == set()


def test_every_problem_of_the_functions_is_in_the_description() -> None:
    document = json.loads(compiled(MAPPING.to_json(), COMMANDS_FILE.read_text("utf-8"))["openapi.json"])
    told = {kind.uri for kind in Kind}

    assert set(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]) == told


def test_routes_are_the_operations() -> None:
    """What rules of access can name is what is described; asking after a command goes with sending it."""
    document = openapi.document(MAPPING, [NESTED], EVERYBODY)
    described_ = {f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in item}

    assert set(openapi.routes(MAPPING, [NESTED])) == described_ - {"GET /commands/plan-route/{key}"}
    status = document["paths"]["/commands/plan-route/{key}"]["get"]
    assert status["security"] == document["paths"]["/commands/plan-route"]["post"]["security"]


def test_the_version_changes_with_the_api() -> None:
    """And with nothing else."""
    versions = {
        openapi.document(mapping, commands, EVERYBODY)["info"]["version"]
        for mapping, commands in (
            (MAPPING, []),
            (MAPPING, []),
            (MAPPING, [NESTED]),
            (Mapping(MAPPING.aggregates[:1]), []),
        )
    }
    assert len(versions) == 3


def test_what_is_shipped_asks_for_signatures() -> None:
    """Nobody gets an open API by leaving a file as it is."""
    document = json.loads(
        compiled(MAPPING.to_json(), COMMANDS_FILE.read_text("utf-8"), access_yaml=Path(ACCESS_FILE).read_text("utf-8"))[
            "openapi.json"
        ]
    )
    assert all(
        operation["security"] == [{"iam": []}] for item in document["paths"].values() for operation in item.values()
    )
