"""The connection to DynamoDB: signed JSON over connections that are kept alive.

No AWS SDK: importing one takes longer than everything else at a function's start, and a function sends four kinds of
small requests, with credentials that stand in its environment as long as it lives.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import zlib
from typing import Any, Final, cast
from urllib.parse import urlsplit

from api_lambdas.settings import Access
from api_lambdas.sigv4 import signed_headers
from contract.values import Item

CONNECT_SECONDS: Final = 0.5
READ_SECONDS: Final = 1.5
PAUSE_SECONDS: Final = 0.05
CONDITION_FAILED: Final = "ConditionalCheckFailedException"
THROTTLED: Final = "ThrottlingException"
_THROTTLED: Final = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", THROTTLED})
_RETRYABLE: Final = _THROTTLED | {
    "InternalServerError",
    "LimitExceededException",
    "ServiceUnavailable",
    "TransactionConflictException",
}


class StoreError(Exception):
    """DynamoDB refused or did not answer; `retryable` says whether the caller may simply try again."""

    def __init__(self, operation: str, code: str, *, retryable: bool) -> None:
        super().__init__(f"{operation} failed: {code}")
        self.operation = operation
        self.code = code
        self.retryable = retryable

    @property
    def throttled(self) -> bool:
        """Whether the table takes no more requests for a moment."""
        return self.code in _THROTTLED


class ConditionFailed(Exception):
    """A conditional write met another state; `item` is what stands there, None if nothing does."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class ReplyDamaged(http.client.HTTPException):
    """A reply that is not what DynamoDB sent."""


class DynamoDB:
    """DynamoDB's operations by name. Safe for several threads: each takes a connection out, or opens one."""

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.endpoint)
        self._access = access
        self._address = (parts.hostname or "", parts.port)
        self._host = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The reply. Raises StoreError or ConditionFailed.

        Two attempts and a pause, less than 5 seconds if nothing comes: nobody waits longer. A request whose reply was
        lost is executed twice.
        """
        if not self._access.credentials.access_key_id:
            raise StoreError(operation, "NoCredentials", retryable=False)
        body = json.dumps(request).encode()
        try:
            return self._attempt(operation, body)
        except StoreError as error:
            if not error.retryable:
                raise
        time.sleep(PAUSE_SECONDS)
        return self._attempt(operation, body)

    def pause(self, seconds: float) -> None:
        """Wait before something is asked for again that was not there."""
        time.sleep(seconds)

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._host,
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        access = self._access
        signed = signed_headers(access.credentials, access.region, "dynamodb", moment, headers, body)
        try:
            status, reply = self._exchange(body, {**signed, "user-agent": "nearview"})
        except (OSError, http.client.HTTPException) as error:  # no connection, no whole answer, not in time
            raise StoreError(operation, type(error).__name__, retryable=True) from error
        if status != http.client.OK:
            raise _refusal(operation, status, reply)
        return reply

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


def _refusal(operation: str, status: int, reply: dict[str, Any]) -> Exception:
    code = str(reply.get("__type", "")).rpartition("#")[2] or f"HTTP {status}"
    if code == CONDITION_FAILED:
        return ConditionFailed(cast("Item | None", reply.get("Item")))
    return StoreError(operation, code, retryable=status >= 500 or code in _RETRYABLE)
