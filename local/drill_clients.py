"""The callers of a drill: they ask a name service for a region, read and send commands, and note what they get.

A caller keeps what the name service said for its time to live, as resolvers do; a command that was not answered with
success is sent again later with the same Idempotency-Key, as the API asks of its callers.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.prober import region_for

READ_SECONDS: Final = 4.0
COMMAND_SECONDS: Final = 12.0
"""More than the monolith may take."""

PAUSE_SECONDS: Final = 0.25
AT_ONCE: Final = 8
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a request got. Times are epoch seconds; `status` 0: no answer. `region` is the one that has answered."""

    caller: str
    begun: float
    ended: float
    asked: str
    status: int
    region: str = ""
    reason: str = ""
    executed_in: str = ""

    @property
    def is_refusal(self) -> bool:
        """A refusal that says why, and when to come again."""
        return self.status == 503 and bool(self.reason)


@dataclass(slots=True)
class Names:
    """The name service as one caller sees it: its regions in the order of their latency, kept for `ttl_seconds`."""

    order: Sequence[str]
    status_file: Path
    ttl_seconds: float
    _kept: str = ""
    _until: float = 0.0

    def region(self) -> str:
        """The region that the name stands for now."""
        if time.monotonic() >= self._until:
            try:
                found = json.loads(self.status_file.read_text())
            except (OSError, ValueError):
                found = {}
            healthy = {region: entry["healthy"] for region, entry in found.items()}
            self._kept = region_for(self.order, healthy)
            self._until = time.monotonic() + self.ttl_seconds
        return self._kept


def ask(caller: str, region: str, request: urllib.request.Request, seconds: float) -> Seen:
    """One request and what it got."""
    begun = time.time()
    try:
        with _direct.open(request, timeout=seconds) as reply:
            reply.read()
            status, headers, body = int(reply.status), reply.headers, b""
    except urllib.error.HTTPError as error:
        with error:
            status, headers, body = error.code, error.headers, error.read()
    except (OSError, ValueError):
        return Seen(caller, begun, time.time(), region, 0)
    reason = _reason(body) if headers.get("retry-after") else ""
    executed_in = headers.get("x-executed-in") or ""
    return Seen(caller, begun, time.time(), region, status, headers.get("x-region") or "", reason, executed_in)


def _reason(body: bytes) -> str:
    try:
        problem: Any = json.loads(body)
        return str(problem.get("reason") or problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        return ""


class Caller(threading.Thread):
    """Asks again and again until it is told to end."""

    def __init__(self, name: str, names: Names, urls: Mapping[str, str], end: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.seen: list[Seen] = []
        self._names = names
        self._urls = urls
        self._end = end

    def run(self) -> None:
        """Until the end."""
        while not self._end.wait(PAUSE_SECONDS):
            self.turn(self._names.region())

    def turn(self, region: str) -> None:
        """One request."""
        raise NotImplementedError


class Reader(Caller):
    """Reads one document."""

    path: str = "/customers/1"

    def turn(self, region: str) -> None:
        """One read."""
        request = urllib.request.Request(self._urls[region] + self.path)  # noqa: S310  our own address
        self.seen.append(ask(self.name, region, request, READ_SECONDS))


@dataclass(slots=True)
class Command:
    """A command and what became of it; its key stands in the order's note, so that its effects can be counted."""

    key: str
    answered: bool = False
    tries: int = 0
    tries_after: list[str] = field(default_factory=list)


class Commander(Caller):
    """Sends commands that place orders."""

    def __init__(
        self,
        name: str,
        names: Names,
        urls: Mapping[str, str],
        end: threading.Event,
        body: Callable[[str], dict[str, Any]],
    ) -> None:
        super().__init__(name, names, urls, end)
        self.commands: list[Command] = []
        self._body = body

    def turn(self, region: str) -> None:
        """A new command."""
        command = Command(f"drill-{uuid.uuid4().hex}")
        self.commands.append(command)
        self.send(command, region)

    def send(self, command: Command, region: str) -> Seen:
        """Send a command, with its key, for the first time or again."""
        command.tries += 1
        headers = {"Content-Type": "application/json", "Idempotency-Key": command.key}
        body = json.dumps(self._body(command.key)).encode()
        url = f"{self._urls[region]}/commands/place-order"
        request = urllib.request.Request(url, body, headers)  # noqa: S310  our own address
        found = ask(self.name, region, request, COMMAND_SECONDS)
        command.answered = 200 <= found.status < 300
        self.seen.append(found)
        return found

    def finish(self, seconds: float) -> list[Command]:
        """Send again, with their keys, all commands that have no answer; those that still have none at the end."""
        deadline = time.monotonic() + seconds
        with ThreadPoolExecutor(AT_ONCE) as sends:  # hundreds were refused, and a doubtful one is waited for
            while (left := [c for c in self.commands if not c.answered]) and time.monotonic() < deadline:
                list(sends.map(lambda command: self.send(command, self._names.region()), left))
                time.sleep(PAUSE_SECONDS)
        return left
