"""A command sent on to the primary's API: once, with the caller's key and body, over a connection of its own.

A new connection each time: one that was kept may lead nowhere any more, and then nobody knows what was executed, while
one that cannot be made says at once that nothing was sent. Whoever may call here may call there: a caller's bearer
token goes along and is checked again; where the gateway checked an AWS signature, which is good for one address only,
the function signs with its own role and says who called, which counts there only from the signers named in FORWARDERS.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from api_lambdas.regions.sent import Sent
from api_lambdas.shared.deadline import Unanswered, exchanged, new_connection
from api_lambdas.shared.http import JSON, PROBLEM_JSON, Kind, Problem, Request
from api_lambdas.shared.sigv4 import Credentials, signed_headers
from contract.regions import Primary

ORIGIN_HEADER: Final = "x-nearview-origin"
EPOCH_HEADER: Final = "x-nearview-epoch"
CALLER_HEADER: Final = "x-nearview-caller"
EXECUTED_IN_HEADER: Final = "x-executed-in"
CONNECT_SECONDS: Final = 2.0
MAX_SECONDS: Final = 27.0
"""An HTTP API gives up after 30 seconds."""

MAX_ANSWER_BYTES: Final = 1024 * 1024
_EPOCH: Final = re.compile(r"[0-9]{1,15}")
_CALLER: Final = re.compile(r"[0-9a-f]{64}")
_HANDED_ON: Final = (
    "content-type",
    "cache-control",
    "retry-after",
    "idempotent-replayed",
    "location",
    "www-authenticate",
)


class Lost(Enum):
    """Why there is no reply; only after NOT_SENT is it certain that nothing was executed."""

    NOT_SENT = "not_sent"
    NO_REPLY = "no_reply"
    TIMED_OUT = "timed_out"


class NoReply(Exception):
    """There is no reply; `lost` says what that means."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.value)
        self.lost = lost


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_of_a_function(self) -> bool:
        """Whether nearview itself has answered, not what stands in front of it."""
        return "x-region" in self.headers

    def handed_on(self) -> dict[str, str]:
        """The headers for the caller: those of the answer, not those of the way."""
        return {
            name: value
            for name, value in self.headers.items()
            if name in _HANDED_ON or (name.startswith("x-") and not name.startswith(("x-region", "x-amz", "x-cache")))
        }


def forwarded_epoch(request: Request) -> int | None:
    """The epoch of a command that another region has sent on; None: it comes from a caller. Raises Problem."""
    text = request.headers.get(EPOCH_HEADER)
    if text is None and ORIGIN_HEADER not in request.headers:
        return None
    if text is None or not _EPOCH.fullmatch(text):
        raise Problem(Kind.INVALID_REQUEST, f"{EPOCH_HEADER} is a header of nearview's own: leave it out")
    return int(text)


def caller_of(request: Request, caller: str, forwarders: frozenset[str]) -> str:
    """Who has called, as the records of keys know them: of what was sent on, whom the sender has named. Raises Problem.

    A token says so itself. A signature is the sender's, so the sender's word has to be good.
    """
    if ORIGIN_HEADER not in request.headers or not request.signed:
        return caller
    named = request.headers.get(CALLER_HEADER, "")
    if request.signer not in forwarders or not _CALLER.fullmatch(named):
        raise Problem(Kind.FORBIDDEN, "the signer may not send on what others ask for")
    return named


class Forwarder:
    """Sends commands on. `now` gives seconds since 1970."""

    def __init__(self, region: str, credentials: Credentials, now: Callable[[], float]) -> None:
        self._region = region
        self._credentials = credentials
        self._now = now

    def send(self, primary: Primary, request: Request, sent: Sent) -> Reply:
        """The primary's reply to the request. Raises NoReply."""
        parts = urlsplit(primary.url)
        target = parts.path.rstrip("/") + sent.path
        headers = self._headers(primary, request, parts.netloc, target, sent)

        def exchange(connection: http.client.HTTPConnection) -> Reply:
            connection.request(request.method, target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER_BYTES + 1)
            if answer.length or len(body) > MAX_ANSWER_BYTES:
                raise http.client.IncompleteRead(body)
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

        connection = new_connection(parts.scheme, parts.hostname or "", parts.port, CONNECT_SECONDS)
        try:
            return exchanged(connection, min(MAX_SECONDS, sent.seconds), exchange)
        except Unanswered as none:
            lost = Lost.TIMED_OUT if none.late else Lost.NO_REPLY
            raise NoReply(lost if none.sent else Lost.NOT_SENT) from none

    def _headers(self, primary: Primary, request: Request, host: str, target: str, sent: Sent) -> dict[str, str]:
        headers = {
            "accept": f"{JSON}, {PROBLEM_JSON}",
            "content-type": JSON,
            "host": host,
            "idempotency-key": sent.key,
            ORIGIN_HEADER: self._region,
            EPOCH_HEADER: str(primary.epoch),
        }
        if request.signed:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
            headers[CALLER_HEADER] = sent.caller
            account = self._credentials
            headers = signed_headers(
                *(account, primary.region, "execute-api", moment, headers, request.body, target, request.method)
            )
        elif "authorization" in request.headers:
            headers["authorization"] = request.headers["authorization"]
        return {**headers, "connection": "close", "user-agent": "nearview"}
