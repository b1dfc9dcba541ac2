"""Keep-alive connections to one endpoint. A request is sent, its reply is taken later: several are under way meanwhile.

http.client opens a connection (addresses, TLS, a proxy's tunnel). The request is written and its reply read here: the
standard library's reading of a reply costs more than all the rest of a call.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
import weakref
from dataclasses import dataclass
from typing import Final

from worker.store.replies import LARGEST_HEAD_BYTES, Garbled, Head, parse_head

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0
"""Without a byte; the whole of a reply that has begun may take `_LONGEST_REPLY` times as long."""
_LONGEST_REPLY: Final = 3
_PIECE_BYTES: Final = 65_536
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where connections go. Without `tls` it is plain HTTP. `through`: a proxy's host, port and headers."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    through: tuple[str, int, dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket, and what tells whether it has something to be read."""

    socket: socket.socket
    readable: select.poll

    def close(self) -> None:
        """Whatever is still to come is not wanted."""
        self.socket.close()


@dataclass(slots=True)
class Exchange:
    """A request under way on a connection that carries no other."""

    request: bytes
    connection: Connection
    fresh: bool


class Connections:
    """For one thread. A connection is used again only when a reply has been read from it completely."""

    def __init__(self, endpoint: Endpoint, read_seconds: float = READ_SECONDS) -> None:
        self._endpoint = endpoint
        self._read_seconds = read_seconds
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    def send(self, request: bytes) -> Exchange:
        """Put a request on its way. Raises OSError if there is no connection to be had."""
        while self._idle:
            connection = self._idle.pop()
            # nobody has asked for anything: the server has closed it, or what is there is no reply to this request
            if not connection.readable.poll(0) and self._sent(connection, request):
                return Exchange(request, connection, fresh=False)
            connection.close()
        return Exchange(request, self._sent_afresh(request), fresh=True)

    def receive(self, exchange: Exchange) -> tuple[Head, bytes]:
        """Head and body of the reply. Raises OSError and Garbled; then the connection is closed.

        A server may close a connection that was idle just when it is used again: the request is sent once more. Every
        request of ours may be: reads anyway, and writes have conditions that look at what is there.
        """
        try:
            head, body = self._rest(self._first(exchange), exchange)
        except BaseException:
            exchange.connection.close()
            raise
        if head.keeps_alive:
            self._idle.append(exchange.connection)
        else:
            exchange.connection.close()
        return head, body

    def abandon(self, exchange: Exchange) -> None:
        """Nobody waits for this reply any more."""
        exchange.connection.close()

    def close(self) -> None:
        """Close the connections that are idle; it happens by itself when this object is gone."""
        _close_all(self._idle)

    def _sent(self, connection: Connection, request: bytes) -> bool:
        """Whether an idle connection took the request."""
        try:
            connection.socket.sendall(request)
        except TimeoutError:
            connection.close()
            raise
        except OSError:
            return False
        return True

    def _sent_afresh(self, request: bytes) -> Connection:
        connection = self._opened()
        try:
            connection.socket.sendall(request)
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened(self) -> Connection:
        to = self._endpoint
        host, port, headers = to.through or (to.host, to.port, {})
        if to.tls is None:
            opener = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        else:
            opener = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=to.tls)
            if to.through:
                opener.set_tunnel(to.host, to.port, headers)
        try:
            opener.connect()
        except http.client.HTTPException as error:
            opener.close()
            raise ConnectionError(f"no tunnel: {type(error).__name__}") from None
        except BaseException:
            opener.close()
            raise
        opener.sock.settimeout(self._read_seconds)
        readable = select.poll()
        readable.register(opener.sock, select.POLLIN)
        return Connection(opener.sock, readable)

    def _first(self, exchange: Exchange) -> bytes:
        """The first bytes of the reply."""
        try:
            if first := exchange.connection.socket.recv(_PIECE_BYTES):
                return first
        except TimeoutError:
            raise
        except OSError:
            if exchange.fresh:
                raise
        if exchange.fresh:
            raise ConnectionResetError("closed without a reply")
        exchange.connection.close()
        exchange.connection, exchange.fresh = self._sent_afresh(exchange.request), True
        return self._first(exchange)

    def _rest(self, data: bytes, exchange: Exchange) -> tuple[Head, bytes]:
        """The whole reply that begins with these bytes."""
        end = data.find(_END)
        if end < 0:
            data, end = self._to_end_of_head(exchange.connection.socket, data)
        head = parse_head(data[:end])
        body = data[end + len(_END) :]
        if len(body) < head.length:
            body = self._to_length(exchange.connection.socket, body, head.length)
        if len(body) > head.length:
            raise Garbled("more than one reply")
        return head, body

    def _to_end_of_head(self, connection: socket.socket, data: bytes) -> tuple[bytes, int]:
        ends = self._deadline()
        while (end := data.find(_END)) < 0:
            if len(data) > LARGEST_HEAD_BYTES:
                raise Garbled("a head without an end")
            data += _more(connection, _PIECE_BYTES, ends)
        return data, end

    def _to_length(self, connection: socket.socket, body: bytes, length: int) -> bytes:
        ends = self._deadline()
        pieces, missing = [body], length - len(body)
        while missing > 0:
            pieces.append(_more(connection, min(missing, _PIECE_BYTES), ends))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _deadline(self) -> float:
        return time.monotonic() + _LONGEST_REPLY * self._read_seconds


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()


def _more(connection: socket.socket, size: int, ends: float) -> bytes:
    more = connection.recv(size)
    if not more:
        raise ConnectionResetError("closed within a reply")
    if time.monotonic() > ends:
        raise TimeoutError("a reply takes too long")
    return more
