"""The ingest Lambda: `POST /events/{name}`, checked and handed to the event bus of the region, under the event's id."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from api_lambdas.access.composed import composed_gate
from api_lambdas.access.rules import Gate
from api_lambdas.events import declared
from api_lambdas.events.bus import OPERATION, THROTTLED, BusError, EventBus
from api_lambdas.events.content import MAX_DETAIL_BYTES, SOURCE, Content, content, detail, event_id
from api_lambdas.events.declared import DeclaredEvent
from api_lambdas.events.records import EventRecords
from api_lambdas.events.settings import IngestSettings, ingest_settings
from api_lambdas.shared.bodies import checked_body
from api_lambdas.shared.dynamodb import DynamoDB, StoreError
from api_lambdas.shared.entry import handled
from api_lambdas.shared.http import JSON, Kind, Problem, Request, Response
from api_lambdas.shared.json_text import dumps
from api_lambdas.shared.log import Event, Log

_PREFIX: Final = "/events/"


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    return handled(event, _composed, os.environ.get("AWS_REGION", "").strip())


@cache
def _composed() -> tuple[IngestSettings, IngestApi]:
    settings = ingest_settings(os.environ)
    events = declared.from_json(settings.events_file.read_text("utf-8"))
    records = EventRecords(DynamoDB(settings.access), settings.events_table, settings.region)
    bus = EventBus(settings.bus_access, settings.bus)
    return settings, IngestApi(events, records, bus, Log(settings.log_level), composed_gate(settings))


class IngestApi:
    """Takes events. The order is: check all, look whether the id is another event's, publish, answer."""

    def __init__(
        self, events: Mapping[str, DeclaredEvent], records: EventRecords, bus: EventBus, log: Log, gate: Gate
    ) -> None:
        self._events = events
        self._records = records
        self._bus = bus
        self._log = log
        self._gate = gate

    def answer(self, request: Request) -> Response:
        """202 when the bus has the event, 200 when its effect is there already. Raises Problem."""
        posted, text = _checked(self._declared(request), request)
        known = self._known(posted)
        if known is None:
            self._publish(posted.name, text)
            return _response(202, posted.id, "accepted")
        if known != posted.sha256:
            self._refuse(posted)
        return _response(200, posted.id, "stored")

    def _declared(self, request: Request) -> DeclaredEvent:
        name = unquote(request.path.removeprefix(_PREFIX)) if request.path.startswith(_PREFIX) else ""
        event = self._events.get(name)
        self._gate.admit(request, f"POST {_PREFIX}{name}", f"POST {_PREFIX}{{name}}")
        if event is None:
            raise Problem(Kind.NOT_FOUND, "there is no such event")
        if request.method != "POST":
            raise Problem(Kind.METHOD_NOT_ALLOWED, "events are posted", headers={"allow": "POST"})
        return event

    def _known(self, posted: Content) -> str | None:
        """Only for an early answer: the table decides when the event is stored, so it need not answer now."""
        try:
            return self._records.effect(posted.id)
        except StoreError as error:
            self._log.write(Event.STORE_FAILED, operation=error.operation, code=error.code)
            return None

    def _refuse(self, posted: Content) -> None:
        self._records.refuse(posted)
        raise Problem(Kind.EVENT_ID_REUSED, "use a new id for a new event")

    def _publish(self, name: str, text: str) -> None:
        try:
            self._bus.publish(SOURCE, name, text)
        except BusError as error:
            self._log.write(Event.BUS_FAILED, operation=OPERATION, code=error.code)
            again = {"retry-after": "1"}
            advice = "repeat the request with the same Event-Id"
            if error.code in THROTTLED:
                raise Problem(Kind.TOO_MANY_REQUESTS, advice, headers=again) from error
            if error.retryable:
                raise Problem(Kind.BUS_UNAVAILABLE, advice, headers=again) from error
            raise Problem(Kind.INTERNAL, "the event could not be taken") from error


def _checked(event: DeclaredEvent, request: Request) -> tuple[Content, str]:
    """The event, and how it goes over the bus. Raises Problem."""
    id_ = event_id(request.headers.get("event-id", ""))
    if id_ is None:
        raise Problem(Kind.EVENT_ID_MISSING, "send a header Event-Id: a UUID, the same one with every repeat")
    body, _ = checked_body(request, "an event", event.check)
    posted = content(id_, event.name, body)
    text = detail(posted)
    if len(text.encode()) > MAX_DETAIL_BYTES:
        raise Problem(Kind.BODY_TOO_LARGE, f"written out, an event has at most {MAX_DETAIL_BYTES} bytes")
    return posted, text


def _response(status: int, id_: str, state: str) -> Response:
    headers = {"content-type": JSON, "cache-control": "no-store"}
    return Response(status, dumps({"id": id_, "state": state}), headers)
