"""The alarm Lambda with a real table of regions."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from api_lambdas import health_alarm
from api_lambdas.health_alarm import NotStored
from api_lambdas.shared.dynamodb import DynamoDB, StoreError
from api_lambdas.shared.settings import Access, SettingsError
from contract import regions
from contract.regions import Health, State
from local.ministack import MiniStack
from tests.api_lambdas.support import close_idle
from tests.tables import create_keyed_table

A, B = "eu-west-1", "us-east-1"
PREFIX = "shop-test-api-"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Handle = Callable[..., dict[str, int]]


def message(value: str = "ALARM", second: float = 0, region: str = A, **changed: Any) -> str:
    """A CloudWatch alarm as SNS carries it."""
    moment = START + timedelta(seconds=second)
    alarm = {
        "AlarmName": f"{PREFIX}{region}",
        "NewStateValue": value,
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": "US East (N. Virginia)",
        "OldStateValue": "OK",
        "Trigger": {"MetricName": "HealthCheckStatus", "Dimensions": [{"name": "HealthCheckId", "value": "x"}]},
        **changed,
    }
    return json.dumps(alarm)


def event(*texts: object) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Message": text}} for text in texts]}


class Watched(DynamoDB):
    """Counts the calls; fails the next ones that are to fail."""

    made: Watched

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.calls = 0
        self.failing = 0
        type(self).made = self

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        if self.failing:
            self.failing -= 1
            raise StoreError(operation, "ThrottlingException", retryable=True)
        return super().call(operation, request)


class Table:
    """What the function wrote."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def health(self) -> dict[str, Health]:
        answer = self.client.batch_get_item(**regions.read(self.name, (A, B, "mars-north-1"), consistent=True))
        return dict(regions.facts(answer["Responses"][self.name]).health)


@pytest.fixture(scope="module")
def created(ministack: MiniStack) -> Iterator[Table]:
    name = f"alarms-{uuid.uuid4().hex[:8]}"
    client = ministack.client("dynamodb")
    create_keyed_table(client, name)
    yield Table(client, name)
    client.delete_table(TableName=name)


@pytest.fixture
def table(created: Table) -> Table:
    for region in (A, B):
        created.client.delete_item(TableName=created.name, Key={"pk": {"S": regions.health_pk(region)}})
    return created


@pytest.fixture
def handle(ministack: MiniStack, table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handle]:
    """Calls the function as Lambda does."""
    places = {
        A: {"url": "https://a.example/", "place": "Ireland"},
        B: {"url": "https://b.example", "place": "Virginia"},
    }
    environment = {
        **ministack.environment(),
        "REGIONS_TABLE": table.name,
        "ALARM_PREFIX": PREFIX,
        "REGIONS": json.dumps(places),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(health_alarm, "DynamoDB", Watched)
    health_alarm._composed.cache_clear()
    health_alarm._composed()
    yield lambda *texts: health_alarm.handler(event(*texts), None)
    health_alarm._composed.cache_clear()
    close_idle(Watched.made)


def test_an_alarm_takes_its_region_out_and_ok_brings_it_back(handle: Handle, table: Table) -> None:
    assert handle(message("ALARM", 1)) == {"written": 1, "old": 0, "unusable": 0}
    assert table.health()[A].state is State.FAILOVER
    assert B not in table.health()

    handle(message("OK", 2))

    assert table.health()[A].state is State.ACTIVE
    stored = table.client.get_item(TableName=table.name, Key={"pk": {"S": regions.health_pk(A)}})["Item"]
    assert (stored["url"], stored["place"]) == ({"S": "https://a.example"}, {"S": "Ireland"})


def test_whatever_the_order_and_however_often_the_newest_alarm_stays(handle: Handle, table: Table) -> None:
    draw = random.Random(7)
    for round_ in range(6):
        values = [draw.choice(["OK", "ALARM", "INSUFFICIENT_DATA"]) for _ in range(6)]
        texts = [message(value, 100 * round_ + second) for second, value in enumerate(values, start=1)]
        texts += draw.choices(texts, k=4)
        draw.shuffle(texts)

        handle(*texts)

        health = table.health()[A]
        newest = START + timedelta(seconds=100 * round_ + len(values))
        assert health.event_time == round(newest.timestamp() * 1_000_000)
        if values[-1] != "INSUFFICIENT_DATA":
            assert health.state is (State.ACTIVE if values[-1] == "OK" else State.FAILOVER)


def test_missing_data_changes_nothing_that_was_known(handle: Handle, table: Table) -> None:
    handle(message("ALARM", 1), message("INSUFFICIENT_DATA", 2))

    assert table.health()[A].state is State.FAILOVER


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "{",
        "[" * 20_000,
        "[]",
        '"text"',
        "{}",
        message(AlarmName=None),
        message(AlarmName="somebody-elses"),
        message(region="mars-north-1"),
        message(region=""),
        message("BROKEN"),
        message(NewStateValue=["ALARM"]),
        message(StateChangeTime=None),
        message(StateChangeTime="yesterday"),
        message(StateChangeTime="2026-01-02T03:04:05"),
        message(StateChangeTime="9999-01-02T03:04:05.000+0000"),
        message(StateChangeTime=1767323045),
    ],
)
def test_what_cannot_be_used_is_logged_once_and_written_nowhere(
    handle: Handle, table: Table, text: object, capfd: pytest.CaptureFixture[str]
) -> None:
    """And it does not come again: the call succeeds."""
    assert handle(text, message("ALARM", 1, B)) == {"written": 1, "old": 0, "unusable": 1}

    assert set(table.health()) == {B}
    assert Watched.made.calls == 1
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["alarm_not_understood", "region_state"]


@pytest.mark.parametrize("call", [None, {}, [], {"Records": None}, {"Records": [None]}, {"Records": [{"Sns": "x"}]}])
def test_a_call_that_is_no_notice_does_not_fail(handle: Handle, call: object) -> None:
    assert handle is not None

    assert health_alarm.handler(call, None)["unusable"] == 1


def test_a_moment_counts_with_its_zone(handle: Handle, table: Table) -> None:
    elsewhere = (START + timedelta(seconds=5)).astimezone(timezone(timedelta(hours=-8))).isoformat()

    handle(message("ALARM", 4), message("OK", StateChangeTime=elsewhere), message("ALARM", 4.9))

    assert table.health()[A].state is State.ACTIVE


def test_a_table_that_fails_fails_the_call_after_all_were_tried_and_the_next_try_repairs_it(
    handle: Handle, table: Table
) -> None:
    texts = message("ALARM", 1), message("ALARM", 1, B)
    Watched.made.failing = 1

    with pytest.raises(NotStored, match="1 messages could not be stored: ThrottlingException"):
        handle(*texts)

    assert set(table.health()) == {B}
    assert handle(*texts) == {"written": 1, "old": 1, "unusable": 0}
    assert set(table.health()) == {A, B}


def test_wrong_settings_lose_no_message(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIONS", "?")
    health_alarm._composed.cache_clear()

    with pytest.raises(SettingsError, match="REGIONS must be JSON"):
        handle(message())
