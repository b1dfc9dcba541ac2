"""Pages that are served as they were packed."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_lambdas.queries.pages import DOCS, OPENAPI, Pages
from api_lambdas.shared.http import Request

PAGE = "<style>a {}</style><script>1</script>"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    for name, text in (("openapi.json", "{}"), ("openapi.html", PAGE)):
        (tmp_path / name).write_text(text, "utf-8")
    return Pages(tmp_path / "openapi.json", tmp_path / "openapi.html")


def get(path: str, **headers: str) -> Request:
    return Request("GET", path, (), {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def test_a_page_runs_what_stands_in_it_and_nothing_else(pages: Pages) -> None:
    """Named by hash; it asks its own API, is in nobody's frame, and its addresses are its own."""
    policy = pages.response(get(DOCS)).headers["content-security-policy"].split("; ")

    assert policy == [
        "default-src 'none'",
        "script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='",
        "style-src 'sha256-mkSHzL7faOU7/U/v8Umg+058R69+vN2A2xmE3Fz1q98='",
        "connect-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]


@pytest.mark.parametrize("path", [OPENAPI, DOCS])
def test_an_unchanged_page_is_not_sent_again(pages: Pages, path: str) -> None:
    """But asked for each time: a deployment changes it."""
    first = pages.response(get(path))
    again = pages.response(get(path, if_none_match=first.headers["etag"]))

    assert (first.status, again.status, again.body) == (200, 304, "")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert pages.response(get(path, if_none_match='"another"')).status == 200


def test_nothing_else_is_served(pages: Pages) -> None:
    assert [pages.serves(path) for path in (OPENAPI, DOCS, "/", "/openapi.yaml", "/Openapi.json")] == [True] * 2 + [
        False
    ] * 3
