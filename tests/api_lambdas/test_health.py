"""A region is healthy when its documents can be read; what is wrong is an answer that no checker takes for health."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api_lambdas import health
from api_lambdas.shared import dynamodb
from api_lambdas.shared.settings import SettingsError
from tests.api_lambdas.dynamodb_double import DynamoDBDouble, error, lose_reply, page
from tests.api_lambdas.support import close_idle, event


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBDouble]:
    made = DynamoDBDouble()
    settings = {"DOCUMENTS_TABLE": "shop-documents", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": made.url}
    for name, value in {**settings, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dynamodb, "PAUSE_SECONDS", 0.0)
    health._composed.cache_clear()
    yield made
    if health._composed.cache_info().currsize:
        close_idle(health._composed()[1]._dynamodb)
    health._composed.cache_clear()
    made.close()


def asked(url: str = "/healthz", method: str = "GET") -> dict[str, Any]:
    return health.handler(event(method, url), None)


def test_a_region_whose_documents_can_be_read_is_healthy(double: DynamoDBDouble) -> None:
    answer = asked()
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"reads": "ok"}
    assert answer["headers"]["x-region"] == "us-east-1"
    assert answer["headers"]["cache-control"] == "no-store"
    ((operation, request),) = double.received
    assert operation.endswith(".GetItem")
    assert request["TableName"] == "shop-documents"


@pytest.mark.parametrize(
    "fault", [lose_reply, page(503), error(400, "ResourceNotFoundException"), error(400, "AccessDeniedException")]
)
def test_a_region_that_cannot_read_is_not(double: DynamoDBDouble, fault: Any) -> None:
    double.faults.extend([fault, fault])
    assert asked()["statusCode"] >= 500


def test_it_is_whole_again_when_reads_are(double: DynamoDBDouble) -> None:
    double.faults.extend([page(503), page(503)])
    assert [asked()["statusCode"], asked()["statusCode"]] == [503, 200]


@pytest.mark.parametrize(("url", "method"), [("/orders/1", "GET"), ("/healthz", "POST"), ("/healthz/x", "GET")])
def test_nothing_else_is_answered_here(double: DynamoDBDouble, url: str, method: str) -> None:
    assert asked(url, method)["statusCode"] == 404
    assert double.received == []


def test_missing_settings_are_named_and_no_health(double: DynamoDBDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCUMENTS_TABLE")
    assert asked()["statusCode"] == 500
    with pytest.raises(SettingsError, match="DOCUMENTS_TABLE"):
        health.health_settings({"AWS_REGION": "us-east-1"})
