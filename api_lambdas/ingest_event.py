"""The storing Lambda: events from the bus, or from the dead-letter queue, to the table of events.

Whatever it raises makes Lambda try again and, in the end, put the event into the dead-letter queue; of a batch of the
queue only the messages that failed go back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from api_lambdas.events.content import SOURCE, Content, NotAnEvent, Outcome, from_detail
from api_lambdas.events.records import EventRecords
from api_lambdas.events.settings import StoringSettings, storing_settings
from api_lambdas.shared.dynamodb import DynamoDB, StoreError
from api_lambdas.shared.log import Event, Log, write_settings_problems
from api_lambdas.shared.settings import SettingsError

_FAILURES: Final = (NotAnEvent, StoreError)


class NotStored(Exception):
    """An event was not stored; what was wrong stands in the log."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls, with an event of the bus or a batch of messages of the queue."""
    try:
        settings, records = _composed()
    except SettingsError as error:
        write_settings_problems(error.problems)
        raise NotStored from None
    storing = Storing(records, settings.region, Log(settings.log_level))
    return storing.batch(event["Records"]) if "Records" in event else storing.one(event)


@cache
def _composed() -> tuple[StoringSettings, EventRecords]:
    settings = storing_settings(os.environ)
    return settings, EventRecords(DynamoDB(settings.access), settings.events_table, settings.region)


class Storing:
    """Stores events and says what became of them."""

    def __init__(self, records: EventRecords, region: str, log: Log) -> None:
        self._records = records
        self._region = region
        self._log = log

    def one(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Store an event of the bus. Raises NotStored."""
        try:
            outcome = self._stored(message)
        except _FAILURES as error:
            self._complain(error)
            raise NotStored from None
        return {"region": self._region, "outcome": outcome.value}

    def batch(self, messages: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Store what messages of the queue hold, and name those that are to go back to it."""
        failed = []
        for message in messages:
            try:
                self._stored(_of_the_queue(message["body"]))
            except _FAILURES as error:
                self._complain(error)
                failed.append({"itemIdentifier": message["messageId"]})
        return {"batchItemFailures": failed}

    def _stored(self, message: Mapping[str, Any]) -> Outcome:
        event = _content(message)
        outcome = self._records.store(event)
        level = Event.EVENT_REFUSED if outcome is Outcome.REFUSED else Event.EVENT_STORED
        self._log.write(level, name=event.name)
        return outcome

    def _complain(self, error: NotAnEvent | StoreError) -> None:
        if isinstance(error, StoreError):
            self._log.write(Event.STORE_FAILED, operation=error.operation, code=error.code)
        else:
            self._log.write(Event.NOT_AN_EVENT, reason=str(error))


def _content(message: Mapping[str, Any]) -> Content:
    if message.get("source") != SOURCE:
        raise NotAnEvent("it does not come from POST /events")
    return from_detail(message.get("detail"))


def _of_the_queue(text: str) -> Mapping[str, Any]:
    """The event in a message: EventBridge puts it there as it is, Lambda with what it knows of the failure."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("requestPayload"), dict):
        value = value["requestPayload"]
    if not isinstance(value, dict):
        raise NotAnEvent("the message is no JSON object")
    return value
