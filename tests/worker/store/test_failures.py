"""Which failures are tried again, and that no text of a foreign error gets out: it may quote an item."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from worker.errors import FatalError, TransientError
from worker.store.failures import REFUSED_CODES, classify, classify_code, refused_item

CANARY = "canary-7F3A"
URL = "http://127.0.0.1:1"


def _error(code: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": CANARY}, **more}
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "InternalServerError",
        "InternalServerErrorException",
        "ServiceUnavailable",
        "TransactionConflict",
        "ExpiredTokenException",
        "LimitExceededException",
        "500",
        "",
        "SomethingNew",
    ],
)
def test_all_that_may_pass_is_transient(code: str) -> None:
    """A code nobody has seen is no reason to stop for ever: the batch is held and says so."""
    for problem in (classify(_error(code), "PutItem"), classify_code(code, "PutItem")):
        assert isinstance(problem, TransientError)
        assert str(problem) == f"PutItem: {code or 'no error code'}"


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "AccessDenied", "ResourceNotFoundException", "ResourceNotFound", "ValidationException"],
)
def test_what_no_repetition_mends_is_fatal(code: str) -> None:
    for problem in (classify(_error(code), "PutItem"), classify_code(code, "PutItem")):
        assert isinstance(problem, FatalError)
        assert str(problem).startswith(f"DynamoDB refused PutItem: {code}: check the tables' names and the rights")


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        ResponseParserError(CANARY),
        KeyError("Responses"),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_time_outs_resets_and_garbled_replies_are_transient(error: Exception) -> None:
    problem = classify(error, "Query")

    assert isinstance(problem, TransientError)
    assert str(problem) == f"Query: {type(error).__name__}"


def test_anything_else_is_a_defect_of_ours_and_fatal() -> None:
    problem = classify(RuntimeError(CANARY), "Query")

    assert isinstance(problem, FatalError)
    assert str(problem) == "Query: RuntimeError"


@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException"])
def test_no_message_of_dynamodb_is_repeated(code: str) -> None:
    """It may quote an item."""
    assert CANARY not in str(classify(_error(code), "PutItem"))


def test_a_refusal_is_no_failure_and_may_bring_what_stands_there() -> None:
    """Whole calls and single statements name it differently."""
    assert {"ConditionalCheckFailedException", "ConditionalCheckFailed", "DuplicateItem"} == REFUSED_CODES
    assert refused_item(_error("ConditionalCheckFailedException", Item={"pk": {"S": "x"}})) == {"pk": {"S": "x"}}
    assert refused_item(_error("ConditionalCheckFailedException")) is None
    assert refused_item(_error("ConditionalCheckFailedException", Item={})) is None
