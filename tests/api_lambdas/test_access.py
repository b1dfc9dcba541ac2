"""Who may call what, through both functions as they are packed: tokens of a real issuer, signatures, everybody."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import command, query
from api_lambdas.access.rules import Access, Claims, Gate, Rule, from_json, scopes_of, to_json
from api_lambdas.shared.http import Request
from local.ministack import MiniStack
from tests.api_lambdas.issuer import AUDIENCE, ISSUER, Issuer, ec_key, issuer, jwk, rsa_key, token
from tests.api_lambdas.monolith_double import MonolithDouble
from tests.api_lambdas.support import ORDER, Tables, declarations, event

ACCESS = """
default: jwt
routes:
  GET /addresses/{key}: iam
  GET /{collection}: {jwt: [lists]}
  GET /addresses: public
  GET /openapi.json: public
  POST /commands/{name}: {jwt: [orders.write, lists]}
  POST /commands/cancel-order: {jwt: [orders.cancel]}
"""
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def published() -> Iterator[Issuer]:
    with issuer(jwk(rsa_key(0), "k1"), jwk(ec_key(0), "k2")) as found:
        yield found


@pytest.fixture
def call(
    ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Issuer
) -> Iterator[Call]:
    """Calls the function of a path; `signed` is what the gateway says of a request with a good AWS signature."""
    monolith = MonolithDouble()
    for name, value in {
        **ministack.environment(),
        **declarations(tmp_path, ACCESS),
        "DOCUMENTS_TABLE": tables.documents,
        "COMMANDS_TABLE": tables.commands,
        "MONOLITH_URL": monolith.url,
        "CURSOR_SECRET": "c" * 32,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": f"{AUDIENCE}, other",
        "JWT_KEYS_URL": published.url,
    }.items():
        monkeypatch.setenv(name, value)
    for module in (query, command):
        monkeypatch.setattr(module, "DynamoDB", tables.watched)
        module._composed.cache_clear()

    def send(url: str, bearer: str | None = None, *, signed: bool = False, body: str | None = None) -> dict[str, Any]:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        sent = event("GET" if body is None else "POST", url, headers=headers, body=body)
        if signed:
            sent["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::000000000000:user/ada"}}
        return query.handler(sent, None) if body is None else command.handler(sent, None)

    yield send
    monolith.close()
    for module in (query, command):
        module._composed.cache_clear()


def good(**claims: Any) -> str:
    return token(rsa_key(0), now=time.time(), **claims)


def refused(answer: dict[str, Any]) -> tuple[int, str]:
    assert json.loads(answer["body"])["status"] == answer["statusCode"]
    return answer["statusCode"], answer["headers"].get("www-authenticate", "")


def test_a_good_token_opens_a_document(call: Call, tables: Tables) -> None:
    """Of either algorithm."""
    tables.put_document(ORDER, ("mine",), {"status": "paid"})

    assert call("/orders/mine", good())["statusCode"] == 200
    assert call("/orders/mine", token(ec_key(0), "k2", now=time.time()))["statusCode"] == 200


@pytest.mark.parametrize(
    "bearer",
    [
        None,
        "",
        "x.y.z",
        lambda: good(exp=time.time() - 3600),
        lambda: good(aud="somebody"),
        lambda: good(iss="https://other.example/"),
        lambda: token(rsa_key(9), now=time.time()),
        lambda: token(rsa_key(9), "k9", now=time.time()),
        lambda: token("", alg="none", now=time.time()),
        lambda: token("x" * 64, alg="HS256", now=time.time()),
        lambda: good() + "A",
        lambda: "x" * 9_000,
    ],
)
@pytest.mark.parametrize("url", ["/orders/mine", "/orders?status=paid", "/nothing/1", "/openapi.html"])
def test_without_a_good_token_nothing_is_read_or_told(call: Call, tables: Tables, bearer: Any, url: str) -> None:
    """401 with the reason as RFC 6750 asks for, also where nothing is; the tables are not asked."""
    status, challenge = refused(call(url, bearer() if callable(bearer) else bearer))

    assert status == 401
    assert challenge == ("Bearer" if bearer is None else 'Bearer error="invalid_token"')
    assert tables.operations == []


def test_a_command_is_refused_before_anything_is_stored(call: Call, tables: Tables) -> None:
    assert refused(call("/commands/cancel-order", "x.y.z", body='{"order_id": 1}'))[0] == 401
    assert refused(call("/commands/cancel-order", good(), body='{"order_id": 1}'))[0] == 403
    assert tables.operations == []


def test_scopes_are_asked_for_route_by_route(call: Call) -> None:
    """The rule of a route itself counts before that of all of its kind."""
    lists, cancel, write = good(scope="lists"), good(scp=["orders.cancel"]), good(scope="orders.write lists")

    assert call("/orders?status=x", lists)["statusCode"] == 200
    answer = call("/orders?status=x", cancel)
    assert refused(answer) == (403, 'Bearer error="insufficient_scope", scope="lists"')
    assert call("/commands/cancel-order", cancel, body='{"order_id": 1}')["statusCode"] == 201
    assert refused(call("/commands/cancel-order", write, body='{"order_id": 1}'))[0] == 403
    body = '{"order_id": 1, "line_no": 1, "to_order_id": 2}'
    assert call("/commands/move-line", write, body=body)["statusCode"] == 201
    assert refused(call("/commands/move-line", lists, body=body))[0] == 403


@pytest.mark.parametrize(
    "url",
    [
        "/commands/cancel%2Dorder",
        "/commands/cancel%252Dorder",
        "//commands/cancel-order",
        "/commands//cancel-order",
        "/./commands/cancel-order",
    ],
)
def test_no_other_spelling_of_a_route_has_another_rule(call: Call, tables: Tables, url: str) -> None:
    """What would be executed is what the rule is of."""
    answer = call(url, good(scope="orders.write lists"), body='{"order_id": 1}')

    assert answer["statusCode"] in (403, 404)
    assert tables.operations == []


def test_a_signature_is_what_the_gateway_says(call: Call, tables: Tables) -> None:
    """No header of a caller stands for it, and no token."""
    tables.put_document(ORDER, ("x",), {})

    assert call("/addresses/1%7C2", signed=True)["statusCode"] == 404
    assert refused(call("/addresses/1%7C2"))[0] == 403
    assert refused(call("/addresses/1%7C2", good()))[0] == 403
    assert refused(call("/orders/x", signed=True))[0] == 401


def test_what_is_public_is_open(call: Call) -> None:
    """And what is open takes no notice of a bad token."""
    assert call("/openapi.json")["statusCode"] == 200
    assert call("/openapi.json", "x.y.z")["statusCode"] == 200
    assert call("/addresses?key=1|2")["statusCode"] == 200


def test_keys_are_rotated(call: Call, published: Issuer, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of the new key is taken as soon as it comes; one of the old key no longer."""
    old, new = good(), token(rsa_key(3), "k3", now=time.time())
    moments = iter(range(1000, 10**6, 40))  # each look at the clock is 40 seconds later
    monkeypatch.setattr("api_lambdas.access.composed.time.monotonic", lambda: next(moments))
    assert call("/orders/none", old)["statusCode"] == 404
    published.publish(jwk(rsa_key(3), "k3"))

    assert call("/orders/none", new)["statusCode"] == 404
    assert refused(call("/orders/none", old))[0] == 401


def test_an_issuer_that_never_answered_is_our_failure(call: Call, published: Issuer) -> None:
    published.status = 500

    answer = call("/orders/none", good())

    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")


def test_nothing_of_a_token_is_logged_or_answered(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    bad = token(rsa_key(9), "canary-kid", now=time.time(), iss="canary-issuer", sub="canary-subject")
    answers = [call("/orders/1", bad), call("/orders/1", good(sub="canary", aud="canary"))]

    said = json.dumps(answers) + capsys.readouterr().err
    assert "canary" not in said
    assert bad not in said


def test_tokens_without_an_issuer_are_a_mistake_of_the_settings(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not an open API."""
    for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
        monkeypatch.delenv(name)
    for module in (query, command):
        module._composed.cache_clear()

    assert call("/openapi.json")["statusCode"] == 500
    assert call("/commands/cancel-order", body="{}")["statusCode"] == 500
    assert "JWT_ISSUER" in capsys.readouterr().err


def test_rules_are_packed_as_they_are() -> None:
    access = Access(Rule("jwt", ("a", "b")), {"GET /orders": Rule("public"), "GET /x": Rule("iam")})

    assert from_json(to_json(access)) == access


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scp": "a"}, {"a"}),
        ({"scp": ["a", 5]}, {"a"}),
        ({"scope": 5}, set()),
        ({}, set()),
    ],
)
def test_scopes_stand_in_either_claim(claims: dict[str, Any], scopes: set[str]) -> None:
    assert scopes_of(claims) == scopes


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_a_token_is_read_in_any_case(scheme: str) -> None:
    """RFC 9110, 11.1; what checks tokens is made once."""
    made: list[int] = []

    def claims() -> Claims:
        made.append(1)
        return lambda token: {"sub": token}

    gate = Gate(Access(Rule("jwt"), {}), claims)
    for _ in range(2):
        gate.admit(Request("GET", "/orders/1", (), {"authorization": f"{scheme}  ada "}, b""), "GET /orders/{key}")

    assert made == [1]
