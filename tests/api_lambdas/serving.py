"""Both functions behind HTTP, in this process, and the requests they send to DynamoDB, as they stand on the wire."""

from __future__ import annotations

import http.client
import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.api_lambdas.support import event

Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


@contextmanager
def served(query: Handler, command: Handler, ingest: Handler | None = None) -> Iterator[str]:
    """The URL of an API of its functions, chosen by path: they refuse themselves what routes would not let through."""

    class Gateway(_Quiet):
        def answer(self, body: bytes) -> None:
            sent = event(
                self.command, self.path, headers=dict(self.headers.items()), body=body.decode("utf-8", "replace")
            )
            chosen = command if self.path.startswith("/commands/") else query
            if ingest is not None and self.path.startswith("/events/"):
                chosen = ingest
            found = chosen(sent, None)
            text = found["body"]
            data = b64decode(text) if found["isBase64Encoded"] else text.encode()
            self.send(found["statusCode"], found["headers"], data)

    with _running(Gateway) as url:
        yield url


@contextmanager
def recorded(target: str) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The URL of a way to DynamoDB, and what goes by it: every operation with its request."""
    host = urlsplit(target).netloc
    passed: list[tuple[str, Any]] = []

    class Way(_Quiet):
        def answer(self, body: bytes) -> None:
            passed.append((self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(body)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection = http.client.HTTPConnection(host, timeout=30)
            try:
                connection.request(self.command, self.path, body, headers)
                reply = connection.getresponse()
                data = reply.read()
            finally:
                connection.close()
            self.send(reply.status, {k: v for k, v in reply.getheaders() if k.lower() not in HOP_BY_HOP}, data)

    with _running(Way) as url:
        yield url, passed


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # else an answer goes out in small packets, each waiting for the one before

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != http.client.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status != http.client.NOT_MODIFIED:
            self.wfile.write(data)
        self.wfile.flush()

    def _handled(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any method is passed on: what is not served is the functions' to refuse
            return self._handled
        raise AttributeError(name)


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
