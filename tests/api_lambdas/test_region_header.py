"""Every answer of every function names the region: documents, errors, the unchanged, the description and its page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from api_lambdas import command, health, ingest, query
from tests.api_lambdas.running import Running
from tests.api_lambdas.support import event

NOTHING: dict[str, str] = {}


def asked(url: str, method: str, headers: Mapping[str, str] = NOTHING, body: Any = None) -> tuple[int, str | None, str]:
    """Status, region, entity tag."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers), method=method)  # noqa: S310  our own URL
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.headers["x-region"], answer.headers["etag"] or ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["x-region"], ""


def test_every_route_names_the_region_whatever_it_answers(running: Running) -> None:
    """Each operation as it is meant, again with its entity tag, and with what it does not take."""
    seen: dict[str, set[int]] = {}
    for path, operations in running.document["paths"].items():
        for method, operation in operations.items():
            place = path.replace("{key}", "42")
            url = f"{running.url}{place}"
            headers = {
                "Idempotency-Key": uuid.uuid4().hex,
                "Event-Id": str(uuid.uuid4()),
                "Content-Type": "application/json",
            }
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            answers = [asked(url, method.upper(), headers, content.get("example"))]
            if tag := answers[0][2]:
                answers.append(asked(url, "GET", {"If-None-Match": tag}))
            answers.append(asked(f"{url}?nothing=1&nothing=2", method.upper(), {}, content.get("example")))
            answers.append(asked(url, "DELETE"))
            assert {region for _, region, _ in answers} == {"eu-west-1"}, f"{method} {path}: {answers}"
            seen[f"{method} {path}"] = {status for status, _, _ in answers}
    statuses = set().union(*seen.values())
    assert statuses >= {200, 202, 304, 400, 404, 405}
    assert len(seen) == sum(map(len, running.document["paths"].values()))


@pytest.mark.parametrize("module", [query, command, ingest, health], ids=lambda module: module.__name__)
def test_a_function_that_is_not_set_up_names_it_too(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCUMENTS_TABLE", "COMMANDS_TABLE", "EVENTS_TABLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    module._composed.cache_clear()

    answer = module.handler(event("GET", "/"), None)

    assert (answer["statusCode"], answer["headers"]["x-region"]) == (500, "ap-south-1")
