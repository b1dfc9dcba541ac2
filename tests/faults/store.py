"""What stands behind the faults: strict tables in memory, or another endpoint. Decides what a request comes to."""

from __future__ import annotations

import email.utils
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import orjson

from tests.faults.partly import hits_single, part_of
from tests.faults.replies import Reply, error, proxy_page, spoilt, written
from tests.faults.strict import StrictTables
from tests.faults.weather import CODES, DONE, PARTLY_DONE, Blow, Fault, Request, Weather

SIGNED_FOR_SECONDS: Final = 300
"""How far a signature's time may be from the server's."""

_PASSED_ON: Final = frozenset({"x-amz-target", "authorization", "x-amz-date", "content-type", "x-amz-security-token"})


class Backend(Protocol):
    """Carries requests out."""

    def carry_out(self, action: str, body: dict[str, Any], head: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The strict tables."""

    tables: StrictTables

    def carry_out(self, action: str, body: dict[str, Any], head: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            status, answer = self.tables.call(action, body)
        except (KeyError, TypeError, AttributeError, IndexError) as problem:
            status, answer = 400, {"__type": "x#SerializationException", "message": type(problem).__name__}
        return status, orjson.dumps(answer)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Another endpoint, which trusts whatever signature it gets (a stand-in)."""

    url: str

    def carry_out(self, action: str, body: dict[str, Any], head: dict[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            wanted = {name: value for name, value in head.items() if name in _PASSED_ON}
            connection.request("POST", address.path or "/", orjson.dumps(body), wanted)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


class FaultyStore:
    """Requests to replies, with whatever the weather brings. `clock` is the server's."""

    def __init__(self, backend: Backend, weather: Weather, clock: Callable[[], float] = time.time) -> None:
        self.backend = backend
        self.weather = weather
        self.requests = 0
        self._clock = clock

    def reply(self, head: dict[str, str], raw: bytes) -> Reply:
        """What goes back for a request. `head`: its headers, names in small letters."""
        now = self._clock()
        action = head.get("x-amz-target", "").rpartition(".")[2]
        signed_by = head.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        try:
            body = orjson.loads(raw or b"{}")
        except orjson.JSONDecodeError:
            return Reply(error("SerializationException", 400, now))
        if not signed_by:
            return Reply(error("MissingAuthenticationTokenException", 400, now))
        if abs(_seconds(head.get("x-amz-date", "")) - now) > SIGNED_FOR_SECONDS:
            self.weather.count(Fault.SKEWED)
            return Reply(error("InvalidSignatureException", 400, now, "Signature expired"))
        request = Request(self.requests, action, body, signed_by)
        self.requests += 1
        return self._answered(request, head, now, self.weather.blow(request))

    def _answered(self, request: Request, head: dict[str, str], now: float, blow: Blow | None) -> Reply:
        if blow is None:
            return Reply(written(*self.backend.carry_out(request.action, request.body, head), now))
        if blow.fault in PARTLY_DONE:
            return self._partly(request, head, now, blow)
        if blow.fault not in DONE:
            self.weather.count(blow.fault)
            return self._refused(blow, now)
        status, body = self.backend.carry_out(request.action, request.body, head)
        if not body or (status != 200 and blow.fault is Fault.ERROR_AFTERWARDS):
            return Reply(written(status, body, now))
        self.weather.count(blow.fault)
        if blow.fault is Fault.ERROR_AFTERWARDS:
            return Reply(error("InternalServerError", 500, now))
        return spoilt(blow.fault, written(status, body, now), blow.dice)

    def _refused(self, blow: Blow, now: float) -> Reply:
        if blow.fault is Fault.PROXY_PAGE:
            return proxy_page(now, blow.dice)
        if blow.fault is Fault.LOST_REQUEST:
            return spoilt(blow.fault, b"", blow.dice)
        if blow.fault is Fault.SERVER_ERROR:
            return Reply(error(blow.dice.choice(("InternalServerError", "ServiceUnavailable")), 500, now))
        return Reply(error(blow.dice.choice(CODES[blow.fault]), 400, now))

    def _partly(self, request: Request, head: dict[str, str], now: float, blow: Blow) -> Reply:
        if hits_single(request.action, request.body, blow):
            self.weather.count(blow.fault)
            return Reply(error(blow.dice.choice(CODES[Fault.THROTTLED_TABLE]), 400, now))
        part = part_of(request.action, request.body, blow)
        if part is None:
            return self._answered(request, head, now, None)
        status, body = 200, b"{}"
        if part.body is not None:
            status, body = self.backend.carry_out(request.action, part.body, head)
        if status != 200:
            return Reply(written(status, body, now))
        self.weather.count(blow.fault)
        return Reply(written(200, orjson.dumps(part.complete(orjson.loads(body))), now))


def _seconds(moment: str) -> float:
    """Of a signature's time; the epoch if it is none."""
    try:
        return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        found = email.utils.parsedate_to_datetime(moment) if moment else None
        return found.timestamp() if found else 0.0
