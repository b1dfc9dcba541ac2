"""The alarm Lambda: what health checks say of the regions' APIs, from SNS into the table of regions.

SNS hands a message over more than once and in any order; a write is conditional on the moment of the alarm's change,
so the newest one stays. What cannot be used is logged and done with: it would be no better the next time. Only a table
that cannot be written fails the call, so that the message comes again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from api_lambdas.regions.alarms import Said, Unusable, messages, said
from api_lambdas.regions.settings import AlarmSettings, alarm_settings
from api_lambdas.shared.dynamodb import ConditionFailed, DynamoDB, StoreError
from api_lambdas.shared.log import Event, Log, write_settings_problems
from api_lambdas.shared.settings import SettingsError
from contract.regions import MICROS, health_write


class NotStored(Exception):
    """Something could not be written; the whole call may be made again."""


def handler(event: object, context: object) -> dict[str, int]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls. Raises NotStored or SettingsError, so that no message is lost."""
    try:
        alarms = _composed()
    except SettingsError as error:
        write_settings_problems(error.problems)
        raise
    return alarms.take(event)


@cache
def _composed() -> Alarms:
    settings = alarm_settings(os.environ)
    return Alarms(settings, DynamoDB(settings.access), time.time, Log(settings.log_level))


class Alarms:
    """Takes the messages of an invocation. `clock` gives seconds since 1970."""

    def __init__(self, settings: AlarmSettings, store: DynamoDB, clock: Callable[[], float], log: Log) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._log = log

    def take(self, event: object) -> dict[str, int]:
        """How many messages were written, old, and unusable. All are looked at before NotStored is raised."""
        counts = {"written": 0, "old": 0, "unusable": 0}
        failed: list[str] = []
        for message in messages(event):
            found = said(message, self._settings.alarm_prefix, self._settings.regions, self._micros())
            if isinstance(found, Unusable):
                counts["unusable"] += 1
                self._log.write(Event.ALARM_NOT_UNDERSTOOD, reason=found.why)
                continue
            try:
                counts["written" if self._write(found) else "old"] += 1
            except StoreError as error:
                failed.append(error.code)
                self._log.write(Event.STORE_FAILED, operation=error.operation, code=error.code, region=found.region)
        if failed:
            raise NotStored(f"{len(failed)} messages could not be stored: {', '.join(sorted(set(failed)))}")
        return counts

    def _write(self, what: Said) -> bool:
        """Whether it was news."""
        place = self._settings.regions[what.region]
        request: dict[str, Any] = health_write(
            self._settings.table,
            what.region,
            what.state,
            reason=what.reason,
            event_time=what.event_time,
            now=self._micros(),
            url=place.url,
            place=place.place,
        )
        try:
            self._store.call("UpdateItem", request)
        except ConditionFailed:
            self._log.write(Event.ALARM_OLD, region=what.region)
            return False
        state = "unknown" if what.state is None else what.state.value
        late_millis = (self._micros() - what.event_time) // 1000
        self._log.write(Event.REGION_STATE, region=what.region, state=state, late_millis=late_millis)
        return True

    def _micros(self) -> int:
        return round(self._clock() * MICROS)
