"""The declaration of who may call what."""

from __future__ import annotations

import pytest

from api_lambdas.access.rules import Access, Rule
from api_lambdas.package import ACCESS_FILE
from api_lambdas.packing.access_file import read_access

ROUTES = ("GET /orders", "GET /orders/{key}", "POST /commands/cancel-order")


def test_rules_are_read() -> None:
    text = """
default: iam
routes:
  GET /orders/{key}: jwt
  GET /{collection}: public
  POST /commands/cancel-order: {jwt: [orders.cancel, "a:b"]}
"""
    assert read_access(text, "a.yaml", ROUTES) == (
        Access(
            Rule("iam"),
            {
                "GET /orders/{key}": Rule("jwt"),
                "GET /{collection}": Rule("public"),
                "POST /commands/cancel-order": Rule("jwt", ("orders.cancel", "a:b")),
            },
        ),
        (),
    )


def test_the_file_that_is_shipped_is_right() -> None:
    assert read_access(ACCESS_FILE.read_text("utf-8"), "access.yaml", ROUTES) == (Access(Rule("iam"), {}), ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.yaml:1: expected `default: iam`, and `routes` where they differ"),
        ("- iam", "a.yaml:1: expected `default: iam`, and `routes` where they differ"),
        ("a: [", "a.yaml:1: not YAML"),
        ("a: !!int x", "a.yaml: not YAML"),
        ("routes: {}", "a.yaml:1: `default` is missing: the rule of every route without one of its own"),
        ("default: everybody", "a.yaml:1: default: expected iam, jwt, public or `{jwt: [scopes]}`"),
        ("default: {jwt: orders}", "a.yaml:1: default: expected"),
        ("default: {jwt: ['a b']}", "a.yaml:1: default: expected"),
        ("default: {iam: []}", "a.yaml:1: default: expected"),
        ("default: iam\nroute: {}", "a.yaml:2: route: unknown; known: default, routes"),
        ("default: iam\nroutes: []\n", None),
        ("default: iam\nroutes: [1]\n", "a.yaml:2: routes: expected `GET /orders/{key}: jwt`, a line for each"),
        (
            "default: iam\nroutes:\n  GET /order: jwt",
            "a.yaml:3: GET /order: no such route, did you mean `GET /orders`?",
        ),
        ("default: iam\nroutes:\n  5: jwt", "a.yaml:3: 5: no such route"),
        ("default: iam\nroutes:\n  GET /orders: no", "a.yaml:3: GET /orders: expected iam, jwt, public"),
        ("default: iam\nroutes:\n  GET /orders: jwt\n  GET /orders: public", "GET /orders: declared twice"),
        ("default: iam\ndefault: public", "default: declared twice"),
        ("[" * 1200, "a.yaml"),
    ],
)
def test_mistakes_are_one_line_each(text: str, problem: str | None) -> None:
    """With the place; nothing is guessed, for a rule that is not meant protects nothing."""
    access, problems = read_access(text, "a.yaml", ROUTES)

    if problem is None:
        assert access is not None
        return
    assert access is None
    assert any(problem in one for one in problems), problems
    assert all("\n" not in one for one in problems)
