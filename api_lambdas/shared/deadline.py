"""A connection for one exchange, and one deadline for the whole of it."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from functools import cache


def new_connection(scheme: str, host: str, port: int | None, timeout_seconds: float) -> http.client.HTTPConnection:
    """Not yet connected."""
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=timeout_seconds)


@cache
def _tls() -> ssl.SSLContext:
    """Made when it is first needed: it reads all certificates of the machine."""
    return ssl.create_default_context()


class Alarm:
    """Cuts the connection at the deadline: a socket's own time-out begins anew with every byte that trickles in."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.rang = False
        self._socket: socket.socket = connection.sock
        self._timer = threading.Timer(max(0.0, seconds), self._ring)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """All is read, or given up."""
        self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        try:
            # not SSLSocket's: it would take the TLS object away from the thread that is reading
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # closed meanwhile: the answer was in time
