"""The sockets of a server in one thread: whole requests come in, replies go out when somebody decides to send them."""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.replies import Reply

HOST: Final = "127.0.0.1"
_PIECE: Final = 262_144
SLOW_SECONDS: Final = 0.15


@dataclass(eq=False)
class Connection:
    """A client's connection."""

    socket: socket.socket
    incoming: bytearray = field(default_factory=bytearray)
    outgoing: bytearray = field(default_factory=bytearray)
    then: str = "keep"
    open: bool = True


@dataclass(frozen=True)
class Asked:
    """A whole request that waits for its reply."""

    connection: Connection
    path: str
    head: dict[str, str]
    body: bytes

    @property
    def by(self) -> str:
        """The access key that signed it."""
        return self.head.get("authorization", "").partition("Credential=")[2].partition("/")[0]


class Hub:
    """`poll` gives what came; `send` answers. Other descriptors may be watched as well."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._asked: list[Asked] = []
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._open: set[Connection] = set()
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"

    def watch(self, descriptor: Any, ready: Callable[[], None]) -> None:
        """Call `ready` within `poll` whenever there is something to be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, ready)

    def unwatch(self, descriptor: Any) -> None:
        """No longer."""
        self._selector.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something within a later `poll`."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), call))

    def poll(self, seconds: float) -> list[Asked]:
        """Wait at most so long for anything; the requests that are complete now."""
        if self._later:
            seconds = max(0.0, min(seconds, self._later[0][0] - time.monotonic()))
        for key, events in self._selector.select(seconds):
            if isinstance(key.data, Connection):
                if events & selectors.EVENT_READ:
                    self._read(key.data)
                if events & selectors.EVENT_WRITE and key.data.open:
                    self._write(key.data)
            else:
                key.data()
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()
        asked, self._asked = self._asked, []
        return asked

    def send(self, asked: Asked, reply: Reply) -> None:
        """Answer a request, as badly as the reply says."""
        connection = asked.connection
        if not connection.open:
            return
        if reply.slowly:
            half = len(reply.data) // 2
            self._queue(connection, reply.data[:half], "keep")
            self.later(SLOW_SECONDS, lambda: self._queue(connection, reply.data[half:], reply.then))
        else:
            self._queue(connection, reply.data, reply.then)

    def drop(self, asked: Asked) -> None:
        """Nobody will answer, and the connection goes."""
        self._close(asked.connection, reset=False)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._open):
            self._close(connection, reset=False)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                accepted, _ = self._listener.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(accepted)
                self._open.add(connection)
                self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection, reset=False)
            return
        connection.incoming += data
        while (asked := _whole(connection)) is not None:
            self._asked.append(asked)

    def _queue(self, connection: Connection, data: bytes, then: str) -> None:
        if not connection.open:
            return
        connection.outgoing += data
        connection.then = then
        self._write(connection)

    def _write(self, connection: Connection) -> None:
        try:
            while connection.outgoing:
                sent = connection.socket.send(connection.outgoing[:_PIECE])
                del connection.outgoing[:sent]
        except BlockingIOError:
            self._selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
            return
        except OSError:
            self._close(connection, reset=False)
            return
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        if connection.then in ("close", "reset"):
            self._close(connection, reset=connection.then == "reset")

    def _close(self, connection: Connection, *, reset: bool) -> None:
        if not connection.open:
            return
        connection.open = False
        self._open.discard(connection)
        self._selector.unregister(connection.socket)
        if reset:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()


def _whole(connection: Connection) -> Asked | None:
    """Take a complete request from what has come."""
    data = connection.incoming
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    head = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    length = int(head.get("content-length", "0"))
    if len(data) < end + 4 + length:
        return None
    body = bytes(data[end + 4 : end + 4 + length])
    del data[: end + 4 + length]
    return Asked(connection, line.split(" ")[1], head, body)
