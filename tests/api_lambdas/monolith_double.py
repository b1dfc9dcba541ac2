"""A monolith on 127.0.0.1: executes each Idempotency-Key once; loses, delays, cuts or spoils replies on demand."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, str, bytes]


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    key: str
    body: Any


@dataclass
class MonolithDouble:
    """`faults` are applied to the next requests, one each; then all goes well. `lookups`: answers to questions."""

    received: list[Received] = field(default_factory=list)
    executed: dict[str, int] = field(default_factory=dict)
    replies: int = 0
    faults: deque[Callable[[_Handler], None]] = field(default_factory=deque)
    lookups: deque[tuple[int, bytes]] = field(default_factory=deque)
    looked_up: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/base"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def executions(self) -> int:
        return len(self.executed)

    def execute(self, key: str) -> Reply:
        """A key has one effect; like the real one, every reply has the log position of its own moment."""
        with self._lock:
            order_id = self.executed.setdefault(key, len(self.executed) + 1)
            self.replies += 1
            body = json.dumps({"order_id": order_id, "commit_position": f"0/{self.replies:X}"}).encode()
            return 201, "application/json", body


class _Handler(BaseHTTPRequestHandler):
    double: MonolithDouble

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.key = self.headers["Idempotency-Key"]
        self.double.received.append(Received(self.command, self.path, self.key, body))
        fault = self.double.faults.popleft() if self.double.faults else answer
        fault(self)

    def do_GET(self) -> None:
        self.double.looked_up.append(self.path)
        status, body = self.double.lookups.popleft()
        self.send(status, "application/json", body)

    def send(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: Any) -> None:
        """Silent."""


def answer(handler: _Handler) -> None:
    """Execute and answer."""
    handler.send(*handler.double.execute(handler.key))


def lose_request(handler: _Handler) -> None:
    """Hang up without executing."""
    handler.hang_up()


def lose_reply(handler: _Handler) -> None:
    """Execute and hang up."""
    handler.double.execute(handler.key)
    handler.hang_up()


def cut_reply(handler: _Handler) -> None:
    """Execute, announce more than is sent, and hang up."""
    status, content_type, body = handler.double.execute(handler.key)
    handler.send(status, content_type, body, Content_Length=str(len(body) + 10))
    handler.hang_up()


def stall(handler: _Handler) -> None:
    """Execute and say nothing until the test is over."""
    handler.double.execute(handler.key)
    handler.double.released.wait()


def trickle(handler: _Handler) -> None:
    """Execute and send a byte now and then, never the end."""
    handler.double.execute(handler.key)
    handler.send_response(201)
    handler.flush_headers()
    try:
        while not handler.double.released.wait(0.02):
            handler.wfile.write(b"X-A: b\r\n")
            handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def reply(status: int, content_type: str, body: bytes, **headers: str) -> Callable[[_Handler], None]:
    """Answer this without executing."""
    return lambda handler: handler.send(status, content_type, body, **headers)
