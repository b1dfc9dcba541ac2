"""JSON lines on stderr with event names from a closed list; never keys, bodies or secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from api_lambdas.shared.settings import LOG_LEVELS


class Event(Enum):
    """Everything that is ever logged: name, level."""

    ANSWERED = ("answered", "info")
    DISPATCH_FAILED = ("dispatch_failed", "warning")
    ANSWER_NOT_STORED = ("answer_not_stored", "warning")
    POSITION_UNKNOWN = ("position_unknown", "warning")
    BUS_FAILED = ("bus_failed", "error")
    EVENT_STORED = ("event_stored", "info")
    EVENT_REFUSED = ("event_refused", "warning")
    NOT_AN_EVENT = ("not_an_event", "error")
    KEYS_NOT_FETCHED = ("keys_not_fetched", "error")
    STORE_FAILED = ("store_failed", "error")
    REGIONS_NOT_READ = ("regions_not_read", "error")
    PEER_NOT_ASKED = ("peer_not_asked", "warning")
    PEER_DENIES = ("peer_denies", "error")
    BREAKER = ("breaker", "warning")
    BREAKER_NOT_STORED = ("breaker_not_stored", "error")
    FORWARD_FAILED = ("forward_failed", "warning")
    COMMANDS_CLOSED = ("commands_closed", "warning")
    REGION_STATE = ("region_state", "warning")
    ALARM_OLD = ("alarm_old", "info")
    ALARM_NOT_UNDERSTOOD = ("alarm_not_understood", "error")
    SETTINGS_WRONG = ("settings_wrong", "error")
    FAILED = ("failed", "error")


@dataclass(frozen=True, slots=True)
class Log:
    """Writes events of its level and above."""

    level: str

    def write(self, event: Event, **fields: str | float) -> None:
        """One line; `fields` are names, codes, counts and durations."""
        name, level = event.value
        if LOG_LEVELS.index(level) >= LOG_LEVELS.index(self.level):
            sys.stderr.write(json.dumps({"level": level, "event": name, **fields}) + "\n")


def write_settings_problems(problems: Iterable[str]) -> None:
    """A line for each; no level has been read yet."""
    for problem in problems:
        Log("error").write(Event.SETTINGS_WRONG, problem=problem)
