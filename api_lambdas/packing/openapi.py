"""The API described as OpenAPI 3.1, from compiled mappings, declared commands and rules of access.

Pure; used where functions are packed, so that serving the description costs no more than reading a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from api_lambdas.access.rules import Access
from api_lambdas.commands.declared import Command
from api_lambdas.events.declared import DeclaredEvent
from api_lambdas.packing.openapi_commands import STATUS, STATUS_SCHEMA, command_operation, status_operation
from api_lambdas.packing.openapi_documents import document_schema, example, field_schema
from api_lambdas.packing.openapi_events import event_operation
from api_lambdas.packing.openapi_parts import (
    HEADERS,
    PROBLEM,
    TOKEN_PARAMETERS,
    Schema,
    header_refs,
    problems,
    sample,
    security,
    security_schemes,
)
from api_lambdas.queries import catalog
from api_lambdas.queries.catalog import Collection, Index
from api_lambdas.queries.lists import DEFAULT_LIMIT, MAX_KEYS, MAX_LIMIT, ORDERS
from api_lambdas.queries.pages import DOCS, OPENAPI
from api_lambdas.queries.ranges import BOUNDS, WANTED
from api_lambdas.queries.selection import MAX_FIELDS, paths
from api_lambdas.shared.http import JSON, Kind
from contract.mapping import Aggregate
from contract.mapping import Mapping as CompiledMapping

_STORE: Final = (Kind.TOO_MANY_REQUESTS, Kind.INTERNAL, Kind.STORE_UNAVAILABLE)
_BOUND_MEANINGS: Final = {
    "from": "at or behind this value",
    "after": "behind this value",
    "to": "at or before this value",
    "before": "before this value",
}
_ONE_VALUE: Final = "Exactly one attribute of an index, or `key`, must be given."


def routes(
    mapping: CompiledMapping, commands: Iterable[Command], events: Iterable[DeclaredEvent] = ()
) -> tuple[str, ...]:
    """Every route that rules of access may name; the status of a command has the rule of the command."""
    collections = [aggregate.collection for aggregate in mapping.aggregates]
    return (
        *(f"GET /{name}" for name in collections),
        *(f"GET /{name}/{{key}}" for name in collections),
        *(f"POST /commands/{command.name}" for command in commands),
        *(f"POST /events/{event.name}" for event in events),
        f"GET {OPENAPI}",
        f"GET {DOCS}",
    )


def document(
    mapping: CompiledMapping,
    commands: Iterable[Command],
    access: Access,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    events: Iterable[DeclaredEvent] = (),
) -> Schema:
    """The description. `examples`: documents by collection and key; where there are none, they are made up."""
    collections = catalog.from_json(mapping.to_json())
    operations: dict[str, Any] = {}
    schemas: dict[str, Schema] = {"Problem": PROBLEM}
    for aggregate in mapping.aggregates:
        collection = collections[aggregate.collection]
        key, shown = _example(aggregate, (examples or {}).get(aggregate.collection))
        schemas[aggregate.name] = {**document_schema(aggregate), "examples": [shown]}
        schemas[f"{aggregate.name}.page"] = _page_schema(aggregate.name)
        operations[f"/{collection.name}"] = {"get": _list_operation(aggregate, collection, access, key, shown)}
        operations[f"/{collection.name}/{{key}}"] = {"get": _document_operation(aggregate, collection, access, key)}
    for command in commands:
        operation, found = command_operation(command, access)
        operations[f"/commands/{command.name}"] = {"post": operation}
        operations[f"/commands/{command.name}/{{key}}"] = {"get": status_operation(command, access)}
        schemas.update({**found, STATUS: STATUS_SCHEMA})
    for event in events:
        operation, found = event_operation(event, access)
        operations[f"/events/{event.name}"] = {"post": operation}
        schemas.update(found)
    for path, what in ((OPENAPI, "This description"), (DOCS, "This description, as a page")):
        operations[path] = {"get": _static_operation(path, what, access)}
    described: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "nearview",
            "description": "Documents near every user, and commands to the system they come from.",
            "version": "",
        },
        "tags": [
            *({"name": name} for name in collections),
            {"name": "commands"},
            {"name": "events"},
            {"name": "about"},
        ],
        "paths": operations,
        "components": {"schemas": schemas, "headers": HEADERS, "securitySchemes": security_schemes(access)},
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
    described["info"]["version"] = digest  # another one whenever anything here changes
    return described


def _example(aggregate: Aggregate, given: Mapping[str, Any] | None) -> tuple[str, Any]:
    """A key as it stands in a path, and a document."""
    if given:
        return next((key, shown) for key, shown in given.items())
    return "%7C".join(["42"] * len(aggregate.root.key)), example(aggregate.root)


def _page_schema(name: str) -> Schema:
    return {
        "type": "object",
        "required": ["items", "next"],
        "additionalProperties": False,
        "properties": {
            "items": {
                "type": "array",
                "items": {"anyOf": [{"$ref": f"#/components/schemas/{name}"}, {"type": "null"}]},
            },
            "next": {"type": ["string", "null"], "description": "`cursor` of the next page; null on the last one"},
        },
    }


def _document_operation(aggregate: Aggregate, collection: Collection, access: Access, key: str) -> Schema:
    route = f"GET /{collection.name}/{{key}}"
    rule = access.rule(route, "GET /{collection}/{key}")
    parts = ", ".join(aggregate.root.key)
    kinds = (Kind.INVALID_REQUEST, Kind.ANSWER_TOO_LARGE, Kind.NOT_FOUND, Kind.URL_TOO_LONG, *_OF_TOKENS, *_STORE)
    return {
        "operationId": f"get-{aggregate.name}",
        "summary": f"One {aggregate.name}",
        "tags": [collection.name],
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "description": f"{parts}. Percent-encode each part, join the parts with `|`, percent-encode the whole.",
                "schema": {"type": "string", "minLength": 1},
                "example": key.replace("%7C", "|"),
            },
            _fields_parameter(collection),
            _known_parameter(),
            *TOKEN_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The document",
                "headers": header_refs("ETag", "X-As-Of", "X-Parked", *_FRESH),
                "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{aggregate.name}"}}},
            },
            "304": {"description": "Not changed since", "headers": header_refs("ETag", "X-As-Of", "X-Parked", *_FRESH)},
            **problems(kinds, rule),
        },
        "security": security(rule),
        "x-codeSamples": [
            sample(rule, f"/{collection.name}/{key}"),
            sample(
                rule, f"/{collection.name}/{key}", "with a command's token", ['-H "X-Consistency-Token: $RECEIVED"']
            ),
        ],
    }


_FRESH: Final = ("X-Region", "X-Complete-Up-To", "X-Staleness", "X-Consistency", "X-Behind", "Vary")
_OF_TOKENS: Final = (Kind.INVALID_CONSISTENCY_TOKEN, Kind.NOT_CONSISTENT)


def _list_operation(aggregate: Aggregate, collection: Collection, access: Access, key: str, shown: Any) -> Schema:
    route = f"GET /{collection.name}"
    rule = access.rule(route, "GET /{collection}")
    listed = (Kind.INVALID_REQUEST, Kind.INVALID_CURSOR, Kind.ANSWER_TOO_LARGE, Kind.URL_TOO_LONG)
    kinds = (*listed, *_OF_TOKENS, *_STORE)
    samples = [sample(rule, f"/{collection.name}?key={key}&key=another", "several by their keys")]
    for index in collection.indexes:
        value = shown.get(index.partition) if isinstance(shown, Mapping) else None
        text = quote("true" if value is True else "false" if value is False else str(value), safe="")
        samples.insert(0, sample(rule, f"/{collection.name}?{index.partition}={text}&limit=10", f"by {index.name}"))
    return {
        "operationId": f"list-{collection.name}",
        "summary": f"Some {collection.name}, by an index or by their keys",
        "description": _ONE_VALUE + _list_description(collection),
        "tags": [collection.name],
        "parameters": [
            *_index_parameters(aggregate, collection),
            {
                "name": "key",
                "in": "query",
                "description": "Keys as in a path, with `fields` and nothing else; the answer has the documents in "
                "this order, null for each that is not there.",
                "style": "form",
                "explode": True,
                "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_KEYS},
            },
            _fields_parameter(collection),
            _known_parameter(),
            *TOKEN_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "A page of documents",
                "headers": header_refs("ETag", "X-Parked", *_FRESH),
                "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{aggregate.name}.page"}}},
            },
            "304": {"description": "Not changed since", "headers": header_refs("ETag", "X-Parked", *_FRESH)},
            **problems(kinds, rule),
        },
        "security": security(rule),
        "x-codeSamples": samples,
    }


def _list_description(collection: Collection) -> str:
    lines = [
        f"`{index.name}`: by `{index.partition}`" + (f", in the order of {', '.join(index.sort)}" if index.sort else "")
        for index in collection.indexes
    ]
    return " Indexes: " + "; ".join(lines) + "." if lines else " There are no indexes."


def _index_parameters(aggregate: Aggregate, collection: Collection) -> Iterator[Schema]:
    if not collection.indexes:
        return
    fields = {field.name: field for field in aggregate.root.fields}
    for name in dict.fromkeys(index.partition for index in collection.indexes):
        schema = field_schema(fields[name]) if name in fields else {}
        about = f"{schema['description']} " if "description" in schema else ""
        yield _query(name, {"type": "string"}, f"{about}The documents with this value; compared as text, like a key.")
    names = [index.name for index in collection.indexes]
    yield _query("index", {"enum": names}, "Which index, if several have the same attribute; else the first of them.")
    yield _query("order", {"enum": [*ORDERS], "default": ORDERS[0]}, "By the index's sort attributes, then by key.")
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    yield _query("limit", limit, "Most documents of a page; a page of large documents ends early.")
    yield _query("cursor", {"type": "string"}, "`next` of the page before.")
    ranged = [index for index in collection.indexes if index.range_type]
    if ranged:
        about = "; ".join(_range_text(index) for index in ranged)
        for bound in BOUNDS:
            yield _query(bound, {"type": "string"}, f"Only what sorts {_BOUND_MEANINGS[bound]}. {about}.")


def _range_text(index: Index) -> str:
    return f"{index.name}: {index.sort[0]}, {WANTED.get(index.range_type, 'text')}"


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _fields_parameter(collection: Collection) -> Schema:
    """A name with a comma in it cannot be asked for: the comma ends it."""
    about = "Only these attributes, with commas between them; a name behind a dot is an object's own, or a list's."
    names = [path for path in paths(collection.shown) if "," not in path]
    schema = {"type": "array", "items": {"enum": names}, "minItems": 1, "maxItems": MAX_FIELDS, "uniqueItems": True}
    return {**_query("fields", schema, about), "style": "form", "explode": False}


def _known_parameter() -> Schema:
    about = "The `ETag` of an answer that is known: 304 without a body if it is still the same."
    return {"name": "If-None-Match", "in": "header", "description": about, "schema": {"type": "string"}}


def _static_operation(path: str, what: str, access: Access) -> Schema:
    rule = access.rule(f"GET {path}")
    content = (
        {JSON: {"schema": {"type": "object"}}} if path == OPENAPI else {"text/html": {"schema": {"type": "string"}}}
    )
    headers = header_refs("ETag", "X-Region", "Vary")
    return {
        "operationId": path.strip("/").replace(".", "-"),
        "summary": what,
        "tags": ["about"],
        "parameters": [_known_parameter()],
        "responses": {
            "200": {"description": what, "headers": headers, "content": content},
            "304": {"description": "Not changed since", "headers": headers},
            **problems((Kind.INVALID_REQUEST, Kind.URL_TOO_LONG, Kind.INTERNAL), rule),
        },
        "security": security(rule),
        "x-codeSamples": [sample(rule, path)],
    }
