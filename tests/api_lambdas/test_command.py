"""The command Lambda with a real commands table and a monolith over real HTTP."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import command
from api_lambdas.commands.idempotency import RECORD_SECONDS, Asked
from api_lambdas.queries.consistency import opened
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import Request
from local.ministack import MiniStack
from local.processes import free_port
from tests.api_lambdas.monolith_double import (
    MonolithDouble,
    Received,
    answer,
    cut_reply,
    lose_reply,
    lose_request,
    reply,
    stall,
    trickle,
)
from tests.api_lambdas.support import Tables, declarations, event

Fresh = Callable[[str], str]
Post = Callable[..., dict[str, Any]]

SECRET = "c" * 32
WRITES = {"PutItem", "UpdateItem"}
PLACE = {"customer_id": 7, "lines": [{"sku": "A-1", "quantity": 2}], "note": "é"}
CANCEL = {"order_id": 5}
PROBLEM = "application/problem+json"


@pytest.fixture
def monolith() -> Iterator[MonolithDouble]:
    double = MonolithDouble()
    yield double
    double.close()


@pytest.fixture
def post(
    ministack: MiniStack, tables: Tables, monolith: MonolithDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Post]:
    """Calls the handler as Lambda does, by default with a body that fits."""
    for name, value in {
        **ministack.environment(),
        "COMMANDS_TABLE": tables.commands,
        **declarations(tmp_path),
        "MONOLITH_URL": monolith.url,
        "DISPATCH_TIMEOUT_SECONDS": "20",
        "CURSOR_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "DynamoDB", tables.watched)
    command._composed.cache_clear()

    def call(key: str | None, body: Any = CANCEL, name: str = "cancel-order", **options: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        if key is not None:
            headers["Idempotency-Key"] = key
        text = body if isinstance(body, str) else json.dumps(body)
        method = options.pop("method", "POST")
        return command.handler(event(method, f"/commands/{name}", headers=headers, body=text, **options), None)

    yield call
    command._composed.cache_clear()
    assert set(tables.operations) <= WRITES


def problem_of(answered: dict[str, Any]) -> tuple[int, str]:
    assert answered["headers"]["content-type"] == PROBLEM
    body = json.loads(answered["body"])
    assert body["status"] == answered["statusCode"]
    return body["status"], body["type"].removeprefix("urn:nearview:problem:")


def test_a_command_is_dispatched_and_its_answer_returned(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """The monolith gets the body and the key, the caller its answer."""
    key = fresh("k")

    answered = post(key, PLACE, "place-order")

    assert (answered["statusCode"], json.loads(answered["body"])["order_id"]) == (201, 1)
    assert answered["headers"]["content-type"] == "application/json"
    assert answered["headers"]["x-region"] == "eu-west-1"
    assert "idempotent-replayed" not in answered["headers"]
    assert monolith.received == [Received("POST", "/base/orders", key, PLACE)]


def test_an_answer_has_a_token_that_stays_the_same(post: Post, fresh: Fresh) -> None:
    """It names the place of the first answer, whatever the monolith says to a repeat."""
    key, before = fresh("k"), time.time()

    first, again = post(key, PLACE, "place-order"), post(key, PLACE, "place-order")

    token = opened(SECRET.encode(), first["headers"]["x-consistency-token"])
    assert (token.order, token.position) == ("postgresql", 1)
    assert before - 1 <= token.sent_micros / 1_000_000 <= time.time()
    assert again["headers"]["x-consistency-token"] == first["headers"]["x-consistency-token"]


@pytest.mark.parametrize(
    "answered",
    [
        (200, "application/json", b'{"order_id": 1}'),
        (200, "application/json", b'{"commit_position": "somewhere"}'),
        (200, "application/json", b'{"commit_position": 7}'),
        (204, "application/json", b""),
        (409, PROBLEM, b'{"commit_position": "0/1"}'),
    ],
)
def test_there_is_no_token_without_a_position(
    post: Post, monolith: MonolithDouble, fresh: Fresh, answered: tuple[int, str, bytes]
) -> None:
    """The answer is given all the same; so is a refusal, which has changed nothing."""
    monolith.faults.append(reply(*answered))

    found = post(fresh("k"))

    assert found["statusCode"] == answered[0]
    assert "x-consistency-token" not in found["headers"]


@pytest.mark.parametrize(
    ("name", "body", "path", "sent"),
    [
        ("change-order", {"order_id": 5, "note": None}, "/orders/5/change", {"note": None}),
        ("cancel-order", {"order_id": 9223372036854775807}, "/orders/9223372036854775807/cancel", {}),
        (
            "move-line",
            {"order_id": 1, "line_no": 2, "to_order_id": 3},
            "/order-lines/move",
            {"order_id": 1, "line_no": 2, "to_order_id": 3},
        ),
        ("rename-product", {"sku": "a/b ?%é", "title": "T"}, "/products/a%2Fb%20%3F%25%C3%A9/rename", {"title": "T"}),
        ("correct-customer", {"customer_id": 4, "email": "e"}, "/customers/4/correct", {"email": "e"}),
    ],
)
def test_members_of_the_body_go_into_the_path(
    post: Post, monolith: MonolithDouble, fresh: Fresh, name: str, body: Any, path: str, sent: Any
) -> None:
    """Every declared command reaches its endpoint; what stands in the path is left out of the body."""
    key = fresh("k")

    assert post(key, body, name)["statusCode"] == 201
    assert monolith.received == [Received("POST", f"/base{path}", key, sent)]


def test_a_repeat_gets_the_stored_answer(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """Same status and body, and the monolith is not asked again; the order and spacing of members do not matter."""
    key = fresh("k")
    first = post(key, '{"order_id": 1, "line_no": 2, "to_order_id": 3}', "move-line")

    repeat = post(f'"{key}"', '{"to_order_id":3,"line_no":2,"order_id":1}', "move-line")

    assert (repeat["statusCode"], repeat["body"]) == (first["statusCode"], first["body"])
    assert repeat["headers"]["idempotent-replayed"] == "true"
    assert len(monolith.received) == 1


@pytest.mark.parametrize(("body", "name"), [({"order_id": 6}, "cancel-order"), (PLACE, "place-order")])
def test_a_key_belongs_to_one_request(post: Post, monolith: MonolithDouble, fresh: Fresh, body: Any, name: str) -> None:
    """Another body or command with the same key is refused and never dispatched."""
    key = fresh("k")
    post(key, CANCEL, "cancel-order")

    assert problem_of(post(key, body, name)) == (422, "idempotency-key-reused")
    assert len(monolith.received) == 1


@pytest.mark.parametrize("fault", [lose_request, lose_reply, cut_reply, stall, trickle])
def test_after_an_unknown_outcome_a_repeat_gives_one_effect(
    post: Post, monolith: MonolithDouble, fresh: Fresh, fault: Any
) -> None:
    """502 or 504 says so; the same key dispatches again, and the monolith executes once."""
    key = fresh("k")
    monolith.faults.append(fault)
    executions = command._composed()[1]._executions
    patient = executions._timeout_seconds

    executions._timeout_seconds = 0.3 if fault in (stall, trickle) else patient
    failed = post(key)
    executions._timeout_seconds = patient
    repeat = post(key)

    expected = (504, "monolith-timeout") if fault in (stall, trickle) else (502, "monolith-unavailable")
    assert problem_of(failed) == expected
    assert repeat["statusCode"] == 201
    assert "idempotent-replayed" not in repeat["headers"]
    assert (monolith.executions, len(monolith.received)) == (1, 2)


def test_a_key_belongs_to_its_request_even_without_an_answer(
    post: Post, monolith: MonolithDouble, fresh: Fresh
) -> None:
    """After an unknown outcome the first request may have been executed: another one must not take its place."""
    key = fresh("k")
    monolith.faults.append(lose_reply)
    post(key)

    assert problem_of(post(key, {"order_id": 6})) == (422, "idempotency-key-reused")
    assert len(monolith.received) == 1


def test_an_expired_key_is_forgotten(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """Also while the table has not removed its record yet."""
    key = fresh("k")
    post(key)
    command._composed()[1]._records._clock = lambda: time.time() + RECORD_SECONDS + 60

    assert "idempotent-replayed" not in post(key, {"order_id": 6})["headers"]
    assert len(monolith.received) == 2


def test_an_unreachable_monolith_is_a_bad_gateway(
    post: Post, fresh: Fresh, monolith: MonolithDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was executed; when it is back the same key works."""
    key = fresh("k")
    monkeypatch.setenv("MONOLITH_URL", f"http://127.0.0.1:{free_port()}")

    refused = post(key)

    assert problem_of(refused) == (502, "monolith-unavailable")
    assert "nothing was executed" in json.loads(refused["body"])["detail"]
    monkeypatch.setenv("MONOLITH_URL", monolith.url)
    command._composed.cache_clear()
    assert post(key)["statusCode"] == 201


def test_a_refusal_is_passed_on_and_stored(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """The monolith's own problem is the final answer; a repeat does not ask again."""
    key = fresh("k")
    refusal = b'{"type": "about:blank", "title": "Not possible", "status": 409, "detail": "order 5 is cancelled"}'
    monolith.faults.append(reply(409, f"{PROBLEM}; charset=utf-8", refusal))

    first, repeat = post(key), post(key)

    assert (first["statusCode"], first["body"], first["headers"]["content-type"]) == (409, refusal.decode(), PROBLEM)
    assert (repeat["statusCode"], repeat["body"], repeat["headers"]["content-type"]) == (409, refusal.decode(), PROBLEM)
    assert len(monolith.received) == 1


@pytest.mark.parametrize(
    ("fault", "expected", "retry_after"),
    [
        (reply(500, PROBLEM, b"{}"), (502, "monolith-unavailable"), None),
        (reply(302, "text/html", b"", Location="/elsewhere"), (502, "monolith-unavailable"), None),
        (reply(404, "text/html", b"<html>proxy</html>"), (502, "monolith-unavailable"), None),
        (reply(404, "text/plain", b'{"detail": "proxy"}'), (502, "monolith-unavailable"), None),
        (reply(404, "application/json", b"[]"), (502, "monolith-unavailable"), None),
        (reply(201, "application/json", b"{"), (502, "monolith-unavailable"), None),
        (reply(201, "text/plain", b"created"), (502, "monolith-unavailable"), None),
        (reply(201, "application/json", b'"' + b"x" * 300_000 + b'"'), (502, "monolith-unavailable"), None),
        (reply(401, PROBLEM, b"{}"), (503, "monolith-busy"), None),
        (reply(429, PROBLEM, b"{}", Retry_After="7"), (503, "monolith-busy"), "7"),
        (reply(409, PROBLEM, b"{}", Retry_After="1"), (503, "monolith-busy"), "1"),
        (reply(503, "text/html", b"", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), (503, "monolith-busy"), None),
    ],
)
def test_what_is_no_verdict_is_not_stored(
    post: Post,
    monolith: MonolithDouble,
    fresh: Fresh,
    fault: Any,
    expected: tuple[int, str],
    retry_after: str | None,
) -> None:
    """Errors of servers and proxies, pleas to wait, unusable bodies: a repeat asks the monolith again."""
    key = fresh("k")
    monolith.faults.append(fault)

    failed = post(key)

    assert problem_of(failed) == expected
    assert failed["headers"].get("retry-after") == retry_after
    assert post(key)["statusCode"] == 201


def test_an_empty_success_is_an_answer(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """204 needs no body."""
    key = fresh("k")
    monolith.faults.append(reply(204, "", b""))

    assert [post(key)["statusCode"] for _ in range(2)] == [204, 204]
    assert len(monolith.received) == 1


def test_while_it_is_executed_a_repeat_has_to_wait(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """409 with Retry-After for the second, the answer for the first, one dispatch."""
    key = fresh("k")
    arrived, go_on = threading.Event(), threading.Event()

    def slow(handler: Any) -> None:
        arrived.set()
        go_on.wait(10)
        answer(handler)

    monolith.faults.append(slow)
    first: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: first.append(post(key)))
    thread.start()
    assert arrived.wait(10)

    second = post(key)
    other = post(key, {"order_id": 6})
    go_on.set()
    thread.join()

    assert problem_of(second) == (409, "in-progress")
    assert 1 <= int(second["headers"]["retry-after"]) <= 25
    assert problem_of(other) == (422, "idempotency-key-reused")
    assert first[0]["statusCode"] == 201
    assert len(monolith.received) == 1


def test_the_claim_of_a_dead_lambda_is_taken_over(post: Post, monolith: MonolithDouble, fresh: Fresh) -> None:
    """It died after the dispatch: once its time is over the key is dispatched again, with one effect in all."""
    key = fresh("k")
    records = command._composed()[1]._records
    monolith.execute(key)
    now = 1_000_000.0
    records._clock = lambda: now
    checked = command._checked(command._composed()[1]._commands["cancel-order"], _request(CANCEL))
    caller = hashlib.sha256(b"public").hexdigest()
    records.claim(Asked(key, "cancel-order", caller, checked[1]), 5)

    blocked = post(key)
    now += 6
    taken_over = post(key)

    assert problem_of(blocked) == (409, "in-progress")
    assert blocked["headers"]["retry-after"] == "5"
    assert taken_over["statusCode"] == 201
    assert monolith.executions == 1


class Died(BaseException):
    """The Lambda was killed here."""


@pytest.mark.parametrize("seed", range(12))
def test_each_key_has_one_effect_and_one_answer(
    post: Post, monolith: MonolithDouble, fresh: Fresh, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Three callers repeat one command until they are answered, through lost messages, deaths and overtaken claims."""
    chance = random.Random(seed)
    key, skipped_seconds = fresh("k"), 0.0
    api = command._composed()[1]
    api._records._clock = lambda: time.time() + skipped_seconds
    monolith.faults.extend(
        chance.choices([lose_request, lose_reply, cut_reply, reply(500, PROBLEM, b"{}"), answer], k=4)
    )
    for owner, name in ((api._executions._monolith, "send"), (api._records, "store"), (api._records, "release")):
        monkeypatch.setattr(owner, name, _mortal(getattr(owner, name), chance))
    answers: list[tuple[int, str]] = []

    def call_until_answered() -> None:
        nonlocal skipped_seconds
        for _ in range(200):
            try:
                answered = post(key)
            except Died:
                continue
            if answered["statusCode"] == 201:
                answers.append((answered["statusCode"], answered["body"]))
                return
            # sometimes past the claim of a caller that is still alive, but not whenever it notes its dispatch
            if answered["statusCode"] == 409 and chance.random() < 0.2:
                skipped_seconds += 7.0

    threads = [threading.Thread(target=call_until_answered) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 3
    assert len(set(answers)) == 1
    assert monolith.executions == 1


def _mortal(call: Callable[..., Any], chance: random.Random) -> Callable[..., Any]:
    def maybe(*arguments: Any, **options: Any) -> Any:
        if chance.random() < 0.15:
            raise Died
        result = call(*arguments, **options)
        if chance.random() < 0.15:
            raise Died
        return result

    return maybe


def test_an_answer_that_cannot_be_stored_is_given_all_the_same(
    post: Post, monolith: MonolithDouble, fresh: Fresh, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The command was executed; a warning is logged, and a repeat asks the monolith once the claim is over."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise StoreError("UpdateItem", "ThrottlingException", retryable=True)

    monkeypatch.setattr(command._composed()[1]._records, "store", fail)

    assert post(fresh("k"))["statusCode"] == 201
    assert "answer_not_stored" in [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("code", "problem"),
    [("ThrottlingException", (429, "too-many-requests")), ("InternalServerError", (503, "store-unavailable"))],
)
def test_nothing_is_dispatched_when_the_key_cannot_be_claimed(
    post: Post,
    monolith: MonolithDouble,
    fresh: Fresh,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    problem: tuple[int, str],
) -> None:
    """429 when the table is too busy, else 503: the caller may simply try again."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise StoreError("PutItem", code, retryable=True)

    monkeypatch.setattr(command._composed()[1]._records, "claim", fail)

    answered = post(fresh("k"))

    assert problem_of(answered) == problem
    assert answered["headers"]["retry-after"] == "1"
    assert answered["headers"]["retry-after"] == "1"
    assert monolith.received == []


@pytest.mark.parametrize(
    ("key", "body", "options", "expected"),
    [
        (None, CANCEL, {}, (400, "idempotency-key-missing")),
        ("", CANCEL, {}, (400, "idempotency-key-missing")),
        ('""', CANCEL, {}, (400, "idempotency-key-missing")),
        ("a b", CANCEL, {}, (400, "idempotency-key-missing")),
        ("é", CANCEL, {}, (400, "idempotency-key-missing")),
        ("k" * 256, CANCEL, {}, (400, "idempotency-key-missing")),
        ("k", CANCEL, {"name": "drop-table"}, (404, "not-found")),
        ("k", CANCEL, {"name": ""}, (404, "not-found")),
        ("k", CANCEL, {"method": "PUT"}, (405, "method-not-allowed")),
        ("k", CANCEL, {"headers": {"Content-Type": "text/plain"}}, (415, "unsupported-media-type")),
        ("k", '{"order_id": 1, "x": "' + "x" * 65_536 + '"}', {}, (413, "body-too-large")),
        ("k", "", {}, (400, "invalid-body")),
        ("k", "{", {}, (400, "invalid-body")),
        ("k", "[]", {}, (400, "invalid-body")),
        ("k", '{"order_id": NaN}', {}, (400, "invalid-body")),
        ("k", '{"order_id": 1, "order_id": 2}', {}, (400, "invalid-body")),
        ("k", "[" * 60_000, {}, (400, "invalid-body")),
        ("k", {}, {}, (400, "invalid-body")),
        ("k", {"order_id": "5"}, {}, (400, "invalid-body")),
        ("k", {"order_id": 0}, {}, (400, "invalid-body")),
        ("k", {"order_id": 10**30}, {}, (400, "invalid-body")),
        ("k", {"order_id": True}, {}, (400, "invalid-body")),
        ("k", {"order_id": 5, "extra": 1}, {}, (400, "invalid-body")),
        ("k", {"sku": "..", "title": "t"}, {"name": "rename-product"}, (400, "invalid-body")),
        ("k", {"customer_id": 1, "lines": []}, {"name": "place-order"}, (400, "invalid-body")),
        ("k", {"customer_id": 1}, {"name": "correct-customer"}, (400, "invalid-body")),
    ],
)
def test_a_wrong_request_is_refused_before_anything_happens(
    post: Post,
    tables: Tables,
    monolith: MonolithDouble,
    key: str | None,
    body: Any,
    options: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    """No record, no dispatch."""
    assert problem_of(post(key, body, **options)) == expected
    assert (tables.operations, monolith.received) == ([], [])


def test_what_is_wrong_with_a_body_is_said(post: Post) -> None:
    """The place and the rule, not the value."""
    wrong = {"customer_id": 1, "lines": [{"sku": "A", "quantity": "canary"}]}

    assert json.loads(post("k", wrong, "place-order")["body"])["detail"] == "body.lines[0].quantity must be integer"


def test_logs_hold_no_keys_and_no_values(
    post: Post, monolith: MonolithDouble, fresh: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    """Successes, refusals and failures are logged by command and reason only."""
    monolith.faults.extend([reply(500, PROBLEM, b'{"detail": "canary"}'), answer])
    key = fresh("canary")
    for body in ({"sku": "canary", "title": "canary"}, {"sku": "canary", "title": "canary"}, {"canary": "canary"}):
        post(key, body, "rename-product")

    log = capsys.readouterr().err
    events = [(line["event"], line.get("status"), line.get("reason")) for line in map(json.loads, log.splitlines())]
    assert events == [
        ("dispatch_failed", None, "status_500"),
        ("answered", 502, None),
        ("answered", 201, None),
        ("answered", 400, None),
    ]
    assert "canary" not in log


def test_wrong_settings_are_logged_and_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each problem, no traceback."""
    for name in ("COMMANDS_TABLE", "MONOLITH_URL", "COMMANDS_FILE", "ACCESS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    command._composed.cache_clear()

    assert problem_of(command.handler(event("POST", "/commands/x"), None)) == (500, "internal")
    assert len(capsys.readouterr().err.splitlines()) == 4


def _request(body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    return Request.parse(event("POST", "/commands/cancel-order", headers=headers, body=json.dumps(body)))
