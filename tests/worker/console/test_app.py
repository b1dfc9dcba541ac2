"""What is answered over HTTP by the served console."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from contract.parts import PartsMissing
from tests.worker.console.conftest import Served
from tests.worker.console.shop import HOSTILE, LONG
from worker.console.app import PAGES
from worker.console.guard import HEADERS
from worker.console.server import Server
from worker.errors import FatalError, TransientError

Ask = Callable[..., http.client.HTTPResponse]


@pytest.fixture
def ask(console: Served) -> Ask:
    def get(path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", console.door.port, timeout=30)
        cookie = {"Cookie": f"{console.door.cookie}={console.door.key}"}
        connection.request(method, path, headers={**cookie, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return connection.getresponse()

    return get


def body(reply: http.client.HTTPResponse) -> Any:
    return json.loads(reply.read())


def test_the_printed_address_gives_the_cookie_and_hides_the_key_from_the_address(console: Served, ask: Ask) -> None:
    reply = ask(f"/?key={console.door.key}", Cookie="")
    assert (reply.status, reply.headers["Location"]) == (303, "/")
    assert reply.headers["Set-Cookie"] == console.door.set_cookie()


@pytest.mark.parametrize("path", [*PAGES, "/api/now", "/api/tables", "/api/mapping"])
def test_every_answer_has_the_policy_and_none_comes_without_the_key(ask: Ask, path: str) -> None:
    reply = ask(path)
    assert reply.status == 200
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    assert ask(path, Cookie="").status == 401
    assert ask(path, Host="evil.example").status == 421
    assert ask(path, "POST").status == 405
    assert ask(path, Sec_Fetch_Site="cross-site").status == 403
    assert ask(path, "HEAD").read() == b""


@pytest.mark.parametrize("path", ["/nothing", "/../cli.py", "/static/index.html", "/%2e%2e/cli.py", "/console.js/x"])
def test_nothing_else_is_served(ask: Ask, path: str) -> None:
    assert ask(path).status == 404


def test_pages_name_nothing_outside_and_hold_no_script_or_style_of_their_own(ask: Ask) -> None:
    page = ask("/").read().decode()
    every = "".join(ask(path).read().decode() for path in PAGES)
    assert "http://www.w3.org/2000/svg" in every
    assert every.replace("http://www.w3.org/2000/svg", "").count("://") == 0
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src="/console.js"></script>') == 1
    assert "innerHTML" not in every


def test_a_document_comes_with_its_rows_and_all_digits(ask: Ask) -> None:
    found = body(ask("/api/document?aggregate=order&key=7"))
    assert f'"total": {LONG}' in found["body"]
    assert ["total", str(LONG)] in found["rows"]["columns"]
    assert [child["place"] for child in found["rows"]["children"]] == ["customer", "lines", "lines"]
    assert dict(found["rows"]["children"][0]["columns"])["name"] == json.dumps(HOSTILE)
    assert body(ask("/api/document?aggregate=note&key=red&key=1"))["rows"]["key"] == "red|1"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("aggregate=nothing&key=1", 404),
        ("aggregate=order", 400),
        ("aggregate=order&key=", 400),
        ("aggregate=order&key=1&key=2", 400),
        ("aggregate=order&key=" + "x" * 5000, 400),
        ("", 404),
    ],
)
def test_what_cannot_be_a_document_is_said_in_a_line(ask: Ask, query: str, status: int) -> None:
    reply = ask(f"/api/document?{query}")
    assert reply.status == status
    assert body(reply)["problem"]


def test_a_store_that_does_not_answer_is_said_in_a_line(
    console: Served, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, int | None]:
        raise TransientError("DynamoDB does not answer")

    monkeypatch.setattr(console.shop, "complete", fail)
    reply = ask("/api/tables")
    assert (reply.status, body(reply)) == (503, {"problem": "DynamoDB does not answer"})


def test_a_document_whose_parts_are_being_replaced_is_said_in_a_line(
    console: Served, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PartsMissing

    monkeypatch.setattr(console.shop, "document", fail)
    reply = ask("/api/document?aggregate=order&key=7")
    assert (reply.status, body(reply)) == (503, {"problem": "the document is being written; look again"})


def test_a_port_that_is_taken_is_said_in_a_line(console: Served) -> None:
    with pytest.raises(FatalError, match=rf"^--port: 127.0.0.1:{console.door.port} cannot be served: .+$"):
        Server(console.door.port, console.shop, dict)
