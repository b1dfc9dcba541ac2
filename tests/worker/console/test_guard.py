"""Nobody but the person at this machine gets an answer, whatever a browser is made to send."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from worker.console.guard import HEADERS, Door

DOOR = Door(9480, "k" * 32)
GOOD = {"host": "127.0.0.1:9480", "cookie": f"{DOOR.cookie}={DOOR.key}"}


def refused(method: str = "GET", query: str = "", **headers: str) -> HTTPStatus | None:
    found = DOOR.refuses(method, {**GOOD, **{name.replace("_", "-"): value for name, value in headers.items()}}, query)
    return found[0] if found else None


def test_the_page_itself_is_answered() -> None:
    assert refused() is None
    assert refused(host="localhost:9480", sec_fetch_site="same-origin") is None
    assert refused("HEAD", sec_fetch_site="none") is None


@pytest.mark.parametrize(
    "host", ["", "evil.example:9480", "127.0.0.1", "127.0.0.1:9481", "127.0.0.1:9480.evil.example", "[::1]:9480"]
)
def test_a_name_that_was_made_to_lead_here_is_refused_even_with_the_key(host: str) -> None:
    """DNS rebinding: the browser sends the name of the other site."""
    assert refused(host=host) is HTTPStatus.MISDIRECTED_REQUEST
    assert refused(host=host, query=f"key={DOOR.key}") is HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", ""])
def test_it_only_reads(method: str) -> None:
    assert refused(method) is HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_page_of_another_site_is_refused(site: str) -> None:
    assert refused(sec_fetch_site=site) is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "cookie",
    ["", "other=1", f"{DOOR.cookie}=", f"{DOOR.cookie}=x", f"nearview-console-9481={DOOR.key}", "\x00", "=;=\udc80"],
)
def test_without_the_key_there_is_no_answer(cookie: str) -> None:
    assert refused(cookie=cookie) is HTTPStatus.UNAUTHORIZED


def test_the_key_in_the_address_opens_once_and_no_other_does() -> None:
    assert refused(cookie="", query=f"key={DOOR.key}") is None
    assert refused(cookie="", query="key=wrong") is HTTPStatus.UNAUTHORIZED
    assert refused(cookie="", query="key=%ff%fe") is HTTPStatus.UNAUTHORIZED
    assert DOOR.url.endswith(DOOR.key)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    assert {"HttpOnly", "SameSite=Strict"} <= set(DOOR.set_cookie().split("; "))


def test_the_policy_lets_nothing_in_from_outside_and_no_script_in_the_page() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
