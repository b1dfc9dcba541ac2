"""`bench.tables` on a socket: DynamoDB's HTTP for benchmarks, in a process of its own and faster than its clients.

`python -m bench.table_server [PORT]` prints the port and serves until it is killed or its input ends.
"""

from __future__ import annotations

import asyncio
import binascii
import gc
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from bench.tables import Tables

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
_LENGTH = b"content-length:"
_TARGET = b"x-amz-target:"
_REASON = {200: b"OK", 400: b"Bad Request", 500: b"Internal Server Error"}


class Connection(asyncio.Protocol):
    """Requests of one keep-alive connection, answered in their order."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what create_server promises
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower() + b"\r\n"
            length = int(_header(head, _LENGTH) or 0)
            if len(self._buffer) < end + 4 + length:
                if b"expect: 100-continue" in head and len(self._buffer) == end + 4:
                    self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            # the target's letters are needed as they came
            target = _header(bytes(self._buffer[:end]) + b"\r\n", _TARGET, head)
            del self._buffer[: end + 4 + length]
            self._send(answer(self._tables, target.rpartition(b".")[2].decode(), head, body))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _header(head: bytes, name: bytes, lowered: bytes | None = None) -> bytes:
    """A header's value; empty if there is none. `lowered`: the head in small letters, where the name is looked for."""
    at = (head if lowered is None else lowered).find(b"\r\n" + name)
    if at < 0:
        return b""
    start = at + 2 + len(name)
    return head[start : head.index(b"\r\n", start)].strip()


def answer(tables: Tables, action: str, head: bytes, body: bytes) -> bytes:
    """The whole HTTP answer. `head`: the request's, in small letters."""
    if b"\r\nauthorization: aws4-hmac-sha256 " not in head and action != "Statistics":
        status, found = 400, {"__type": "MissingAuthenticationTokenException", "message": "the request is not signed"}
    else:
        try:
            status, found = tables.call(action, orjson.loads(body) if body else {})
        except (KeyError, TypeError, orjson.JSONDecodeError) as problem:
            name = type(problem).__name__
            status, found = (
                400,
                {"__type": "SerializationException", "message": f"a member is missing or wrong: {name}"},
            )
    data = orjson.dumps(found)
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: BENCH\r\n"
        b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n%b"
    ) % (status, _REASON[status], binascii.crc32(data), len(data), data)


async def _serve(port: int) -> None:
    tables = Tables()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(tables), HOST, port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    threading.Thread(target=_end_with_parent, daemon=True).start()
    await server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


class Server:
    """A running table server; `call` speaks to it without an SDK."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.url = f"http://{HOST}:{port}"

    def call(self, action: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to one request. Raises RuntimeError for a refusal."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{action}", "Authorization": "AWS4-HMAC-SHA256 Credential=bench"}
        connection.request("POST", "/", orjson.dumps(request or {}), headers)
        response = connection.getresponse()
        found: dict[str, Any] = orjson.loads(response.read())
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{action}: {found}")
        return found

    def create_table(self, name: str, indexes: int = 0) -> None:
        """An empty table with as many secondary indexes as a documents table has; one of that name is thrown away."""
        if name in self.call("ListTables")["TableNames"]:
            self.call("DeleteTable", {"TableName": name})
        keys = [{"KeySchema": [{"AttributeName": f"_i{at}{part}"} for part in "ps"]} for at in range(indexes)]
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        self.call("CreateTable", {"TableName": name, "KeySchema": schema, "GlobalSecondaryIndexes": keys})

    def items(self, name: str) -> list[dict[str, Any]]:
        """Everything in a table."""
        found: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = self.call("Scan", {"TableName": name, **start})
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@contextmanager
def table_server() -> Iterator[Server]:
    """Start a server with no tables; it ends with the block, or with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.table_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None  # noqa: S101  a pipe was asked for
        yield Server(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


if __name__ == "__main__":
    gc.disable()  # no cycles are made per request, and a growing heap would be searched again and again
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
