"""Events to EventBridge: one entry at a time, whose own outcome counts, not only the request's."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Final

from api_lambdas.shared.aws_service import NO_ANSWER, AwsService
from api_lambdas.shared.settings import Access

PAUSE_SECONDS: Final = 0.05
OPERATION: Final = "PutEvents"
THROTTLED: Final = frozenset({"ThrottlingException", "RequestLimitExceeded"})
_RETRYABLE: Final = THROTTLED | {"InternalFailure", "InternalException", "ServiceUnavailable"}


class BusError(Exception):
    """The bus did not take an event, or nobody knows; `retryable` says whether to simply try again."""

    def __init__(self, code: str, *, retryable: bool) -> None:
        super().__init__(f"{OPERATION} failed: {code}")
        self.code = code
        self.retryable = retryable


class EventBus(AwsService):
    """One bus of this region."""

    def __init__(self, access: Access, bus: str) -> None:
        super().__init__(access, "events", "AWSEvents", "1.1")
        self._bus = bus

    def publish(self, source: str, kind: str, detail: str) -> None:
        """Return when the bus has the event. Raises BusError.

        Two attempts; one whose reply was lost may leave the event on the bus twice.
        """
        if not self.has_credentials:
            raise BusError("NoCredentials", retryable=False)
        entry = {"Source": source, "DetailType": kind, "Detail": detail, "EventBusName": self._bus}
        body = json.dumps({"Entries": [entry]}).encode()
        try:
            return self._attempt(body)
        except BusError as error:
            if not error.retryable:
                raise
        time.sleep(PAUSE_SECONDS)
        return self._attempt(body)

    def _attempt(self, body: bytes) -> None:
        try:
            status, reply = self.ask(OPERATION, body)
        except NO_ANSWER as error:
            raise BusError(type(error).__name__, retryable=True) from error
        if status != http.client.OK:
            code = str(reply.get("__type", "")).rpartition("#")[2] or f"HTTP {status}"
            raise BusError(code, retryable=status >= 500 or code in _RETRYABLE)
        if refused := _refusal(reply):
            raise BusError(refused, retryable=refused in _RETRYABLE)


def _refusal(reply: dict[str, Any]) -> str | None:
    """The code of an entry that was not taken although the request was; None if it was taken."""
    entries = reply.get("Entries")
    entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
    if not isinstance(entry, dict):
        return "InternalFailure"  # an answer that says nothing of the entry does not say that it was taken
    if reply.get("FailedEntryCount") == 0 and entry.get("EventId"):
        return None
    return str(entry.get("ErrorCode") or "InternalFailure")
