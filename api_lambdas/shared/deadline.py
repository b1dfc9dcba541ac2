"""A connection for one exchange, and one deadline for the whole of it."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

_T = TypeVar("_T")


class Unanswered(Exception):
    """An exchange came to no end. `sent`: the other side may have the request; `late`: because the time was over."""

    def __init__(self, *, sent: bool, late: bool) -> None:
        super().__init__(f"sent: {sent}, late: {late}")
        self.sent = sent
        self.late = late


def new_connection(scheme: str, host: str, port: int | None, timeout_seconds: float) -> http.client.HTTPConnection:
    """Not yet connected."""
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=timeout_seconds)


def exchanged(
    connection: http.client.HTTPConnection, seconds: float, exchange: Callable[[http.client.HTTPConnection], _T]
) -> _T:
    """What `exchange` makes of a new connection, within `seconds` all in all. Raises Unanswered.

    The connection's own time-out is for connecting. It is closed in the end.
    """
    deadline = time.monotonic() + seconds
    try:
        connection.connect()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unanswered(sent=False, late=isinstance(error, TimeoutError)) from error
    connection.sock.settimeout(seconds)
    alarm = _Alarm(connection, deadline - time.monotonic())
    try:
        found = exchange(connection)
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(sent=True, late=alarm.rang or isinstance(error, TimeoutError)) from error
    finally:
        alarm.cancel()
        connection.close()
    if alarm.rang:  # a body that only the connection's end limits looks whole when we cut it
        raise Unanswered(sent=True, late=True)
    return found


@cache
def _tls() -> ssl.SSLContext:
    """Made when it is first needed: it reads all certificates of the machine."""
    return ssl.create_default_context()


class _Alarm:
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
