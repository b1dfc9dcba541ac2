"""What is taken as an event and what is refused, on a real table and a real bus."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import ingest, ingest_event
from api_lambdas.events.bus import BusError, EventBus
from api_lambdas.events.content import MAX_DETAIL_BYTES, NotAnEvent, content, detail, event_id, from_detail
from api_lambdas.events.records import EventRecords
from api_lambdas.events.settings import ingest_settings, storing_settings
from api_lambdas.ingest_event import NotStored
from api_lambdas.shared.settings import SettingsError
from contract.values import from_item
from local.ministack import MiniStack
from tests.api_lambdas.support import Tables, declarations, event

BODY = {"order_id": 7, "place": "é", "scanned_at": "2026-03-01T08:00:00Z"}
PUBLIC = "default: public"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What the function hands to the bus; it is the real bus's to take it."""
    sent: list[tuple[str, str, str]] = []
    real = EventBus.publish

    def publish(self: EventBus, source: str, kind: str, text: str) -> None:
        real(self, source, kind, text)
        sent.append((source, kind, text))

    monkeypatch.setattr(EventBus, "publish", publish)
    return sent


@pytest.fixture
def function(
    ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    settings = {"EVENTS_TABLE": tables.events, "EVENT_BUS": "default", **declarations(tmp_path, PUBLIC)}
    for name, value in {**ministack.environment(), **settings}.items():
        monkeypatch.setenv(name, value)
    for module in (ingest, ingest_event):
        monkeypatch.setattr(module, "DynamoDB", tables.watched)
        module._composed.cache_clear()
    monkeypatch.setattr(ingest, "EventBus", tables.bus)
    yield monkeypatch
    for module in (ingest, ingest_event):
        module._composed.cache_clear()


def post(body: Any = BODY, name: str = "parcel-scanned", method: str = "POST", **headers: str | None) -> dict[str, Any]:
    sent: dict[str, str | None] = {"event-id": str(uuid.uuid4()), "content-type": "application/json"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    text = body if isinstance(body, str) else json.dumps(body)
    kept = {key: value for key, value in sent.items() if value is not None}
    return ingest.handler(event(method, f"/events/{name}", headers=kept, body=text), None)


def told(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], json.loads(answer["body"]).get("type", "").rpartition(":")[2]


def delivered(text: str) -> dict[str, Any]:
    return ingest_event.handler({"source": "nearview", "detail": json.loads(text)}, None)


def stored(tables: Tables, id_: str) -> list[dict[str, Any]]:
    found = tables.client.query(
        TableName=tables.events,
        KeyConditionExpression="pk = :id",
        ExpressionAttributeValues={":id": {"S": id_}},
    )
    return [from_item(item) for item in found["Items"]]


def test_an_event_goes_over_the_bus_into_the_table(
    function: pytest.MonkeyPatch, tables: Tables, published: list[tuple[str, str, str]]
) -> None:
    id_ = str(uuid.uuid4())

    answer = post(event_id=id_.upper())

    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"id": id_, "state": "accepted"})
    assert answer["headers"]["x-region"] == "eu-west-1"
    ((source, kind, text),) = published
    assert (source, kind) == ("nearview", "parcel-scanned")
    assert delivered(text) == {"region": "eu-west-1", "outcome": "stored"}
    effect, receipt = stored(tables, id_)
    assert (effect["sk"], effect["name"], json.loads(effect["body"])) == ("#", "parcel-scanned", BODY)
    assert receipt == {**effect, "sk": f"eu-west-1#{effect['sha256']}", "region": "eu-west-1", "outcome": "stored"}


def test_a_repeat_is_answered_early_and_another_body_refused_and_recorded(
    function: pytest.MonkeyPatch, tables: Tables, published: list[tuple[str, str, str]]
) -> None:
    id_ = str(uuid.uuid4())
    post(event_id=id_)
    delivered(published[0][2])

    again = post(dict(reversed(BODY.items())), event_id=id_)
    other = post({**BODY, "place": "x"}, event_id=id_)

    assert (again["statusCode"], json.loads(again["body"])["state"]) == (200, "stored")
    assert told(other) == (422, "event-id-reused")
    assert len(published) == 1
    assert {item.get("outcome"): json.loads(item["body"])["place"] for item in stored(tables, id_)} == {
        None: "é",
        "stored": "é",
        "refused": "x",
    }


def test_another_event_on_the_bus_under_the_same_id_is_refused_when_it_is_stored(
    function: pytest.MonkeyPatch, tables: Tables, published: list[tuple[str, str, str]]
) -> None:
    """Both were taken before either was stored."""
    id_ = str(uuid.uuid4())
    post(event_id=id_)
    post({**BODY, "place": "x"}, event_id=id_)

    outcomes = [delivered(text)["outcome"] for _, _, text in published]

    assert outcomes == ["stored", "refused"]
    assert len([item for item in stored(tables, id_) if item["sk"] == "#"]) == 1


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ({"event_id": None}, (400, "event-id-missing")),
        ({"event_id": "17"}, (400, "event-id-missing")),
        ({"event_id": "0b9f2f0e8a544a6e9f0e4c1d2f3a5b6c"}, (400, "event-id-missing")),
        ({"name": "nothing"}, (404, "not-found")),
        ({"method": "PUT"}, (405, "method-not-allowed")),
        ({"content_type": "text/plain"}, (415, "unsupported-media-type")),
        ({"body": "{"}, (400, "invalid-body")),
        ({"body": {**BODY, "more": 1}}, (400, "invalid-body")),
        ({"body": {}}, (400, "invalid-body")),
        ({"body": {**BODY, "place": "x" * 70_000}}, (413, "body-too-large")),
    ],
)
def test_what_is_no_event_is_refused(
    function: pytest.MonkeyPatch,
    published: list[tuple[str, str, str]],
    request_: dict[str, Any],
    wanted: tuple[int, str],
) -> None:
    answer = post(**request_)

    assert told(answer) == wanted
    assert answer["headers"]["x-region"] == "eu-west-1"
    assert published == []


def test_numbers_that_are_long_when_written_out_have_a_limit() -> None:
    """`1e15` has 4 characters, what equal numbers share has 18."""
    assert len(detail(content(str(uuid.uuid4()), "seen", {"of": ["x" * 1000] * 300})).encode()) > MAX_DETAIL_BYTES


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (BusError("ThrottlingException", retryable=True), (429, "too-many-requests", "1")),
        (BusError("TimeoutError", retryable=True), (503, "bus-unavailable", "1")),
        (BusError("AccessDeniedException", retryable=False), (500, "internal", None)),
    ],
)
def test_a_bus_that_does_not_take_it(
    function: pytest.MonkeyPatch, error: BusError, wanted: tuple[int, str, Any]
) -> None:
    def publish(*_: Any) -> None:
        raise error

    function.setattr(EventBus, "publish", publish)

    answer = post()

    assert (*told(answer), answer["headers"].get("retry-after")) == wanted


def test_a_table_that_does_not_answer_delays_no_event(
    function: pytest.MonkeyPatch, published: list[tuple[str, str, str]]
) -> None:
    """The table is asked only for an early answer."""
    function.setenv("EVENTS_TABLE", "no-such-table")
    ingest._composed.cache_clear()

    assert post()["statusCode"] == 202
    assert len(published) == 1


def test_what_cannot_be_stored_is_raised_in_one_line(
    function: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then Lambda tries again and keeps it; nothing of the event is logged."""
    function.setenv("EVENTS_TABLE", "no-such-table")
    ingest_event._composed.cache_clear()

    with pytest.raises(NotStored):
        delivered(detail(content(str(uuid.uuid4()), "parcel-scanned", {"place": "canary"})))

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "store_failed"
    assert "canary" not in line


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"source": "aws.s3", "detail": {}},
        {"source": "nearview"},
        {"source": "nearview", "detail": {"id": "1"}},
        {"source": "nearview", "detail": {"id": "1", "name": "n", "body": "{}", "sha256": "0"}},
    ],
)
def test_what_is_no_event_of_ours_is_not_stored(function: pytest.MonkeyPatch, message: dict[str, Any]) -> None:
    with pytest.raises(NotStored):
        ingest_event.handler(message, None)


def test_a_batch_of_dead_letters_names_what_failed(function: pytest.MonkeyPatch, tables: Tables) -> None:
    """As EventBridge and as Lambda write them; the broken ones stay in the queue."""
    ids = [str(uuid.uuid4()) for _ in range(2)]
    events = [{"source": "nearview", "detail": json.loads(detail(content(id_, "seen", {})))} for id_ in ids]
    bodies = [json.dumps(events[0]), "{", json.dumps({"requestPayload": events[1]}), "[]", json.dumps({"source": "x"})]
    records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]

    answer = ingest_event.handler({"Records": records}, None)

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["1", "3", "4"]
    assert [len(stored(tables, id_)) for id_ in ids] == [2, 2]


def test_an_event_that_was_changed_on_the_way_is_noticed() -> None:
    sent = json.loads(detail(content(str(uuid.uuid4()), "seen", {"n": 1})))
    assert from_detail(sent).body == '{"n":1}'
    for change in ({"body": '{"n":2}'}, {"name": "other"}, {"id": sent["id"].upper() + "A"}, {"sha256": 1}):
        with pytest.raises(NotAnEvent):
            from_detail({**sent, **change})


def test_ids_are_uuids_in_lower_case() -> None:
    assert event_id(' "0B9F2F0E-8a54-4a6e-9f0e-4c1d2f3a5b6c" ') == "0b9f2f0e-8a54-4a6e-9f0e-4c1d2f3a5b6c"
    assert event_id("0b9f2f0e-8a54-4a6e-9f0e-4c1d2f3a5b6") is None


def test_missing_settings_are_named_all_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        ingest_settings({"JWT_AUDIENCE": "a"})
    assert {problem.partition(" ")[0] for problem in caught.value.problems} >= {
        *("EVENT_BUS", "EVENTS_TABLE", "EVENTS_FILE", "AWS_REGION", "JWT_ISSUER")
    }
    with pytest.raises(SettingsError, match="EVENTS_TABLE is not set"):
        storing_settings({"AWS_REGION": "eu-west-1"})


def test_the_bus_has_an_endpoint_of_its_own(tmp_path: Path) -> None:
    found = {"EVENTS_TABLE": "t", "EVENT_BUS": "b", "AWS_REGION": "eu-west-1", **declarations(tmp_path, PUBLIC)}
    settings = ingest_settings(found)
    assert settings.bus_access.endpoint == "https://events.eu-west-1.amazonaws.com"
    assert settings.access.endpoint == "https://dynamodb.eu-west-1.amazonaws.com"
    there = ingest_settings({**found, "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:1"})
    assert there.bus_access.endpoint == "http://127.0.0.1:1"


def test_wrong_settings_are_a_plain_error(function: pytest.MonkeyPatch) -> None:
    function.delenv("EVENTS_TABLE")
    for module in (ingest, ingest_event):
        module._composed.cache_clear()
    assert told(post()) == (500, "internal")
    with pytest.raises(NotStored):
        ingest_event.handler({}, None)


def test_an_effect_is_read_as_it_is_in_this_region(tables: Tables, ministack: MiniStack) -> None:
    assert EventRecords(tables.watched(_access(ministack)), tables.events, "eu-west-1").effect("nothing") is None


def _access(ministack: MiniStack) -> Any:
    environment = {**ministack.environment(), "EVENTS_TABLE": "t"}
    return storing_settings(environment).access
