"""Serves the example's page on 127.0.0.1 and passes what it asks on to the API, so that both are of one origin."""

from __future__ import annotations

import http.client
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from api_lambdas.queries.pages import policy

HOST: Final = "127.0.0.1"
PAGE: Final = Path(__file__).with_name("index.html")
PREFIX: Final = "/api"
ANSWER_SECONDS: Final = 35
"""More than API Gateway gives any request."""
CLIENT_SECONDS: Final = 60
MAX_BODY_BYTES: Final = 64 * 1024
PASSED_ON: Final = (
    *("accept", "authorization", "content-type", "idempotency-key", "if-none-match", "prefer"),
    "x-consistency-token",
)
_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class Server(ThreadingHTTPServer):
    """Listens from its making on, at a free port for 0; `api` is the API's base address. Raises OSError."""

    daemon_threads = True

    def __init__(self, port: int, api: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.api = urlsplit(api.rstrip("/"))

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    server: Server

    def do_GET(self) -> None:
        if not self._is_own():
            return
        if self.path == "/":
            page = PAGE.read_text("utf-8")
            self._send(HTTPStatus.OK, {"Content-Type": "text/html; charset=utf-8", **_guards(page)}, page.encode())
        elif self.path.startswith(f"{PREFIX}/"):
            self._pass_on(None)
        else:
            self._send(HTTPStatus.NOT_FOUND, {"Content-Type": "text/plain"}, b"the page is at /\n")

    def do_POST(self) -> None:
        if not self._is_own():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES or not self.path.startswith(f"{PREFIX}/"):
            self.close_connection = True
            self._problem(HTTPStatus.BAD_REQUEST, f"post commands below {PREFIX}/, with at most {MAX_BODY_BYTES} bytes")
            return
        self._pass_on(self.rfile.read(int(length)))

    def _is_own(self) -> bool:
        """Other sites' pages in the same browser must not use the API through this one."""
        names = (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}")
        own = self.headers.get("Host") in names and self.headers.get("Sec-Fetch-Site", "none") in (
            "none",
            "same-origin",
        )
        if not own:
            self.close_connection = True
            self._problem(HTTPStatus.FORBIDDEN, f"only the page of {self.server.url} is served here")
        return own

    def _pass_on(self, body: bytes | None) -> None:
        api = self.server.api
        kind = http.client.HTTPSConnection if api.scheme == "https" else http.client.HTTPConnection
        connection = kind(api.netloc, timeout=ANSWER_SECONDS)
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        try:
            connection.request(self.command, api.path + self.path.removeprefix(PREFIX), body, headers)
            reply = connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException) as error:
            self._problem(HTTPStatus.BAD_GATEWAY, f"the API at {api.netloc} gave no answer ({type(error).__name__})")
            return
        finally:
            connection.close()
        passed = {name: value for name, value in reply.getheaders() if name.lower() not in _HOP_BY_HOP}
        self._send(reply.status, passed, data)

    def _problem(self, status: HTTPStatus, detail: str) -> None:
        body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
        self._send(status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode())

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != HTTPStatus.NOT_MODIFIED:
            self.wfile.write(data)
        self.wfile.flush()

    def version_string(self) -> str:
        return "nearview"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Requests are not logged: they name keys."""


def _guards(page: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(page),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
