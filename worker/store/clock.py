"""The time that the servers have: signatures are made for it, however wrong this machine's clock is.

A signature holds for five minutes. A refusal because of its time carries the server's, and the next one is right. No
version and no order comes from any clock.
"""

from __future__ import annotations

import datetime
import email.utils
import time
from typing import Any, Final

from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, SigV4Auth

SKEWED_CODES: Final = frozenset({"InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired"})
_SIGNATURE: Final = "nearview-v4"


class ServerClock:
    """This machine's clock and how far the servers' is from it."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """The servers' time in epoch seconds."""
        return time.time() + self._ahead_seconds

    def learn(self, code: str, date: str | None) -> None:
        """Take over the time of a reply, by its Date header, if its error says that ours was too far from it."""
        moment = email.utils.parsedate_tz(date) if date and code in SKEWED_CODES else None
        if moment is not None:
            self._ahead_seconds = email.utils.mktime_tz(moment) - time.time()


CLOCK: Final = ServerClock()
"""One for all clients of a process: they talk to servers of one time."""


class _Signature(SigV4Auth):  # type: ignore[misc]
    """botocore's, at the servers' time."""

    def _modify_request_before_signing(self, request: Any) -> None:
        moment = datetime.datetime.fromtimestamp(CLOCK.now(), datetime.UTC)
        request.context["timestamp"] = moment.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


def keep_time(client: Any) -> Any:
    """Let a boto3 client sign at the servers' time; returns it."""
    AUTH_TYPE_MAPS[_SIGNATURE] = _Signature
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    events.register(f"choose-signer.{service}", lambda **_: _SIGNATURE)
    events.register(f"response-received.{service}", _learn)
    return client


def _learn(parsed_response: Any = None, response_dict: Any = None, **_: Any) -> None:
    code = (parsed_response or {}).get("Error", {}).get("Code", "")
    if code in SKEWED_CODES:
        CLOCK.learn(code, (response_dict or {}).get("headers", {}).get("Date"))
