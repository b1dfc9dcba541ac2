"""The operations of declared events in the description of the API. Pure."""

from __future__ import annotations

import json
from typing import Final

from api_lambdas.access.rules import Access
from api_lambdas.events.declared import DeclaredEvent
from api_lambdas.packing.openapi_commands import example_of, moved
from api_lambdas.packing.openapi_parts import Schema, header_refs, problems, sample, security
from api_lambdas.shared.http import JSON, Kind

_KINDS: Final = (
    *(Kind.INVALID_REQUEST, Kind.INVALID_BODY, Kind.EVENT_ID_MISSING, Kind.EVENT_ID_REUSED, Kind.BODY_TOO_LARGE),
    *(Kind.URL_TOO_LONG, Kind.UNSUPPORTED_MEDIA_TYPE, Kind.TOO_MANY_REQUESTS, Kind.INTERNAL),
    *(Kind.BUS_UNAVAILABLE, Kind.STORE_UNAVAILABLE),
)
_ID: Final[Schema] = {
    "name": "Event-Id",
    "in": "header",
    "required": True,
    "description": "The event's id. However often it is sent, in whatever region, it has one effect.",
    "schema": {
        "type": "string",
        "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    },
    "example": "0b9f2f0e-8a54-4a6e-9f0e-4c1d2f3a5b6c",
}


def event_operation(event: DeclaredEvent, access: Access) -> tuple[Schema, dict[str, Schema]]:
    """An event's operation, and the schemas it refers to."""
    name = f"event.{event.name}"
    rule = access.rule(f"POST /events/{event.name}", "POST /events/{name}")
    schema = moved(json.loads(event.schema), f"#/components/schemas/{name}")
    body = example_of(schema)
    data = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    options = ['-H "Event-Id: $(uuidgen)"', f'-H "Content-Type: {JSON}"', f"-d '{data}'"]
    operation = {
        "operationId": f"post-{event.name}",
        "summary": event.name.replace("-", " ").capitalize(),
        "tags": ["events"],
        "parameters": [_ID],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": body}},
        },
        "responses": {
            "200": _taken("Stored already; nothing was done", "stored"),
            "202": _taken("On the event bus; it will be stored", "accepted"),
            **problems(_KINDS, rule),
        },
        "security": security(rule),
        "x-codeSamples": [sample(rule, f"/events/{event.name}", "curl", options)],
    }
    return operation, {name: schema}


def _taken(description: str, state: str) -> Schema:
    schema = {
        "type": "object",
        "required": ["id", "state"],
        "additionalProperties": False,
        "properties": {"id": {"type": "string", "format": "uuid"}, "state": {"const": state}},
    }
    return {"description": description, "headers": header_refs("X-Region"), "content": {JSON: {"schema": schema}}}
