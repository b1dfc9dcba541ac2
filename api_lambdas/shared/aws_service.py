"""Requests to a service of AWS that speaks JSON: signed, over connections that are kept alive.

No AWS SDK: importing one takes longer than everything else at a function's start, and a function sends few kinds of
small requests, with credentials that stand in its environment as long as it lives.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import zlib
from typing import Any, Final
from urllib.parse import urlsplit

from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import signed_headers

CONNECT_SECONDS: Final = 0.5
READ_SECONDS: Final = 1.5
NO_ANSWER: Final = (OSError, http.client.HTTPException)
"""No connection, no whole answer, not in time: what was asked for may have been done."""


class ReplyDamaged(http.client.HTTPException):
    """A reply that is not what the service sent."""


class AwsService:
    """One service at one endpoint. Safe for several threads: each takes a connection out, or opens one.

    `name` is what requests are signed for, `target` stands before an operation's name, `version` is that of the JSON.
    """

    def __init__(self, access: Access, name: str, target: str, version: str) -> None:
        parts = urlsplit(access.endpoint)
        self._access = access
        self._name = name
        self._target = target
        self._content_type = f"application/x-amz-json-{version}"
        self._address = (parts.hostname or "", parts.port)
        self._host = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything to sign with."""
        return bool(self._access.credentials.access_key_id)

    def ask(self, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and reply of one request. Raises one of NO_ANSWER.

        A connection that the other side closed while nobody used it is replaced, and the request sent again.
        """
        headers = {
            "content-type": self._content_type,
            "host": self._host,
            "x-amz-target": f"{self._target}.{operation}",
        }
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        access = self._access
        signed = signed_headers(access.credentials, access.region, self._name, moment, headers, body)
        return self._exchange(body, {**signed, "user-agent": "nearview"})

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._ask(self._connected(), body, headers)
            try:
                return self._ask(connection, body, headers)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):  # closed by the other side while nobody looked
                continue

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._address
        if self._tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._tls)
        try:
            connection.connect()
        except OSError:
            connection.close()
            raise
        connection.sock.settimeout(READ_SECONDS)
        return connection

    def _ask(
        self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            data = answer.read()
            reply = _checked(data, answer.getheader("x-amz-crc32"), answer.status)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # the other side keeps it open
            self._idle.append(connection)
        return answer.status, reply


def _checked(data: bytes, checksum: str | None, status: int) -> dict[str, Any]:
    if checksum is not None and checksum != str(zlib.crc32(data)):
        raise ReplyDamaged
    try:
        reply = json.loads(data)
    except ValueError as error:
        if status == http.client.OK:
            raise ReplyDamaged from error
        return {}  # the page of a proxy
    return reply if isinstance(reply, dict) else {}
