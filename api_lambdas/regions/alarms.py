"""CloudWatch's alarms as SNS hands them over, to what they say of a region. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from contract.regions import MICROS, State

MAX_AHEAD_SECONDS: Final = 300
"""A moment further ahead than clocks differ: stored, it would make all alarms until then old."""

_STATES: Final[Mapping[str, State | None]] = {
    "OK": State.ACTIVE,
    "ALARM": State.FAILOVER,
    # the checkers say nothing, so what was known before stays; the alarm itself treats missing data as breaching
    "INSUFFICIENT_DATA": None,
}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Said:
    """What an alarm says of a region; None: nothing is known."""

    region: str
    state: State | None
    event_time: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that says nothing of our regions, and why; it will say nothing the next time either."""

    why: str


def messages(event: object) -> Iterator[object]:
    """The messages of an invocation, whatever it looks like; None for each that is not to be found."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    for record in records if isinstance(records, list) else [None]:
        notice = record.get("Sns") if isinstance(record, Mapping) else None
        yield notice.get("Message") if isinstance(notice, Mapping) else None


def said(message: object, prefix: str, regions: Collection[str], now: int) -> Said | Unusable:
    """What a message says. `prefix`: of the alarms' names, before the region; `now` in microseconds since 1970."""
    try:
        alarm: Any = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        alarm = None
    if not isinstance(alarm, dict):
        return Unusable("not_json")
    name, value = alarm.get("AlarmName"), alarm.get("NewStateValue")
    if not isinstance(name, str) or not name.startswith(prefix):
        return Unusable("other_alarm")
    region = name.removeprefix(prefix)
    if region not in regions:
        return Unusable("unknown_region")
    if not isinstance(value, str) or value not in _STATES:
        return Unusable("unknown_state")
    moment = _micros(alarm.get("StateChangeTime"))
    if moment is None or moment > now + MAX_AHEAD_SECONDS * MICROS:
        return Unusable("no_usable_time")
    return Said(region, _STATES[value], moment, f"alarm {value}")


def _micros(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if moment is None else max(0, (moment - _EPOCH) // timedelta(microseconds=1))
    except (ValueError, TypeError, OverflowError):  # no time, one without a zone, one that is out of range
        return None
