"""AWS's signature version 4 for DynamoDB's requests, with everything that repeats computed once. Pure.

botocore's SigV4Auth is the oracle: its signatures are the same, at a tenth of the cost.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final, Protocol
from urllib.parse import quote

from botocore.utils import normalize_url_path

_SERVICE: Final = "dynamodb"
_TARGET: Final = "DynamoDB_20120810"
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"


class Credentials(Protocol):
    """A frozen set, as botocore gives it (botocore.credentials.ReadOnlyCredentials)."""

    @property
    def access_key(self) -> str:
        """The key's public name."""

    @property
    def secret_key(self) -> str:
        """What signs."""

    @property
    def token(self) -> str | None:
        """The session's token; None for keys of a user."""


class Signer:
    """Makes the heads of signed POST requests to one endpoint. `target` is what stands in the request line."""

    def __init__(self, region: str, host: str, path: str, target: str, more: str = "") -> None:
        """`host` as in the Host header; `more`: whole header lines that are not signed."""
        self._region = region
        self._canonical_path = quote(normalize_url_path(path), safe="/~")
        self._host = host
        self._start = (
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {_CONTENT_TYPE}\r\nAccept-Encoding: identity\r\n"
            f"User-Agent: nearview\r\n{more}"
        )
        self._second, self._moment = -1, ""
        self._keyed: tuple[str, str, hmac.HMAC] | None = None

    def head(self, credentials: Credentials, operation: str, body: bytes, now: float) -> bytes:
        """Everything of the request before its body."""
        moment = self._moment_of(int(now))
        day = moment[:8]
        scope = f"{day}/{self._region}/{_SERVICE}/aws4_request"
        target = f"{_TARGET}.{operation}"
        token = credentials.token
        if token:
            session, signed = f"x-amz-security-token:{token}", "x-amz-security-token;"
            canonical_session, session_line = f"{session}\n", f"{session}\r\n"
        else:
            signed = canonical_session = session_line = ""
        names = f"content-type;host;x-amz-date;{signed}x-amz-target"
        canonical = (
            f"POST\n{self._canonical_path}\n\ncontent-type:{_CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{moment}\n"
            f"{canonical_session}x-amz-target:{target}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        keyed = self._key_of(credentials.secret_key, day).copy()
        keyed.update(f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode())
        return (
            f"{self._start}X-Amz-Date: {moment}\r\nX-Amz-Target: {target}\r\n{session_line}"
            f"Authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={keyed.hexdigest()}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()

    def _moment_of(self, second: int) -> str:
        if second != self._second:
            self._second, self._moment = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._moment

    def _key_of(self, secret: str, day: str) -> hmac.HMAC:
        """The derived key, ready to be used; it holds for a day and one set of credentials."""
        if self._keyed is None or self._keyed[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, _SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._keyed = (secret, day, hmac.new(key, digestmod=hashlib.sha256))
        return self._keyed[2]
