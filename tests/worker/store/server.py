"""A server on a real socket that answers as a test tells it: well, badly, late or not at all."""

from __future__ import annotations

import binascii
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """What came, and on which of the connections."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """What is asked of DynamoDB."""
        return self.headers["x-amz-target"].rpartition(".")[2]


Answer = Callable[[socket.socket, Request], bool]
"""Sends what it wants; whether the connection stays open."""


def reply(body: Any, status: int = 200, **headers: str) -> Answer:
    """A reply as DynamoDB's, of an object or of bytes."""
    return sent(written(body, status, **headers))


def sent(data: bytes, *, keeps: bool = True) -> Answer:
    """Just these bytes."""

    def send(connection: socket.socket, _: Request) -> bool:
        connection.sendall(data)
        return keeps

    return send


def written(body: Any, status: int = 200, **headers: str) -> bytes:
    """A whole reply; `x_amz_crc32` and `content_length` may be given otherwise."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content_length": str(len(data)), "x_amz_crc32": str(binascii.crc32(data)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + data


def silence(connection: socket.socket, _: Request) -> bool:
    """No reply; until the client goes."""
    connection.recv(1)
    return False


def closed(_: socket.socket, __: Request) -> bool:
    """The connection ends without a reply."""
    return False


def reset(connection: socket.socket, _: Request) -> bool:
    """The connection is cut."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


class Server:
    """Answers requests in their order of arrival with the given answers, then always with the last one."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self._answers = deque(answers)
        self._lock = threading.Lock()
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._count = 0
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    @property
    def connections(self) -> int:
        """How many were made."""
        return self._count

    def hang_up(self) -> None:
        """Close all connections; the clients notice when they look."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client was first
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._count += 1
            self._start(self._serve, connection, self._count)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            while (request := _read(connection, number)) and self._answer(connection, request):
                pass
        except OSError:  # the client is gone, or does not like our certificate
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        with self._lock:
            self.requests.append(request)
            answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return answer(connection, request)


def _read(connection: socket.socket, number: int) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65_536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65_536)
    return Request(number, line, headers, body)
