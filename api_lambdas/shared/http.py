"""HTTP API events (payload format 2.0) to requests, answers and problems (RFC 9457) to payloads. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote

from api_lambdas.shared.json_text import dumps

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
MAX_QUERY_PARAMETERS = 60
MAX_URL_CHARACTERS = 8192


class Kind(Enum):
    """The closed list of problems: name in the `type` URI, status, title."""

    INVALID_REQUEST = ("invalid-request", 400, "The request is not valid")
    INVALID_CURSOR = ("invalid-cursor", 400, "The cursor does not belong to this query")
    INVALID_CONSISTENCY_TOKEN = ("invalid-consistency-token", 400, "The consistency token is not valid")
    INVALID_BODY = ("invalid-body", 400, "The body is not valid")
    EVENT_ID_MISSING = ("event-id-missing", 400, "An Event-Id is required")
    IDEMPOTENCY_KEY_MISSING = ("idempotency-key-missing", 400, "An Idempotency-Key is required")
    ANSWER_TOO_LARGE = ("answer-too-large", 400, "The answer would be too large")
    UNAUTHORIZED = ("unauthorized", 401, "A valid token is required")
    FORBIDDEN = ("forbidden", 403, "Not allowed")
    NOT_FOUND = ("not-found", 404, "Not found")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "Method not allowed")
    IN_PROGRESS = ("in-progress", 409, "The command is being executed")
    BODY_TOO_LARGE = ("body-too-large", 413, "The body is too large")
    URL_TOO_LONG = ("url-too-long", 414, "The URL is too long")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The body must be application/json")
    IDEMPOTENCY_KEY_REUSED = ("idempotency-key-reused", 422, "The Idempotency-Key belongs to another request")
    EVENT_ID_REUSED = ("event-id-reused", 422, "The Event-Id belongs to another event")
    TOO_MANY_REQUESTS = ("too-many-requests", 429, "Too many requests")
    INTERNAL = ("internal", 500, "Internal error")
    OUTCOME_UNKNOWN = ("outcome-unknown", 502, "Nobody knows whether the command was executed")
    MONOLITH_UNAVAILABLE = ("monolith-unavailable", 502, "The monolith did not give a usable answer")
    PRIMARY_UNAVAILABLE = ("primary-unavailable", 502, "The region that executes commands gave no usable answer")
    STORE_UNAVAILABLE = ("store-unavailable", 503, "The store is not available")
    NOT_CONSISTENT = ("not-consistent", 503, "The command's effect cannot be shown yet")
    BUS_UNAVAILABLE = ("bus-unavailable", 503, "The event bus is not available")
    KEYS_UNAVAILABLE = ("keys-unavailable", 503, "Tokens cannot be checked")
    COMMANDS_CLOSED = ("commands-closed", 503, "Commands are not taken at the moment")
    MONOLITH_BUSY = ("monolith-busy", 503, "The monolith asks to wait")
    PRIMARY_TIMEOUT = ("primary-timeout", 504, "The region that executes commands did not answer in time")
    MONOLITH_TIMEOUT = ("monolith-timeout", 504, "The monolith did not answer in time")

    @property
    def uri(self) -> str:
        """Its `type`."""
        return f"urn:nearview:problem:{self.value[0]}"

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.value[1]

    @property
    def title(self) -> str:
        """What it says of every such problem."""
        return self.value[2]


class Problem(Exception):
    """An answer that is an error; `detail` is for the caller and holds nothing of tables, versions or rows.

    `reason` tells programs more than the kind does.
    """

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, reason: str | None = None
    ) -> None:
        super().__init__(f"{kind.value[0]}: {detail}")
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.reason = reason

    def response(self) -> Response:
        """The problem as application/problem+json."""
        kind = self.kind
        body = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": self.detail}
        if self.reason is not None:
            body["reason"] = self.reason
        return Response(
            kind.status, dumps(body), {"content-type": PROBLEM_JSON, "cache-control": "no-store", **self.headers}
        )


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names are lower-case."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_base64: bool = False

    def payload(self, region: str) -> dict[str, Any]:
        """What a Lambda returns to an HTTP API; every answer names the region that gave it."""
        return {
            "statusCode": self.status,
            "headers": {**self.headers, "x-region": region},
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `path` begins with `/` and may still hold percent escapes, header names are lower-case.

    `signed`: the gateway has checked an AWS signature; no caller can say so itself. `signer`: whose it was, a user or a
    role; sessions of one role are one signer, because a retry may come from another.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    signed: bool = False
    signer: str = ""

    @staticmethod
    def parse(event: Mapping[str, Any]) -> Request:
        """Raises Problem for what is no text in UTF-8, is too long or has too many parameters, or a broken body."""
        context = event["requestContext"]
        path, query = event["rawPath"], event.get("rawQueryString") or ""
        if len(path) + len(query) > MAX_URL_CHARACTERS:
            raise Problem(Kind.URL_TOO_LONG, f"path and query have at most {MAX_URL_CHARACTERS} characters")
        try:
            path.encode()
            parameters = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_PARAMETERS)
            body = _body(event)
        except ValueError as error:
            raise Problem(Kind.INVALID_REQUEST, "path, query or body cannot be decoded") from error
        return Request(
            method=context["http"]["method"],
            path=_without_stage(path, context.get("stage", "$default")),
            query=tuple(parameters),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            body=body,
            signed=bool(iam := (context.get("authorizer") or {}).get("iam")),
            signer=_signer(iam or {}),
        )

    def parameters(self) -> dict[str, str]:
        """The query's parameters. Raises Problem if one comes twice: nobody could say which was meant."""
        parameters = dict(self.query)
        if len(parameters) != len(self.query):
            raise Problem(Kind.INVALID_REQUEST, "a query parameter is given twice")
        return parameters

    def all_of(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that may come several times, in order."""
        return tuple(value for given, value in self.query if given == name)


def _signer(iam: Mapping[str, Any]) -> str:
    """A user, a role without the name of its session, or an identity of Cognito, whose users share one role."""
    arn = str(iam.get("userArn") or "")
    if ":assumed-role/" in arn:
        arn = arn.rpartition("/")[0]
    identity = (iam.get("cognitoIdentity") or {}).get("identityId") or ""
    return f"{arn} {identity}".strip()


def _body(event: Mapping[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _without_stage(path: str, stage: str) -> str:
    """A named stage is the path's first segment, the default stage is not."""
    prefix = f"/{stage}"
    return path[len(prefix) :] if stage != "$default" and path.startswith(f"{prefix}/") else path


def key_parts(path: str, count: int) -> tuple[str, ...] | None:
    """The parts of a document's key from the path behind the collection; None if no key can look like that.

    A client percent-encodes each part, joins them with `|`, and percent-encodes the whole. Gateways differ in how much
    they decode before they call us (an HTTP API decodes everything but `%25`, a function URL nothing), so parts are
    split where a `|` is visible: before the first decoding if the gateway did it already, else after it. A part of
    plain characters (no `%`, `|`, `/`, `?`, `#`) may be encoded once or not at all.
    """
    try:
        if count == 1:
            return (unquote(unquote(path, errors="strict"), errors="strict"),)
        if "|" in path:
            parts = [unquote(part, errors="strict") for part in path.split("|")]
        else:
            parts = unquote(path, errors="strict").split("|")
        return tuple(unquote(part, errors="strict") for part in parts) if len(parts) == count else None
    except UnicodeDecodeError:
        return None


def parameter_key_parts(value: str, count: int) -> tuple[str, ...] | None:
    """The parts of a key given as a parameter, which was decoded once already; None if no key can look like that."""
    parts = value.split("|") if count > 1 else [value]
    try:
        return tuple(unquote(part, errors="strict") for part in parts) if len(parts) == count else None
    except UnicodeDecodeError:
        return None


def etag_matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (weak comparison, as RFC 9110 asks for GET)."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
