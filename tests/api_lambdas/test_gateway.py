"""The packed Lambdas behind MiniStack's HTTP API: what the gateway makes of URLs, headers and bodies."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any
from urllib.parse import quote

import pytest

from api_lambdas.package import COMMANDS_FILE, build
from local.ministack import MiniStack
from tests.api_lambdas.monolith_double import MonolithDouble
from tests.api_lambdas.support import ADDRESS, MAPPING, ORDER, PUBLIC, Tables

Answer = tuple[int, dict[str, str], Any]
Call = Callable[..., Answer]

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def monolith() -> Iterator[MonolithDouble]:
    double = MonolithDouble()
    yield double
    double.close()


@pytest.fixture(scope="module")
def call(ministack: MiniStack, _created: Tables, monolith: MonolithDouble) -> Iterator[Call]:
    functions, apis = ministack.client("lambda"), ministack.client("apigatewayv2")
    packed = build(MAPPING.to_json(), COMMANDS_FILE.read_text("utf-8"), access_yaml=PUBLIC)
    api = apis.create_api(Name="api-lambdas-test", ProtocolType="HTTP")["ApiId"]
    apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    names = []
    for module, routes, settings in (
        (
            "query",
            ["GET /{collection}", "GET /{collection}/{key}", "GET /openapi.json", "GET /openapi.html"],
            {"DOCUMENTS_TABLE": _created.documents},
        ),
        (
            "command",
            ["POST /commands/{name}", "GET /commands/{name}/{key}"],
            {"COMMANDS_TABLE": _created.commands, "MONOLITH_URL": monolith.url},
        ),
    ):
        names.append(f"api-lambdas-{module}-{uuid.uuid4().hex[:8]}")
        function = functions.create_function(
            FunctionName=names[-1],
            Runtime="python3.11",
            Handler=f"api_lambdas.{module}.handler",
            Role="arn:aws:iam::000000000000:role/test",
            Code={"ZipFile": packed},
            Timeout=30,
            Environment={"Variables": {"CURSOR_SECRET": "c" * 32, **settings}},
        )["FunctionArn"]
        integration = apis.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        for route in routes:
            apis.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration}")

    def send(method: str, url: str, body: Any = None, **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(ministack.url + url, data, headers, method=method)  # noqa: S310 (our own URL)
        request.add_header("Host", f"{api}.execute-api.localhost")
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return answer.status, _lower(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _lower(error.headers), error.read()

    yield send
    apis.delete_api(ApiId=api)
    for name in names:
        functions.delete_function(FunctionName=name)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_a_document_comes_through_the_gateway(call: Call, tables: Tables) -> None:
    """Body, numbers and headers arrive; the second time as 304."""
    tables.put_document(ORDER, ("through",), {"status": "é☃", "n": 12345678901234567890})

    status, headers, body = call("GET", "/orders/through")
    assert (status, json.loads(body)) == (200, {"status": "é☃", "n": 12345678901234567890})
    assert headers["content-type"] == "application/json"
    assert headers["x-region"] == "eu-west-1"
    assert call("GET", "/orders/through", If_None_Match=headers["etag"])[::2] == (304, b"")


@pytest.mark.parametrize(
    "parts",
    [("5", "1"), ("a/b", "?x=1"), ("50%", "%41"), ("a|b", "#"), ("é\u0001☃😀", " "), ("", ".."), ("%7C", "+&;=")],
)
def test_strange_keys_come_through_the_gateway(call: Call, tables: Tables, parts: tuple[str, str]) -> None:
    """The documented encoding survives what a gateway does to a path."""
    tables.put_document(ADDRESS, parts, {"parts": list(parts)})

    url = "/addresses/" + quote("|".join(quote(part, safe="") for part in parts), safe="")

    status, _, body = call("GET", url)
    assert (status, json.loads(body)) == (200, {"parts": list(parts)})


def test_a_large_document_comes_through_the_gateway_as_gzip(call: Call, tables: Tables) -> None:
    """To those who take it; both ways it is the same document."""
    tables.put_document(ORDER, ("large",), {"text": "é☃" * 3000})

    status, headers, body = call("GET", "/orders/large", Accept_Encoding="gzip")
    plain = call("GET", "/orders/large")
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == plain[2]
    assert len(body) < len(plain[2]) / 10
    assert call("GET", "/orders/large", Accept_Encoding="gzip", If_None_Match=headers["etag"])[::2] == (304, b"")


@pytest.mark.parametrize(
    "parts",
    [("5", "1"), ("a/b", "?x=1"), ("50%", "%41"), ("a|b", "#"), ("é\u0001☃😀", " "), ("", ".."), ("%7C", "+&;=")],
)
def test_strange_keys_come_through_the_gateway_as_parameters(
    call: Call, tables: Tables, parts: tuple[str, str]
) -> None:
    """The same text as in a path; what is not there is null in its place."""
    tables.put_document(ADDRESS, parts, {"parts": list(parts)})
    key = quote("|".join(quote(part, safe="") for part in parts), safe="")

    status, _, body = call("GET", f"/addresses?key=none%7Cat-all&key={key}&key=wrong")
    assert (status, json.loads(body)) == (200, {"items": [None, {"parts": list(parts)}, None], "next": None})


def test_a_list_comes_through_the_gateway(call: Call, tables: Tables) -> None:
    """Values with special characters, and the cursor of the first page."""
    value = f"a&b=c +%é/{uuid.uuid4().hex}"
    for number in range(3):
        tables.put_document(ORDER, (f"{value}{number}",), {"status": value, "number": number})

    first = json.loads(call("GET", f"/orders?status={quote(value, safe='')}&limit=2")[2])
    rest = json.loads(call("GET", f"/orders?status={quote(value, safe='')}&limit=2&cursor={first['next']}")[2])

    assert [item["number"] for item in first["items"] + rest["items"]] == [0, 1, 2]
    assert rest["next"] is None


def test_a_command_comes_through_the_gateway(call: Call, monolith: MonolithDouble) -> None:
    """Executed once for both requests; a refused one is problem+json."""
    key = uuid.uuid4().hex
    headers = {"Content_Type": "application/json", "Idempotency_Key": key}
    body = {"customer_id": 1, "lines": [{"sku": "☃", "quantity": 1}]}

    first, repeat = (call("POST", "/commands/place-order", body, **headers) for _ in range(2))
    status, problem_headers, _ = call("POST", "/commands/place-order", {}, **headers)

    assert (first[0], first[2]) == (repeat[0], repeat[2])
    assert (first[0], json.loads(first[2])["order_id"]) == (201, monolith.executed[key])
    assert repeat[1]["idempotent-replayed"] == "true"
    assert [received.body for received in monolith.received] == [body]
    assert (status, problem_headers["content-type"]) == (400, "application/problem+json")


def test_the_description_and_its_page_come_through_the_gateway(call: Call) -> None:
    """Packed, with the headers that keep the page to itself."""
    status, headers, body = call("GET", "/openapi.json")
    assert (status, headers["content-type"], json.loads(body)["openapi"]) == (200, "application/json", "3.1.0")
    status, headers, body = call("GET", "/openapi.html")
    assert (status, headers["content-type"], body[:15]) == (200, "text/html; charset=utf-8", b"<!doctype html>")
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
