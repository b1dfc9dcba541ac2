"""A server on 127.0.0.1 that answers like DynamoDB; loses, delays, cuts or spoils replies on demand."""

from __future__ import annotations

import json
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).parent / "localhost.pem"


class DynamoDBDouble:
    """Answers `reply` to everything; `faults` are applied to the next requests, one each."""

    def __init__(self, *, secure: bool = False) -> None:
        self.received: list[tuple[str, Any]] = []
        self.connections = 0
        self.faults: deque[Callable[[_Handler], None]] = deque()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": self}))
        self._server.daemon_threads = True
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"{'https' if secure else 'http'}://localhost:{self._server.server_address[1]}"

    def close(self) -> None:
        """Let waiting replies go and end."""
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    double: DynamoDBDouble
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.double.connections += 1

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # a client that trusts us not, or has gone
            self.close_connection = True

    def do_POST(self) -> None:
        self.raw_body = self.rfile.read(int(self.headers["Content-Length"]))
        self.double.received.append((self.headers["X-Amz-Target"], json.loads(self.raw_body)))
        fault = self.double.faults.popleft() if self.double.faults else answer
        fault(self)

    def send(self, status: int, body: bytes, *, crc: int | None = None, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("x-amz-crc32", str(zlib.crc32(body) if crc is None else crc))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing."""


REPLY = {"Item": {"pk": {"S": "é"}}}


def answer(handler: _Handler) -> None:
    """All well."""
    handler.send(200, json.dumps(REPLY).encode())


def then_close(handler: _Handler) -> None:
    """A whole reply; the connection ends behind it, which the reply does not say."""
    answer(handler)
    handler.close_connection = True


def lose_reply(handler: _Handler) -> None:
    """The connection ends instead of a reply."""
    handler.close_connection = True


def cut_reply(handler: _Handler) -> None:
    """Fewer bytes than announced."""
    handler.send(200, b'{"Item": ', length=100)
    handler.close_connection = True


def spoil_reply(handler: _Handler) -> None:
    """Other bytes than those of the checksum."""
    handler.send(200, b"{}", crc=1)


def stall(handler: _Handler) -> None:
    """Nothing until the end."""
    handler.double.released.wait(10)
    handler.close_connection = True


def no_json(handler: _Handler) -> None:
    """A success that is none."""
    handler.send(200, b"<html>")


def error(status: int, code: str, **members: Any) -> Callable[[_Handler], None]:
    """An error of DynamoDB's."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "value canary", **members}
    return lambda handler: handler.send(status, json.dumps(body).encode())


def page(status: int) -> Callable[[_Handler], None]:
    """The page of a proxy."""
    return lambda handler: handler.send(status, b"<html>")
