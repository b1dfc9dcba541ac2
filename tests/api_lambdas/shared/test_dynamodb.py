"""The connection to DynamoDB, with everything that can happen to a reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api_lambdas.shared import aws_service, dynamodb
from api_lambdas.shared.dynamodb import ConditionFailed, DynamoDB, StoreError
from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import Credentials
from local.processes import free_port
from tests.api_lambdas.dynamodb_double import (
    CERTIFICATE,
    REPLY,
    DynamoDBDouble,
    cut_reply,
    error,
    lose_reply,
    no_json,
    page,
    spoil_reply,
    stall,
    then_close,
)
from tests.api_lambdas.support import close_idle

Connect = Callable[[str], DynamoDB]
REQUEST = {"TableName": "t", "Key": {"pk": {"S": "é"}}}
CREDENTIALS = Credentials("id", "secret", "token")


@pytest.fixture
def connect() -> Iterator[Connect]:
    made: list[DynamoDB] = []

    def make(url: str) -> DynamoDB:
        made.append(DynamoDB(Access("eu-west-1", url, CREDENTIALS)))
        return made[-1]

    yield make
    for client in made:
        close_idle(client)


@pytest.fixture
def double() -> Iterator[DynamoDBDouble]:
    made = DynamoDBDouble()
    yield made
    made.close()


@pytest.fixture
def client(double: DynamoDBDouble, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> DynamoDB:
    monkeypatch.setattr(dynamodb, "PAUSE_SECONDS", 0.0)
    return connect(double.url)


def failure_of(client: DynamoDB) -> StoreError:
    with pytest.raises(StoreError) as caught:
        client.call("GetItem", REQUEST)
    assert "canary" not in str(caught.value)
    return caught.value


def test_calls_share_a_connection(client: DynamoDB, double: DynamoDBDouble) -> None:
    """The request arrives as it was given, and the connection is kept."""
    assert [client.call("GetItem", REQUEST) for _ in range(3)] == [REPLY] * 3

    assert double.received == [("DynamoDB_20120810.GetItem", REQUEST)] * 3
    assert double.connections == 1


@pytest.mark.parametrize("fault", [lose_reply, cut_reply, spoil_reply, no_json, page(502), page(503)])
def test_what_is_no_reply_is_asked_for_again_once(client: DynamoDB, double: DynamoDBDouble, fault: Any) -> None:
    """Then it counts as a failure that passes by itself."""
    double.faults.append(fault)
    assert client.call("GetItem", REQUEST) == REPLY
    assert len(double.received) == 2

    close_idle(client)
    double.faults.extend([fault, fault])
    assert failure_of(client).retryable
    assert len(double.received) == 4


def test_a_connection_that_ended_while_nobody_looked_costs_no_attempt(client: DynamoDB, double: DynamoDBDouble) -> None:
    """A function is frozen between two calls, and the other side does not wait."""
    double.faults.append(then_close)
    client.call("GetItem", REQUEST)
    double.faults.append(lose_reply)

    assert client.call("GetItem", REQUEST) == REPLY
    assert double.connections == 3


def test_a_silent_server_is_left_after_two_attempts(
    client: DynamoDB, double: DynamoDBDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a connection that was used before."""
    monkeypatch.setattr(aws_service, "READ_SECONDS", 0.1)
    client.call("GetItem", REQUEST)
    double.faults.extend([stall, stall])

    failure = failure_of(client)

    assert (failure.code, failure.retryable, len(double.received)) == ("TimeoutError", True, 3)


def test_all_attempts_together_end_before_the_function_does() -> None:
    """The query function has 5 seconds."""
    assert 2 * (aws_service.CONNECT_SECONDS + aws_service.READ_SECONDS) + dynamodb.PAUSE_SECONDS < 4.5


def test_a_server_that_is_not_there_is_a_failure_that_passes(connect: Connect) -> None:
    failure = failure_of(connect(f"http://127.0.0.1:{free_port()}"))

    assert (failure.code, failure.retryable) == ("ConnectionRefusedError", True)


@pytest.mark.parametrize(
    ("fault", "code", "retryable", "requests"),
    [
        (error(400, "ThrottlingException"), "ThrottlingException", True, 2),
        (error(400, "ProvisionedThroughputExceededException"), "ProvisionedThroughputExceededException", True, 2),
        (error(500, "InternalServerError"), "InternalServerError", True, 2),
        (error(400, "ResourceNotFoundException"), "ResourceNotFoundException", False, 1),
        (error(400, "ValidationException"), "ValidationException", False, 1),
        (page(403), "HTTP 403", False, 1),
    ],
)
def test_an_error_has_its_code(
    client: DynamoDB, double: DynamoDBDouble, fault: Any, code: str, retryable: bool, requests: int
) -> None:
    """Those that pass are tried once more; the message, which may hold values, stays behind."""
    double.faults.extend([fault] * 2)

    failure = failure_of(client)

    assert (failure.operation, failure.code, failure.retryable) == ("GetItem", code, retryable)
    assert len(double.received) == requests
    assert double.connections == 1


@pytest.mark.parametrize("item", [{"pk": {"S": "x"}}, None])
def test_a_condition_that_does_not_hold_shows_what_stands_there(
    client: DynamoDB, double: DynamoDBDouble, item: Any
) -> None:
    members = {} if item is None else {"Item": item}
    double.faults.append(error(400, "ConditionalCheckFailedException", **members))

    with pytest.raises(ConditionFailed) as caught:
        client.call("PutItem", REQUEST)

    assert caught.value.item == item


def test_without_credentials_nothing_is_sent(double: DynamoDBDouble) -> None:
    failure = failure_of(DynamoDB(Access("eu-west-1", double.url, Credentials("", ""))))

    assert (failure.code, failure.retryable, double.received) == ("NoCredentials", False, [])


def test_a_server_must_prove_its_name(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a certificate that the system trusts, for the host that was asked for."""
    double = DynamoDBDouble(secure=True)
    try:
        assert failure_of(connect(double.url)).code == "SSLCertVerificationError"
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert connect(double.url).call("GetItem", REQUEST) == REPLY
        assert failure_of(connect(double.url.replace("localhost", "127.0.0.1"))).code == "SSLCertVerificationError"
    finally:
        double.close()
    assert len(double.received) == 1
