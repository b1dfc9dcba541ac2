"""Any request gets an answer below 500, whatever its path, query, headers, body and cursor."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from functools import cache
from typing import Any, Final

from api_lambdas.access.rules import Access, Claims, Gate, Rule
from api_lambdas.command import CommandApi
from api_lambdas.commands.execution import Executions
from api_lambdas.commands.idempotency import Asked, Claimed
from api_lambdas.commands.issuing import Issuer
from api_lambdas.package import COMMANDS_FILE
from api_lambdas.packing.commands_file import read_commands
from api_lambdas.queries.awaiting import Awaiting
from api_lambdas.queries.catalog import from_json
from api_lambdas.queries.cursors import InvalidCursor, open_cursor, sign
from api_lambdas.queries.freshness import Freshness
from api_lambdas.queries.pages import Pages
from api_lambdas.queries.repository import Repository
from api_lambdas.query import QueryApi
from api_lambdas.shared.entry import respond
from api_lambdas.shared.log import Log
from contract.keys import MAX_KEY_TEXT_BYTES
from contract.values import to_item
from tests.api_lambdas.support import MAPPING, event
from tests.fuzz.parts import Target, join, split, text_of
from tests.fuzz.projection import storable
from tests.fuzz.records import MAX_PK_BYTES, MAX_SK_BYTES

HEAD_BYTES: Final = 1
"""Which function is called; of the parts one is a method, one a path with its query, one headers, one a body."""

MAX_BRACKETS: Final = 300
PACKAGE: Final = COMMANDS_FILE.parent


def _no_tokens() -> Claims:
    raise AssertionError


EVERYBODY: Final = Gate(Access(Rule("public"), {}), _no_tokens)
SECRET: Final = b"0123456789abcdef0123456789abcdef"
COMMANDS: Final = """
cancel-order:
  endpoint: POST /orders/{order_id}/cancel
  idempotency: header
  body: {type: object, required: [order_id], additionalProperties: false,
         properties: {order_id: {type: [integer, string]}, reason: {type: string, maxLength: 10}, at: {format: date}}}
"""


class Table:
    """As much of DynamoDB as the repository needs: every key is there, and is checked."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """A document, for half of all keys, or one page with another behind it."""
        if operation == "BatchGetItem":
            ((table, wanted),) = request["RequestItems"].items()
            found = [self._document(key) for key in wanted["Keys"]]
            return {"Responses": {table: [answer["Item"] for answer in found if answer]}}
        return self._document(request["Key"]) if operation == "GetItem" else self._page(request)

    def _document(self, key: Any) -> dict[str, Any]:
        storable(key)
        if key["pk"]["S"].startswith("~complete#"):
            return {}
        return {"Item": self._item(key["pk"]["S"])} if len(key["pk"]["S"]) % 2 else {}

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        partition = request["ExpressionAttributeValues"][":p"]["S"]
        assert 0 < len(partition.encode()) <= MAX_PK_BYTES
        storable(request.get("ExclusiveStartKey") or {"pk": {"S": "x"}})
        item = self._item("order#1")
        last = {name: {"S": "order#1"} for name in ("pk", "_i1s", "_i2s", "_i3s", "sk")}
        return {"Items": [item], "LastEvaluatedKey": last}

    @staticmethod
    def _item(pk: str) -> Any:
        system = {"_rev": 1, "_fp": "0" * 16, "_gen": 1, "_as_of": "2026-01-02T03:04:05.000006Z"}
        return to_item({"pk": pk, "sk": "#", **system, "order_id": 1})


class Keys:
    """Every Idempotency-Key is new."""

    def claim(self, asked: Asked, *_: Any) -> Claimed:
        """As the table would."""
        storable({"pk": {"S": asked.key}})
        raise Claimable

    def read(self, asked: Asked) -> None:
        """Nothing is known of it."""
        storable({"pk": {"S": asked.key}})


class Claimable(Exception):
    """The command would be claimed and sent."""


@cache
def query() -> QueryApi:
    """The query function's logic."""
    table: Any = Table()
    repository = Repository(table, "documents")
    freshness = Freshness(repository, time.monotonic, time.time)
    pages = Pages(PACKAGE / "openapi.html", PACKAGE / "openapi.html")
    awaiting = Awaiting(repository.marks, SECRET, "eu-west-1", 0.0, time.monotonic, time.sleep)
    return QueryApi(from_json(MAPPING.to_json()), repository, freshness, awaiting, SECRET, EVERYBODY, pages)


@cache
def command() -> CommandApi:
    """The command function's logic, up to the claim."""
    commands, problems = read_commands(COMMANDS, "commands.yaml")
    assert not problems
    unused: Any = None
    claims: Any = Keys()
    executions = Executions(claims, unused, 1.0, Log("error"), Issuer(SECRET, Log("error")))
    return CommandApi({one.name: one for one in commands}, claims, executions, EVERYBODY)


def check(data: bytes) -> None:
    """Ask one of the functions, open the text as a cursor, read it as a declaration of commands."""
    head, parts = split(data, HEAD_BYTES)
    method, url, headers, body = (text_of(part) for part in [*parts, b"", b"", b"", b""][:4])
    if head[0] % 4 == 3:
        _commands_file(body)
        return
    _cursor(url)
    try:
        asked = event(method, f"/{url.lstrip('/')}" if url[:1] != "?" else url)
    except ValueError:
        return
    asked["headers"] = _headers(headers)
    asked["body"] = body
    asked["isBase64Encoded"] = bool(head[0] & 4)
    if head[0] & 8:
        asked["rawPath"] = url.partition("?")[0]
    answer = command().answer if head[0] % 4 == 2 else query().answer
    with redirect_stderr(io.StringIO()) as log:
        found = respond(asked, lambda request: _expected(answer, request), "eu-west-1", Log("error"))
    assert found["statusCode"] < 500, f"{found['statusCode']} {log.getvalue()}"
    json.dumps(found, ensure_ascii=False).encode()
    if found["body"]:
        json.loads(found["body"])


def _expected(answer: Any, request: Any) -> Any:
    try:
        return answer(request)
    except Claimable:
        from api_lambdas.shared.http import Response

        return Response(202)


def _headers(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"if-none-match": text, "idempotency-key": text, "content-type": "application/json"}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _cursor(text: str) -> None:
    query_of = ("order", "by_status", text[:50])
    try:
        opened = open_cursor(SECRET, query_of, text)
    except InvalidCursor:
        opened = ()
    assert not opened, "a forged cursor opens"
    position = (text[:MAX_KEY_TEXT_BYTES], text[:MAX_SK_BYTES])
    if len(signed := sign(SECRET, query_of, position)) <= 4096:
        assert open_cursor(SECRET, query_of, signed) == position


def _commands_file(text: str) -> None:
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        return  # PyYAML takes its time over them; the file is the operator's own
    commands, problems = read_commands(text, "commands.yaml")
    assert not (commands and problems)
    for problem in problems:
        assert problem.startswith("commands.yaml")


def seeds() -> Iterator[bytes]:
    """Requests of the documents, good and bad."""
    good = json.dumps({"idempotency-key": "7f8a-1", "content-type": "application/json"}).encode()
    urls = (
        *(
            "orders/1",
            "addresses/1%7C2",
            "orders/1%252F2",
            "addresses/a%257Cb|2",
            "orders",
            "orders?status=open&limit=5",
        ),
        *(
            "orders?customer_id=7&order=desc&cursor=AAAA",
            "orders?status=a&index=by_status_total",
            "orders/%FF",
            "%6Frders/1",
        ),
    )
    for url in urls:
        for head in (b"\0", b"\x09"):
            yield join(head, [b"GET", url.encode(), b'{"if-none-match": "W/\\"1-1-00000000\\", *"}'])
    for body in (
        b'{"order_id": 7}',
        b'{"order_id": "../..", "reason": "x"}',
        b'{"order_id": 1.0, "at": "2024-01-01"}',
        b"[]",
    ):
        yield join(b"\2", [b"POST", b"commands/cancel-order", good, body])
        yield join(b"\2", [b"GET", b"commands/cancel-order/%2541%25", good, body])
    yield join(b"\6", [b"POST", b"commands/cancel%2Dorder", good, b"eyJvcmRlcl9pZCI6IDd9"])
    yield join(b"\3", [b"", b"", b"", COMMANDS.encode()])
    yield join(
        b"\3", [b"", b"", b"", b"a: {endpoint: PUT /a, idempotency: none, body: {type: object}, timeout_seconds: 1}"]
    )


TARGET: Final = Target("api", check, seeds)
