"""The operations of declared commands in the description of the API. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from api_lambdas.access.rules import Access
from api_lambdas.commands.declared import Command
from api_lambdas.packing.openapi_parts import Schema, header_refs, problems, sample, security
from api_lambdas.shared.http import JSON, PROBLEM_JSON, Kind

_KINDS: Final = (
    *(Kind.INVALID_REQUEST, Kind.INVALID_BODY, Kind.IDEMPOTENCY_KEY_MISSING, Kind.IN_PROGRESS, Kind.BODY_TOO_LARGE),
    *(Kind.URL_TOO_LONG, Kind.UNSUPPORTED_MEDIA_TYPE, Kind.IDEMPOTENCY_KEY_REUSED, Kind.TOO_MANY_REQUESTS),
    *(
        Kind.INTERNAL,
        Kind.OUTCOME_UNKNOWN,
        Kind.MONOLITH_UNAVAILABLE,
        Kind.PRIMARY_UNAVAILABLE,
        Kind.PRIMARY_TIMEOUT,
        Kind.COMMANDS_CLOSED,
        Kind.STORE_UNAVAILABLE,
        Kind.MONOLITH_BUSY,
        Kind.MONOLITH_TIMEOUT,
    ),
)
_STATUS_KINDS: Final = (
    *(Kind.INVALID_REQUEST, Kind.NOT_FOUND, Kind.URL_TOO_LONG, Kind.TOO_MANY_REQUESTS, Kind.INTERNAL),
    *(Kind.MONOLITH_UNAVAILABLE, Kind.STORE_UNAVAILABLE, Kind.MONOLITH_BUSY, Kind.MONOLITH_TIMEOUT),
    *(Kind.PRIMARY_UNAVAILABLE, Kind.PRIMARY_TIMEOUT, Kind.COMMANDS_CLOSED),
)
STATUS: Final = "commandStatus"
STATUS_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "How a command stands. `finished`: `status` and `answer` are what sending it was, or will be, "
    "answered. `unknown`: nobody can tell whether it was executed. `not-executed`: it was not and will not be; "
    "`unsettled`: perhaps it was; after either, the request repeated with the same key has one effect.",
    "required": ["state"],
    "additionalProperties": False,
    "properties": {
        "state": {"enum": ["in-progress", "finished", "unknown", "not-executed", "unsettled"]},
        "status": {"type": "integer", "minimum": 200, "maximum": 499},
        "answer": {"description": "The body of the monolith's answer; null if it had none"},
    },
    "dependentRequired": {"status": ["answer"], "answer": ["status"]},
}
_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Best a UUID. The same key and body have one effect and one answer, however often they are sent.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "6f1d1cbe-5c1c-4c0b-9f57-1f0a1f4f2a11",
}


def _token_header(command: Command) -> tuple[str, ...]:
    return () if command.position is None else ("X-Consistency-Token",)


def command_operation(command: Command, access: Access) -> tuple[Schema, dict[str, Schema]]:
    """A command's operation, and the schemas it refers to."""
    name = f"command.{command.name}"
    rule = access.rule(f"POST /commands/{command.name}", "POST /commands/{name}")
    schema = moved(json.loads(command.schema), f"#/components/schemas/{name}")
    body = example_of(schema)
    data = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    options = ['-H "Idempotency-Key: $(uuidgen)"', f'-H "Content-Type: {JSON}"', f"-d '{data}'"]
    answers = problems(_KINDS, rule)
    for status, answer in answers.items():
        if status.startswith("4"):  # the monolith may refuse with the same status, in its own words
            answer["content"] = {JSON: {"schema": {}}, PROBLEM_JSON: {"schema": {"type": "object"}}}
    operation = {
        "operationId": command.name,
        "summary": command.name.replace("-", " ").capitalize(),
        "tags": ["commands"],
        "parameters": [_KEY],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": body}},
        },
        "responses": {
            "2XX": {
                "description": "Executed; the body is the monolith's",
                "headers": header_refs("X-Region", "X-Executed-In", "Idempotent-Replayed", *_token_header(command)),
                "content": {JSON: {"schema": {}}},
            },
            **({} if command.lookup is None else {"202": _accepted()}),
            "4XX": {
                "description": "Refused by the monolith, in its own words",
                "headers": header_refs("X-Region", "X-Executed-In", "Idempotent-Replayed"),
                "content": {JSON: {"schema": {}}, PROBLEM_JSON: {"schema": {"type": "object"}}},
            },
            **answers,
        },
        "security": security(rule),
        "x-codeSamples": [sample(rule, f"/commands/{command.name}", "curl", options)],
    }
    return operation, {name: schema}


def status_operation(command: Command, access: Access) -> Schema:
    """Asking how a command stands that one has sent."""
    rule = access.rule(f"POST /commands/{command.name}", "POST /commands/{name}")
    key = str(_KEY["example"])
    return {
        "operationId": f"{command.name}-status",
        "summary": f"How a command {command.name} stands",
        "description": "Who may send the command may ask after those that they sent.",
        "tags": ["commands"],
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "description": "The `Idempotency-Key` it was sent with, percent-encoded, and that once more.",
                "schema": {"type": "string", "minLength": 1},
                "example": key,
            }
        ],
        "responses": {
            "200": {
                "description": "How it stands",
                "headers": header_refs("X-Region", "X-Executed-In", "Retry-After", *_token_header(command)),
                "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{STATUS}"}}},
            },
            **problems(_STATUS_KINDS, rule),
        },
        "security": security(rule),
        "x-codeSamples": [sample(rule, f"/commands/{command.name}/{key}")],
    }


def _accepted() -> Schema:
    return {
        "description": "The monolith is at it; `Location` says how it stands",
        "headers": header_refs("X-Region", "Location", "Retry-After"),
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{STATUS}"}}},
    }


def moved(schema: Any, place: str) -> Any:
    """The schema with its references to itself, which it finds at another place now."""
    if isinstance(schema, list):
        return [moved(entry, place) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: moved(value, place) for name, value in schema.items()}
    target = found.get("$ref")
    if isinstance(target, str) and target.startswith("#"):
        found["$ref"] = place + target[1:]
    return found


_TEXTS: Final = {"date": "2026-03-01", "date-time": "2026-03-01T08:00:00Z", "email": "ada@example.com"}


def example_of(schema: Any) -> Any:
    """A value of a schema, as far as it can be told: required members and the first of all alternatives."""
    if not isinstance(schema, dict):
        return None
    for name in ("example", "const", "default"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("oneOf", "anyOf"):
        if schema.get(name):
            return example_of(schema[name][0])
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        members = schema.get("properties", {})
        wanted = [*schema.get("required", [])]
        wanted += [name for name in members if name not in wanted][
            : max(0, schema.get("minProperties", 0) - len(wanted))
        ]
        return {name: example_of(members.get(name, {})) for name in wanted}
    if kind == "array":
        return [example_of(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
    if kind == "string":
        text = _TEXTS.get(schema.get("format", ""), "text")
        return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text) + 99)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return True if kind == "boolean" else None
