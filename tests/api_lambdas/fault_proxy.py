"""A way to a monolith on which requests and replies are lost, late, cut, damaged or answered by the way itself."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final

FAULTS: Final = (
    "request lost",
    "request late",
    "reply lost",
    "reply late",
    "reply cut",
    "reply damaged",
    "reset",
    "error page",
    "busy",
)
_HOP_BY_HOP: Final = {"connection", "transfer-encoding", "content-length", "host", "server", "date"}


class FaultProxy:
    """`rate` of the requests meet a fault; `late_seconds` is longer than callers wait. What it did is counted."""

    def __init__(self, target_port: int, seed: int, rate: float, late_seconds: float) -> None:
        self.url = ""
        self.rate = rate
        self.met: Counter[str] = Counter()
        self._target_port = target_port
        self._late_seconds = late_seconds
        self._chance = Random(seed)
        self._lock = threading.Lock()
        self._on_the_way = 0

    def fault(self) -> str:
        """What happens to the next request; "" for nothing."""
        with self._lock:
            found = self._chance.choice(FAULTS) if self._chance.random() < self.rate else ""
            self.met[found] += 1
            return found

    def passed(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The monolith's own reply."""
        with self._lock:
            self._on_the_way += 1
        connection = http.client.HTTPConnection("127.0.0.1", self._target_port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            reply = connection.getresponse()
            found = {k: v for k, v in reply.getheaders() if k.lower() not in _HOP_BY_HOP}
            return reply.status, found, reply.read()
        finally:
            connection.close()
            with self._lock:
                self._on_the_way -= 1

    def late(self) -> None:
        """Wait until callers have given up."""
        time.sleep(self._late_seconds)

    @property
    def on_the_way(self) -> int:
        """How many requests the monolith has and has not answered."""
        with self._lock:
            return self._on_the_way


@contextmanager
def faulty(target_port: int, seed: int, rate: float, late_seconds: float) -> Iterator[FaultProxy]:
    """A proxy that serves."""
    proxy = FaultProxy(target_port, seed, rate, late_seconds)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.fault()
        if fault == "request lost":
            return self._hang_up()
        if fault in ("error page", "busy"):
            return self._send(503 if fault == "busy" else 500, {"Content-Type": "text/html"}, b"<html>")
        if fault == "request late":  # it arrives after the caller has gone
            self.proxy.late()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        status, found, reply = self.proxy.passed(self.command, self.path, headers, body)
        if fault == "reply late":
            self.proxy.late()
        if fault in ("reply lost", "request late", "reply late"):
            return self._hang_up()
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
            return None
        if fault == "reply cut":
            return self._send(status, found, reply[: len(reply) // 2], len(reply))
        return self._send(status, found, b"\0" + reply[1:] if fault == "reply damaged" else reply)

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the caller has gone
            pass
        self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing."""
