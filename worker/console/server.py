"""Serves the console on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from worker.console.app import App, Tables
from worker.console.guard import Door
from worker.errors import FatalError

HOST: Final = "127.0.0.1"
CLIENT_SECONDS: Final = 10
"""A client that connects and says nothing may hold a thread for this long."""


class Server(ThreadingHTTPServer):
    """Listens from its making on; `run` answers until `stop`. Raises FatalError if the port is taken."""

    daemon_threads = True

    def __init__(self, port: int, tables: Tables, samples: Callable[[], dict[str, Any]]) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise FatalError(f"--port: {HOST}:{port} cannot be served: {error.strerror}") from None
        self.door = Door(self.server_port, secrets.token_urlsafe(24))
        self.app = App(self.door, tables, samples)

    def run(self) -> None:
        """Answer until stopped or interrupted."""
        self.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End `run`, which another thread is in, and free the port."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    server: Server

    def parse_request(self) -> bool:
        """Every method is answered in one place, by its name."""
        if not super().parse_request():
            return False
        reply = self.server.app.reply(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}
        )
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = True
        return False

    def version_string(self) -> str:
        """What serves is nobody's business."""
        return "nearview"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is http.server's
        """Requests are not logged: they name keys."""
