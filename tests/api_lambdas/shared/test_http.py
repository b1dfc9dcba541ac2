"""Requests, keys in URLs, problems."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api_lambdas.shared.http import Kind, Problem, Request, Response, etag_matches, key_parts
from contract.keys import key_text
from tests.api_lambdas.support import decoded_but_percent, event

Gateway = Callable[[str], str]
KEY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    alphabet="%|/?#~0125A ", max_size=8
)


def encoded(parts: tuple[str, ...]) -> str:
    """What the documentation tells a client to do."""
    return quote("|".join(quote(part, safe="") for part in parts), safe="")


@pytest.mark.parametrize("gateway", [str, decoded_but_percent], ids=["a gateway that decodes nothing", "an HTTP API"])
@given(parts=st.lists(KEY, min_size=1, max_size=3).map(tuple))
def test_every_key_survives_its_url(gateway: Gateway, parts: tuple[str, ...]) -> None:
    """The parts a client encoded are the parts we look for, whatever the gateway decoded on the way."""
    assert key_parts(gateway(encoded(parts)), len(parts)) == parts


@given(parts=st.lists(KEY, min_size=1, max_size=3).map(tuple))
def test_a_gateway_that_decodes_everything_is_survived_too(parts: tuple[str, ...]) -> None:
    """Only a key that itself looks percent-encoded is not recognisable then."""
    assume(not any(unquote(part) != part for part in parts))

    assert key_parts(unquote(encoded(parts)), len(parts)) == parts


@given(st.lists(KEY, min_size=1, max_size=3).map(tuple), st.lists(KEY, min_size=1, max_size=3).map(tuple))
def test_different_keys_have_different_urls_and_key_texts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """No request can reach another key's document."""
    assume(one != other and len(one) == len(other))

    assert encoded(one) != encoded(other)
    assert key_text(one) != key_text(other)


@given(st.text(max_size=20), st.integers(min_value=1, max_value=3))
def test_any_path_gives_parts_or_none(path: str, count: int) -> None:
    """Nothing a client can write raises."""
    parts = key_parts(path, count)

    assert parts is None or len(parts) == count


def test_a_named_stage_is_no_part_of_the_path() -> None:
    """Only the default stage has no name in the path."""
    sent = event("GET", "/prod/orders/1")
    sent["requestContext"]["stage"] = "prod"

    assert Request.parse(sent).path == "/orders/1"
    assert Request.parse(event("GET", "/prod/orders/1")).path == "/prod/orders/1"


def test_a_base64_body_is_decoded() -> None:
    """Gateways send other content types than text that way."""
    sent = {**event("POST", "/commands/x"), "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}

    assert Request.parse(sent).body == b"\x00\xff"


@pytest.mark.parametrize(
    "change",
    [
        {"body": "%%%", "isBase64Encoded": True},
        {"body": "\ud800"},
        {"rawPath": "/\ud800"},
        {"rawQueryString": "a=%FF"},
        {"rawQueryString": "&".join(f"a{n}=1" for n in range(61))},
    ],
)
def test_what_cannot_be_decoded_is_a_problem(change: dict[str, object]) -> None:
    """400 instead of a traceback."""
    with pytest.raises(Problem) as caught:
        Request.parse({**event("GET", "/orders/1"), **change})

    assert caught.value.kind is Kind.INVALID_REQUEST


def test_a_problem_is_problem_json() -> None:
    """RFC 9457: type, title, status, detail; the payload names the region."""
    payload = Problem(Kind.IN_PROGRESS, "wait", headers={"retry-after": "3"}).response().payload("eu-west-1")

    assert json.loads(payload["body"]) == {
        "type": "urn:nearview:problem:in-progress",
        "title": "The command is being executed",
        "status": 409,
        "detail": "wait",
    }
    assert payload["statusCode"] == 409
    assert payload["headers"] == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "retry-after": "3",
        "x-region": "eu-west-1",
    }


def test_an_answer_is_text() -> None:
    """A Lambda's body is a string even if it is empty."""
    assert Response(304).payload("r") == {
        "statusCode": 304,
        "headers": {"x-region": "r"},
        "body": "",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("header", "matches"),
    [(None, False), ("", False), ('"b"', False), ('"a"', True), ('W/"a"', True), ('"b" , "a"', True), ("*", True)],
)
def test_entity_tags_are_compared_weakly(header: str | None, matches: bool) -> None:
    """As RFC 9110 asks for If-None-Match."""
    assert etag_matches(header, '"a"') is matches
