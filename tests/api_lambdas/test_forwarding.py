"""A command that comes to the secondary: both command functions, real tables of two regions, real HTTP between them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import command
from api_lambdas.command import CommandApi
from api_lambdas.commands import composed as composed_regions
from api_lambdas.regions.forward import CALLER_HEADER, EPOCH_HEADER, ORIGIN_HEADER
from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.entry import respond
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import Access
from contract import regions
from contract.regions import NO_END, Override, Primary, State
from local.ministack import MiniStack
from local.processes import free_port
from tests.api_lambdas.monolith_double import MonolithDouble, lose_reply
from tests.api_lambdas.support import close_idle, declarations, event
from tests.tables import create_keyed_table

A, B = "eu-west-1", "us-east-1"
ROLE = "arn:aws:sts::123456789012:assumed-role/shop-command-us-east-1"
CANCEL = {"order_id": 5}


@dataclass
class Server:
    """A region's gateway and function on 127.0.0.1; `faults` are applied to the next requests, `distance` to all."""

    answer: Callable[[dict[str, Any]], dict[str, Any]]
    iam: dict[str, Any] | None = None
    distance_seconds: float = 0.0
    faults: deque[str] = field(default_factory=deque)
    received: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(server.distance_seconds)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                call = event("POST", self.path, headers=dict(self.headers.items()), body=body)
                if server.iam is not None:
                    call["requestContext"]["authorizer"] = {"iam": server.iam}
                server.received.append(call)
                fault = server.faults.popleft() if server.faults else ""
                if fault == "lose request":
                    return self.hang_up()
                if fault == "gateway":
                    return self.send(503, {"apigw-requestid": "1"}, '{"message":"Service Unavailable"}')
                payload = server.answer(call)
                if fault == "lose reply":
                    return self.hang_up()
                return self.send(payload["statusCode"], payload["headers"], payload["body"])

            def send(self, status: int, headers: dict[str, str], body: str) -> None:
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def hang_up(self) -> None:
                self.close_connection = True
                self.connection.close()

            def log_message(self, *arguments: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Both:
    """A is the primary of epoch 7, B sends its commands there."""

    ministack: MiniStack
    table: str
    monolith: MonolithDouble
    server: Server
    functions: dict[str, CommandApi]

    def call(self, region: str, call: dict[str, Any]) -> dict[str, Any]:
        return respond(call, self.functions[region].answer, region, Log("error"))

    def post(self, region: str, key: str, **headers: str) -> dict[str, Any]:
        sent = {"Content-Type": "application/json", "Idempotency-Key": key, **headers}
        return self.call(region, event("POST", "/commands/cancel-order", headers=sent, body=json.dumps(CANCEL)))

    def write(self, request: dict[str, Any]) -> None:
        for region in (A, B):
            self.ministack.client("dynamodb", region=region).update_item(**request)


@pytest.fixture(scope="module")
def tables(ministack: MiniStack) -> Iterator[tuple[str, str]]:
    """The tables of regions and of commands, in both regions."""
    names = tuple(f"two-{kind}-{uuid.uuid4().hex[:8]}" for kind in ("regions", "commands"))
    clients = [ministack.client("dynamodb", region=region) for region in (A, B)]
    for client in clients:
        for name in names:
            create_keyed_table(client, name)
    yield names[0], names[1]
    for client in clients:
        for name in names:
            client.delete_table(TableName=name)


@pytest.fixture
def both(
    ministack: MiniStack, tables: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Both]:
    table, commands = tables
    for region in (A, B):
        client = ministack.client("dynamodb", region=region)
        for name in tables:
            for item in client.scan(TableName=name)["Items"]:
                client.delete_item(TableName=name, Key={"pk": item["pk"]})
    monolith = MonolithDouble()
    made: list[DynamoDB] = []

    def dynamodb(access: Access) -> DynamoDB:
        made.append(DynamoDB(access))
        return made[-1]

    for module in (command, composed_regions):
        monkeypatch.setattr(module, "DynamoDB", dynamodb)
    functions: dict[str, CommandApi] = {}
    for region, other in ((A, B), (B, A)):
        for name, value in {
            **ministack.environment(),
            **declarations(tmp_path),
            "AWS_REGION": region,
            "COMMANDS_TABLE": commands,
            "MONOLITH_URL": monolith.url,
            "DISPATCH_TIMEOUT_SECONDS": "5",
            "REGIONS_TABLE": table,
            "PEER_REGIONS": other,
            "REGIONS_CACHE_SECONDS": "0",
            "FORWARDERS": ROLE,
        }.items():
            monkeypatch.setenv(name, value)
        functions[region] = command._composed.__wrapped__()[1]
    server = Server(lambda call: respond(call, functions[A].answer, A, Log("error")))
    found = Both(ministack, table, monolith, server, functions)
    found.write(regions.primary_write(table, Primary(A, 7, server.url), now=1))
    yield found
    server.close()
    monolith.close()
    for store in made:
        close_idle(store)


def told(answered: dict[str, Any]) -> tuple[int, str, str]:
    body = json.loads(answered["body"])
    return answered["statusCode"], body["type"].rpartition(":")[2], body.get("reason", "")


def test_a_command_goes_to_the_primary_once_and_the_answer_names_both_regions(both: Both) -> None:
    answered = both.post(B, "k1")

    assert answered["statusCode"] == 201
    assert (answered["headers"]["x-region"], answered["headers"]["x-executed-in"]) == (B, A)
    (sent,) = both.server.received
    assert sent["headers"]["idempotency-key"] == "k1"
    assert json.loads(sent["body"]) == CANCEL
    assert (sent["headers"][ORIGIN_HEADER], sent["headers"][EPOCH_HEADER]) == (B, "7")
    assert [one.key for one in both.monolith.received] == ["k1"]


def test_in_the_primary_it_is_executed_at_once(both: Both) -> None:
    answered = both.post(A, "k1")

    assert (answered["headers"]["x-region"], answered["headers"]["x-executed-in"]) == (A, A)
    assert both.server.received == []


def test_whoever_repeats_it_in_whichever_region_gets_the_one_answer(both: Both) -> None:
    answers = [both.post(region, "k1")["body"] for region in (B, A, B)]

    assert len(set(answers)) == 1
    assert both.monolith.executions == 1


def test_a_status_is_asked_for_where_commands_are_executed(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    both.post(A, "k/1")
    asked: list[str] = []

    def send(_: Any, primary: Primary, request: Any, sent: Any) -> Any:
        asked.append(f"{request.method} {primary.url}{sent.path}")
        raise composed_lost()

    monkeypatch.setattr("api_lambdas.regions.forward.Forwarder.send", send)

    answered = both.call(B, event("GET", "/commands/cancel-order/k%252F1"))

    assert asked == [f"GET {both.server.url}/commands/cancel-order/k%252F1"]
    assert told(answered) == (503, "commands-closed", "primary-unreachable")


def composed_lost() -> Exception:
    from api_lambdas.regions.forward import Lost, NoReply

    return NoReply(Lost.NOT_SENT)


@pytest.mark.parametrize(("fault", "kind"), [("lose reply", "primary-unavailable"), ("gateway", "primary-unavailable")])
def test_without_a_reply_the_outcome_is_unknown_nothing_is_sent_again_and_a_repeat_tells(
    both: Both, fault: str, kind: str
) -> None:
    both.server.faults.append(fault)

    status, name, _ = told(lost := both.post(B, "k1"))

    assert (status, name) == (502, kind)
    assert "the outcome is unknown" in json.loads(lost["body"])["detail"]
    assert len(both.server.received) == 1
    assert both.post(B, "k1")["statusCode"] == 201
    assert both.monolith.executions == 1


def test_a_reply_that_the_primary_lost_from_the_monolith_is_handed_on_as_it_is(both: Both) -> None:
    both.monolith.faults.append(lose_reply)

    assert told(both.post(B, "k1"))[:2] == (502, "monolith-unavailable")
    assert both.post(B, "k1")["statusCode"] == 201
    assert both.monolith.executions == 1


def test_a_primary_that_is_not_reached_is_said_to_be_and_after_a_few_the_breaker_opens(both: Both) -> None:
    both.write(regions.primary_write(both.table, Primary(A, 8, f"http://127.0.0.1:{free_port()}"), now=1))

    reasons = [told(both.post(B, f"k{number}"))[2] for number in range(6)]

    assert reasons == ["primary-unreachable"] * 5 + ["breaker-open"]
    answered = both.post(B, "k9")
    assert told(answered)[:2] == (503, "commands-closed")
    assert 0 < int(answered["headers"]["retry-after"]) <= 30
    assert both.monolith.executions == 0


@pytest.mark.parametrize(
    ("region", "epoch", "reason"),
    [(B, "7", "not-primary"), (B, "6", "old-epoch"), (A, "6", "old-epoch"), (A, "8", "old-epoch")],
)
def test_what_was_sent_on_goes_no_further_and_counts_for_its_epoch_only(
    both: Both, region: str, epoch: str, reason: str
) -> None:
    answered = both.post(region, "k1", **{ORIGIN_HEADER: "ap-south-1", EPOCH_HEADER: epoch})

    assert told(answered) == (503, "commands-closed", reason)
    assert both.monolith.received == []
    assert both.server.received == []


@pytest.mark.parametrize("headers", [{ORIGIN_HEADER: "x"}, {EPOCH_HEADER: "-1"}, {EPOCH_HEADER: ""}])
def test_the_headers_of_the_way_are_no_callers_to_send(both: Both, headers: dict[str, str]) -> None:
    assert told(both.post(A, "k1", **headers))[:2] == (400, "invalid-request")


def test_a_fence_closes_commands_in_both_regions(both: Both) -> None:
    both.write(regions.operator_write(both.table, A, Override(State.FENCED, 8, NO_END, "", ""), now=1))

    assert told(both.post(A, "k1")) == (503, "commands-closed", "fenced")
    assert told(both.post(B, "k1")) == (503, "commands-closed", "primary-fenced")
    assert both.monolith.received == []


def test_a_primary_that_the_other_region_denies_executes_nothing(both: Both) -> None:
    """Here it has heard nothing of the failover that has begun there."""
    request = regions.operator_write(both.table, A, Override(State.FENCED, 8, NO_END, "", ""), now=1)
    both.ministack.client("dynamodb", region=B).update_item(**request)

    assert told(both.post(A, "k1")) == (503, "commands-closed", "unconfirmed")
    assert both.monolith.received == []


def test_a_bearer_token_goes_along_and_a_signature_is_made_anew(both: Both) -> None:
    both.post(B, "k1", Authorization="Bearer abc")
    signed = event(
        "POST",
        "/commands/cancel-order",
        headers={"Content-Type": "application/json", "Idempotency-Key": "k2", "Authorization": "AWS4 of the caller"},
        body=json.dumps(CANCEL),
    )
    signed["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::123456789012:user/anna"}}
    both.server.iam = {"userArn": f"{ROLE}/session"}

    assert both.call(B, signed)["statusCode"] == 201

    bearer, by_role = (call["headers"] for call in both.server.received)
    assert bearer["authorization"] == "Bearer abc"
    assert CALLER_HEADER not in bearer
    assert by_role["authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
    assert f"/{A}/execute-api/aws4_request" in by_role["authorization"]
    signed_headers = by_role["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"idempotency-key", CALLER_HEADER, EPOCH_HEADER, ORIGIN_HEADER} <= set(signed_headers)
    # the key belongs to whom the secondary has named: who calls the primary themselves is the same caller
    assert both.call(A, signed)["headers"]["idempotent-replayed"] == "true"


@pytest.mark.parametrize("signer", ["arn:aws:iam::123456789012:user/eve", ROLE.replace("us-east-1", "x")])
def test_nobody_else_may_say_who_has_called(both: Both, signer: str) -> None:
    both.server.iam = {"userArn": signer}
    signed = event(
        "POST",
        "/commands/cancel-order",
        headers={"Content-Type": "application/json", "Idempotency-Key": "k2"},
        body=json.dumps(CANCEL),
    )
    signed["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::123456789012:user/anna"}}

    assert told(both.call(B, signed))[:2] == (403, "forbidden")
    assert both.monolith.received == []
