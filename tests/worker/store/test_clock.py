"""Signatures recover from a clock that is wrong, by the server's Date: the worker's own client and boto3's."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from tests.faults.running import Server, faulty_store
from tests.faults.weather import Fault, Weather
from worker.log import Log
from worker.projection.operations import APPLIED, Get, Insert, TableName, text
from worker.store.clock import CLOCK, keep_time
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.store.lean import LeanDynamoDB

TABLES = {TableName.ROWS: "rows", TableName.DOCUMENTS: "documents"}
ITEM = Insert(TableName.ROWS, "a", "#", {"pk": text("a"), "sk": text("#")})


class Turned:
    """The server's clock; the test turns it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return time.time() + self.seconds


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, and a clock that nobody has corrected yet."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(CLOCK, "_ahead_seconds", 0.0)


@pytest.fixture
def server() -> Iterator[tuple[Server, Turned]]:
    """Tables of a server whose clock is somewhere else."""
    turned = Turned(0)
    with faulty_store(Weather(1), clock=turned) as started:
        started.tables.make("rows", "documents")
        yield started, turned


@pytest.mark.parametrize("seconds", [-600, 600, 86_400, -301])
def test_the_first_refusal_sets_the_clock(server: tuple[Server, Turned], seconds: int) -> None:
    """Then no further call is refused; back again the same."""
    started, turned = server
    store = DynamoStore(LeanDynamoDB("eu-west-1", started.url, Session()), TABLES, Log("error"), lambda _: None)
    turned.seconds = seconds

    assert store.run([ITEM]) == [APPLIED]
    assert store.retries == 1
    assert store.run([Get(TableName.ROWS, f"{at}", "#") for at in range(300)]) == [None] * 300
    assert store.retries == 1
    turned.seconds = 0
    assert store.run([Get(TableName.ROWS, "a", "#")]) != [None]
    assert store.retries == 2
    assert started.weather.struck == {Fault.SKEWED: 2}


def test_boto3_has_the_same_clock(server: tuple[Server, Turned]) -> None:
    """What one client has learned the other one knows."""
    started, turned = server
    turned.seconds = 700
    client = dynamodb_client("eu-west-1", started.url)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        client.list_tables()

    assert client.list_tables()["TableNames"] == ["documents", "rows"]
    lean = LeanDynamoDB("eu-west-1", started.url, Session())
    assert lean.receive(lean.send("ListTables", b"{}"))["TableNames"]
    lean.close()


def test_other_errors_and_dates_that_are_none_teach_nothing() -> None:
    for code, date in [
        ("ThrottlingException", "Sat, 21 Nov 2026 20:00:00 GMT"),
        ("InvalidSignatureException", None),
        ("InvalidSignatureException", "yesterday"),
    ]:
        CLOCK.learn(code, date)

    assert abs(CLOCK.now() - time.time()) < 1


def test_a_client_that_keeps_time_signs_as_botocore_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request at the same moment has the same signature."""
    seen: list[Any] = []
    clients = [
        Session().create_client("dynamodb", region_name="eu-west-1", endpoint_url="http://127.0.0.1:1")
        for _ in range(2)
    ]
    keep_time(clients[1])
    moment = datetime.datetime(2026, 11, 21, 20, tzinfo=datetime.UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    monkeypatch.setattr(CLOCK, "_ahead_seconds", moment.timestamp() - time.time())
    for client in clients:
        client.meta.events.register("before-send.dynamodb", lambda request, **_: seen.append(dict(request.headers)))
        with pytest.raises(Exception, match="Could not connect"):
            client.list_tables()
    for headers in seen:
        headers.pop("amz-sdk-invocation-id", None)

    assert seen[0]["Authorization"] == seen[1]["Authorization"]
    assert seen[0]["X-Amz-Date"] == seen[1]["X-Amz-Date"]
