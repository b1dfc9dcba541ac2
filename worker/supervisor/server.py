"""The worker's HTTP side: /metrics for Prometheus, /healthz for alarms, /livez for whoever restarts containers."""

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from worker.errors import FatalError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JSON_TYPE = "application/json"
# a client that connects and says nothing may hold a thread for this long
CLIENT_SECONDS = 10

Answer = tuple[HTTPStatus, str, bytes]


def answer(path: str, metrics: Callable[[], bytes], report: Callable[[], dict[str, Any]]) -> Answer:
    """What a GET of a path gets.

    /healthz is red for everything that somebody must see to, a wrong setting of DMS included; restarting the container
    does not help against that, so whoever restarts must look at /livez.
    """
    match path.partition("?")[0]:
        case "/metrics":
            return HTTPStatus.OK, METRICS_TYPE, metrics()
        case "/healthz":
            body = report()
            green = body["status"] == "green"
            return HTTPStatus.OK if green else HTTPStatus.SERVICE_UNAVAILABLE, JSON_TYPE, _json(body)
        case "/livez":
            return HTTPStatus.OK, JSON_TYPE, _json({"status": "alive"})
    return HTTPStatus.NOT_FOUND, JSON_TYPE, _json({"paths": ["/metrics", "/healthz", "/livez"]})


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode() + b"\n"


class Server(ThreadingHTTPServer):
    """Serves from its own threads between `start` and `stop`."""

    daemon_threads = True

    def __init__(
        self, host: str, port: int, metrics: Callable[[], bytes], report: Callable[[], dict[str, Any]]
    ) -> None:
        self.metrics = metrics
        self.report = report
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise FatalError(
                f"NEARVIEW_HTTP_HOST, NEARVIEW_HTTP_PORT: {host}:{port} cannot be served: {error.strerror}"
            ) from error
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, with the port that was found for port 0."""
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and free the port."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    server: Server

    def do_GET(self) -> None:
        status, content_type, body = answer(self.path, self.server.metrics, self.server.report)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is http.server's
        """Requests are not logged: probes ask every few seconds."""
