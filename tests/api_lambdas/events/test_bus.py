"""An entry's own outcome counts, not the request's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api_lambdas.events import bus as event_bus
from api_lambdas.events.bus import BusError, EventBus
from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import Credentials
from tests.api_lambdas.dynamodb_double import DynamoDBDouble, _Handler, error, lose_reply, page

TAKEN = {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def reply(body: Any) -> Callable[[_Handler], None]:
    return lambda handler: handler.send(200, json.dumps(body).encode())


def refused(code: str) -> Callable[[_Handler], None]:
    return reply({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "value canary"}]})


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBDouble]:
    monkeypatch.setattr(event_bus, "PAUSE_SECONDS", 0.0)
    made = DynamoDBDouble()
    yield made
    made.close()


@pytest.fixture
def bus(double: DynamoDBDouble) -> Iterator[EventBus]:
    made = EventBus(Access("eu-west-1", double.url, Credentials("id", "secret")), "mine")
    yield made
    while made._idle:
        made._idle.pop().close()


def failure_of(bus: EventBus) -> BusError:
    with pytest.raises(BusError) as caught:
        bus.publish("nearview", "seen", '{"id":"é"}')
    assert "canary" not in str(caught.value)
    return caught.value


def test_one_entry_goes_to_the_bus(bus: EventBus, double: DynamoDBDouble) -> None:
    double.faults.append(reply(TAKEN))

    bus.publish("nearview", "seen", '{"id":"é"}')

    ((target, request),) = double.received
    assert target == "AWSEvents.PutEvents"
    assert request == {
        "Entries": [{"Source": "nearview", "DetailType": "seen", "Detail": '{"id":"é"}', "EventBusName": "mine"}]
    }


@pytest.mark.parametrize(
    "fault", [refused("ThrottlingException"), refused("InternalFailure"), lose_reply, page(502), error(500, "X")]
)
def test_what_may_pass_is_tried_once_more(
    bus: EventBus, double: DynamoDBDouble, fault: Callable[[_Handler], None]
) -> None:
    double.faults.extend([fault, reply(TAKEN)])

    bus.publish("nearview", "seen", "{}")

    assert len(double.received) == 2


def test_an_entry_that_is_refused_twice_is_not_published(bus: EventBus, double: DynamoDBDouble) -> None:
    """Although both requests had status 200."""
    double.faults.extend([refused("ThrottlingException"), refused("ThrottlingException")])

    found = failure_of(bus)

    assert (found.code, found.retryable, len(double.received)) == ("ThrottlingException", True, 2)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refused("MalformedDetail"), "MalformedDetail"),
        (error(400, "AccessDeniedException"), "AccessDeniedException"),
        (error(400, "ResourceNotFoundException"), "ResourceNotFoundException"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    bus: EventBus, double: DynamoDBDouble, fault: Callable[[_Handler], None], code: str
) -> None:
    double.faults.append(fault)

    found = failure_of(bus)

    assert (found.code, found.retryable, len(double.received)) == (code, False, 1)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"FailedEntryCount": 0},
        {"FailedEntryCount": 0, "Entries": []},
        {"FailedEntryCount": 0, "Entries": [{}]},
        {"FailedEntryCount": 0, "Entries": ["1"]},
        {"Entries": [{"EventId": "1"}]},
        {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}]},
    ],
)
def test_an_answer_that_does_not_say_so_is_no_success(bus: EventBus, double: DynamoDBDouble, said: Any) -> None:
    double.faults.extend([reply(said), reply(said)])

    assert failure_of(bus).retryable


def test_nobody_signs_without_credentials(double: DynamoDBDouble) -> None:
    bus = EventBus(Access("eu-west-1", double.url, Credentials("", "")), "mine")

    assert failure_of(bus).code == "NoCredentials"
    assert double.received == []
