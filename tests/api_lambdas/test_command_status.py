"""How a command stands, whose it is, and where a caller is sent to ask, as the gateway's events have it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from api_lambdas import command
from api_lambdas.access.rules import Access, Gate, Rule
from api_lambdas.commands import declared
from api_lambdas.packing.commands_file import read_commands
from api_lambdas.shared.http import Problem, Request
from local.ministack import MiniStack
from tests.api_lambdas.monolith_double import MonolithDouble, lose_reply, reply
from tests.api_lambdas.support import Tables, declarations, event

ROLE = "arn:aws:sts::000000000000:assumed-role/shop/"
COMMANDS = """
by-header: {endpoint: POST /a, idempotency: header, body: {type: object}}
by-lookup:
  endpoint: POST /a
  idempotency: lookup
  lookup: /done/{idempotency_key}
  settle_seconds: 5
  body: {type: object}
helpless: {endpoint: POST /a, idempotency: none, body: {type: object}}
"""


@pytest.fixture
def monolith() -> Iterator[MonolithDouble]:
    double = MonolithDouble()
    yield double
    double.close()


class Caller:
    """Somebody with a signature."""

    def __init__(self, arn: str = f"{ROLE}one", identity: str = "") -> None:
        self._iam = {"userArn": arn, **({"cognitoIdentity": {"identityId": identity}} if identity else {})}

    def ask(self, method: str, url: str, key: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **({} if key is None else {"Idempotency-Key": key})}
        sent = event(method, url, headers=headers, body="{}")
        sent["requestContext"]["authorizer"] = {"iam": self._iam}
        return command.handler(sent, None)

    def post(self, key: str, name: str = "by-header") -> dict[str, Any]:
        return self.ask("POST", f"/commands/{name}", key)

    def state(self, key: str, name: str = "by-header") -> Any:
        answered = self.ask("GET", f"/commands/{name}/{quote(quote(key, safe=''), safe='')}")
        body = json.loads(answered["body"])
        return body.get("state", answered["statusCode"])


@pytest.fixture
def ada(
    ministack: MiniStack, tables: Tables, monolith: MonolithDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Caller]:
    """Calls the handler as Lambda does."""
    commands, problems = read_commands(COMMANDS, "commands.yaml")
    assert problems == ()
    found = declarations(tmp_path, "default: iam")
    Path(found["COMMANDS_FILE"]).write_text(declared.to_json(commands), "utf-8")
    for name, value in {
        **ministack.environment(),
        **found,
        "COMMANDS_TABLE": tables.commands,
        "MONOLITH_URL": monolith.url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "DynamoDB", tables.watched)
    command._composed.cache_clear()
    yield Caller()
    command._composed.cache_clear()


def later(seconds: float) -> None:
    """The functions' clock goes on."""
    records = command._composed()[1]._records
    records._clock = lambda: time.time() + seconds


@pytest.mark.parametrize("key", ["plain", "a/b", "50%", "%41", "a?b#c", "..a", '"', "|%7C|"])
def test_any_key_can_be_asked_after(ada: Caller, key: str) -> None:
    """In the encoding of a document's key."""
    key += uuid.uuid4().hex
    assert ada.state(key) == 404

    ada.post(key)

    assert ada.state(key) == "finished"
    assert ada.state(key, "helpless") == 404


@pytest.mark.parametrize("key", [".", ".."])
def test_a_key_that_cannot_stand_in_a_path_is_refused(ada: Caller, key: str, monolith: MonolithDouble) -> None:
    assert ada.post(key)["statusCode"] == 400
    assert monolith.received == []


def test_the_answer_is_told_with_its_status(ada: Caller, monolith: MonolithDouble) -> None:
    """Digit by digit; an empty one is null."""
    key, empty = uuid.uuid4().hex, uuid.uuid4().hex
    monolith.faults.append(reply(409, "application/problem+json", b'{"n": 1.50, "m": 12345678901234567890}'))
    ada.post(key)
    monolith.faults.append(reply(204, "", b""))
    ada.post(empty)

    told = [ada.ask("GET", f"/commands/by-header/{one}")["body"] for one in (key, empty)]

    assert told == [
        '{"state":"finished","status":409,"answer":{"n": 1.50, "m": 12345678901234567890}}',
        '{"state":"finished","status":204,"answer":null}',
    ]


def test_another_caller_learns_nothing_and_changes_nothing(ada: Caller, monolith: MonolithDouble) -> None:
    """Not that the key exists by its status, not the answer by a repeat; a user of a shared role is another one."""
    key = uuid.uuid4().hex
    ada.post(key)

    for other in (Caller(ROLE.replace("shop", "bob") + "one"), Caller(f"{ROLE}one", "eu-west-1:bob")):
        assert other.state(key) == 404
        assert json.loads(other.post(key)["body"])["type"] == "urn:nearview:problem:idempotency-key-reused"
    assert len(monolith.received) == 1


def test_another_session_of_the_same_role_is_the_same_caller(ada: Caller, monolith: MonolithDouble) -> None:
    """A retry may come from another task or function."""
    key = uuid.uuid4().hex
    ada.post(key)

    assert Caller(f"{ROLE}two").post(key)["headers"]["idempotent-replayed"] == "true"
    assert Caller(f"{ROLE}two").state(key) == "finished"
    assert len(monolith.received) == 1


def test_a_caller_without_a_name_sends_nothing(ada: Caller, monolith: MonolithDouble) -> None:
    """Its keys would be everybody's."""
    api = command._composed()[1]
    api._gate = Gate(Access(Rule("jwt"), {}), lambda: lambda _: {"iss": "here"})
    sent = Request("POST", "/commands/by-header", (), {"authorization": "Bearer x"}, b"{}")

    with pytest.raises(Problem) as refused:
        api.answer(sent)

    assert refused.value.kind.status == 403
    assert monolith.received == []


def test_an_unknown_outcome_stays_unknown(ada: Caller, monolith: MonolithDouble) -> None:
    """Also when the record is older than an answer is kept."""
    key = uuid.uuid4().hex
    monolith.faults.append(lose_reply)

    told = [ada.post(key, "helpless") for _ in range(2)]
    later(400 * 86_400)
    told.append(ada.post(key, "helpless"))

    assert [json.loads(one["body"])["type"] for one in told] == ["urn:nearview:problem:outcome-unknown"] * 3
    assert ["idempotent-replayed" in one["headers"] for one in told] == [False, True, True]
    assert ada.state(key, "helpless") == "unknown"
    assert len(monolith.received) == 1


def test_what_was_not_sent_may_be_sent_again(ada: Caller, monolith: MonolithDouble) -> None:
    """Without help of the monolith as well: 429 comes before all work."""
    key = uuid.uuid4().hex
    monolith.faults.append(reply(429, "application/problem+json", b"{}"))

    refused = ada.post(key, "helpless")

    assert "nothing was executed" in json.loads(refused["body"])["detail"]
    assert ada.state(key, "helpless") == "not-executed"
    assert ada.post(key, "helpless")["statusCode"] == 201


def test_a_monolith_that_accepts_is_asked_later(ada: Caller, monolith: MonolithDouble) -> None:
    """202 leads to the status, from wherever the API stands."""
    key = f"a/b{uuid.uuid4().hex}"
    monolith.faults.append(reply(202, "application/json", b"{}"))

    accepted = ada.post(key, "by-lookup")
    place = urljoin("https://host/stage/commands/by-lookup", accepted["headers"]["location"])

    assert (accepted["statusCode"], accepted["headers"]["retry-after"]) == (202, "1")
    assert place == f"https://host/stage/commands/by-lookup/{quote(quote(key, safe=''), safe='')}"
    monolith.lookups.append((202, b"{}"))
    assert ada.state(key, "by-lookup") == "in-progress"
    monolith.lookups.append((404, b"{}"))
    assert ada.state(key, "by-lookup") == "in-progress"
    later(60)
    monolith.lookups.append((404, b"{}"))
    assert ada.state(key, "by-lookup") == "not-executed"
    monolith.lookups.append((201, b'{"order_id": 7}'))
    assert json.loads(ada.post(key, "by-lookup")["body"]) == {"order_id": 7}
    assert ada.state(key, "by-lookup") == "finished"
    assert len(monolith.received) == 1


def test_what_may_have_been_executed_is_asked_after_before_it_is_sent_again(
    ada: Caller, monolith: MonolithDouble
) -> None:
    """And not sent while the monolith cannot tell."""
    key = uuid.uuid4().hex
    monolith.faults.append(lose_reply)
    ada.post(key, "by-lookup")
    later(60)

    monolith.lookups.append((500, b"{}"))
    assert ada.post(key, "by-lookup")["statusCode"] == 502
    assert len(monolith.received) == 1
    monolith.lookups.append((404, b"{}"))
    assert ada.post(key, "by-lookup")["statusCode"] == 201
    assert len(monolith.received) == 2
    assert monolith.looked_up == [f"/base/done/{key}"] * 2


def test_without_a_lookup_only_a_repeat_tells(ada: Caller, monolith: MonolithDouble) -> None:
    key = uuid.uuid4().hex
    monolith.faults.append(lose_reply)
    ada.post(key)

    assert ada.state(key) == "unsettled"
    assert ada.post(key)["statusCode"] == 201
    assert ada.state(key) == "finished"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/by-header/k"), ("DELETE", "/by-header/k"), ("GET", "/by-header")]
)
def test_other_methods_are_refused(ada: Caller, method: str, path: str) -> None:
    answered = ada.ask(method, f"/commands{path}")

    assert answered["statusCode"] == 405
    assert answered["headers"]["allow"] == ("GET" if path.endswith("/k") else "POST")
