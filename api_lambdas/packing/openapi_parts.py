"""What all operations of the description share: problems, headers, security, copyable requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from api_lambdas.access.rules import IAM, JWT, Access, Rule
from api_lambdas.regions.state import Reason
from api_lambdas.shared.http import PROBLEM_JSON, Kind

Schema = dict[str, Any]

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": [kind.uri for kind in Kind]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "Of `commands-closed`: why.", "enum": [r.code for r in Reason]},
    },
}

_MOMENT: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
HEADERS: Final[dict[str, Schema]] = {
    "ETag": {
        "description": "Another one with every change; weak where the body came as gzip.",
        "schema": {"type": "string", "pattern": '^(W/)?"[!-~]*"$'},
    },
    "X-As-Of": {
        "description": "Commit time of the newest change that the document shows.",
        "schema": {"type": "string", "pattern": _MOMENT},
    },
    "X-Parked": {
        "description": "A newer state could not be stored; this is the last one that could.",
        "schema": {"const": "true"},
    },
    "X-Region": {"description": "The region that answered.", "schema": {"type": "string", "minLength": 1}},
    "X-Executed-In": {
        "description": "The region that executed the command; only where there are several.",
        "schema": {"type": "string", "minLength": 1},
    },
    "X-Complete-Up-To": {
        "description": "All changes committed up to this time are in the documents of this kind.",
        "schema": {"type": "string", "pattern": _MOMENT},
    },
    "X-Staleness": {
        "description": "Seconds since then.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Consistency-Token": {
        "description": "Send it with a read that is to show the command's effect.",
        "schema": {"type": "string", "minLength": 1},
    },
    "X-Consistency": {
        "description": "To a request with a token: `reached`, the answer shows the command's effect; `behind`, not yet "
        "(as far as it is known); `unproven`, it should, but that cannot be proven here.",
        "schema": {"enum": ["reached", "behind", "unproven"]},
    },
    "X-Behind": {
        "description": "Seconds that the documents are behind the command.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Vary": {"description": "The body depends on this.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "What is wrong with the token.", "schema": {"type": "string"}},
    "Location": {
        "description": "Where the command's status is, relative to the address of the request.",
        "schema": {"type": "string", "minLength": 1},
    },
    "Idempotent-Replayed": {
        "description": "The answer was given before.",
        "schema": {"const": "true"},
    },
}

TOKEN_PARAMETERS: Final[tuple[Schema, ...]] = (
    {
        "name": "X-Consistency-Token",
        "in": "header",
        "description": "Of a command's answer: wait a moment until its effect shows.",
        "schema": {"type": "string"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "With a token (RFC 7240): `wait=3`, at most so many seconds; `handling=strict`, then an error "
        "instead of what there is.",
        "schema": {"type": "string"},
    },
)

_OWN_HEADERS: Final = {429: ("Retry-After",), 503: ("Retry-After",), 401: ("WWW-Authenticate",)}


def header_refs(*names: str) -> Schema:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problems(kinds: Iterable[Kind], rule: Rule) -> dict[str, Schema]:
    """The answers that are errors, by status, those of the rule of access included."""
    found: dict[int, list[Kind]] = {}
    for kind in (*kinds, *_refusals(rule)):
        found.setdefault(kind.status, []).append(kind)
    return {str(status): problem_answer(status, found[status]) for status in sorted(found)}


def problem_answer(status: int, kinds: Iterable[Kind]) -> Schema:
    """One status, and which problems have it."""
    listed = list(kinds)
    narrowed = {"properties": {"type": {"enum": [kind.uri for kind in listed]}, "status": {"const": status}}}
    return {
        "description": "; ".join(kind.title for kind in listed),
        "headers": header_refs("X-Region", *_OWN_HEADERS.get(status, ())),
        "content": {PROBLEM_JSON: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}},
    }


def _refusals(rule: Rule) -> tuple[Kind, ...]:
    if rule.kind == JWT:
        return (Kind.UNAUTHORIZED, Kind.KEYS_UNAVAILABLE, *((Kind.FORBIDDEN,) if rule.scopes else ()))
    return (Kind.FORBIDDEN,) if rule.kind == IAM else ()


def security_schemes(access: Access) -> Schema:
    """Those that some route asks for."""
    used = {rule.kind for rule in (access.default, *access.routes.values())}
    schemes: Schema = {
        JWT: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        IAM: {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "AWS Signature Version 4 for the service execute-api",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
    }
    return {name: scheme for name, scheme in schemes.items() if name in used}


def security(rule: Rule) -> list[Schema]:
    """What an operation asks for; nothing if it is public."""
    return [{rule.kind: [*rule.scopes]}] if rule.kind in (JWT, IAM) else []


def sample(rule: Rule, path: str, label: str = "curl", options: Iterable[str] = ()) -> Schema:
    """A request to copy; `$API` is the API's address, `$TOKEN` a token."""
    words = [f'curl "$API{path}"', *options]
    if rule.kind == JWT:
        words.append('-H "Authorization: Bearer $TOKEN"')
    elif rule.kind == IAM:
        words.append('--aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"')
        words.append('-H "x-amz-security-token: $AWS_SESSION_TOKEN"')
    return {"lang": "curl", "label": label, "source": " \\\n  ".join(words)}
