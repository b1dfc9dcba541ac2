"""The public keys of a tokens' issuer, fetched when they are needed and kept for a while."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from api_lambdas.access.signatures import Key, public_key
from api_lambdas.shared.http import Kind, Problem
from api_lambdas.shared.log import Event, Log

KEPT_SECONDS: Final = 600.0
AGAIN_SECONDS: Final = 30.0
"""A token with an unknown key is a reason to look for new ones, but anybody can send such tokens."""

TIMEOUT_SECONDS: Final = 2.0
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100


class NotFetched(Exception):
    """The keys could not be had; str() says why."""


class FetchedKeys:
    """The keys at a URL. A failed fetch leaves those known in force: an issuer's outage locks nobody out."""

    def __init__(self, url: str, monotonic: Callable[[], float], log: Log) -> None:
        self._url = url
        self._monotonic = monotonic
        self._log = log
        self._keys: list[tuple[str | None, Key]] = []
        self._tried: float | None = None
        self._fetched: float | None = None
        self._edition = 0

    def edition(self) -> int:
        """Rises with every other set of keys; looks for one when those known are old."""
        self._refresh(KEPT_SECONDS)
        return self._edition

    def find(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys that may have signed with this algorithm. Raises Problem while none was ever fetched."""
        found = self._matching(algorithm, kid)
        if not found:
            self._refresh(AGAIN_SECONDS)
            found = self._matching(algorithm, kid)
        if self._fetched is None:
            detail = "the keys of the tokens' issuer cannot be fetched"
            raise Problem(Kind.KEYS_UNAVAILABLE, detail, headers={"retry-after": "5"})
        return found

    def _matching(self, algorithm: str, kid: str | None) -> list[Key]:
        return [key for name, key in self._keys if key.algorithm == algorithm and kid in (None, name)]

    def _refresh(self, after_seconds: float) -> None:
        """Fetch, unless the keys are younger than that; after a failure not before AGAIN_SECONDS have passed."""
        now = self._monotonic()
        if self._fetched is not None and now - self._fetched < after_seconds:
            return
        if self._tried is not None and self._tried != self._fetched and now - self._tried < AGAIN_SECONDS:
            return
        self._tried = now
        try:
            keys = read_keys(fetch(self._url))
        except NotFetched as error:
            self._log.write(Event.KEYS_NOT_FETCHED, reason=str(error))
            return
        self._fetched = now
        if keys != self._keys:
            self._keys = keys
            self._edition += 1


def fetch(url: str) -> bytes:
    """What is at the URL. Raises NotFetched."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("GET", target, headers={"accept": "application/json", "user-agent": "nearview"})
        answer = connection.getresponse()
        data = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise NotFetched(type(error).__name__) from error
    finally:
        connection.close()
    if answer.status != http.client.OK or len(data) > MAX_BYTES:
        raise NotFetched(f"HTTP {answer.status}" if answer.status != http.client.OK else "more than 256 KB")
    return data


def read_keys(data: bytes) -> list[tuple[str | None, Key]]:
    """The usable keys of a JWK set, with their ids. Raises NotFetched if there is none."""
    try:
        document: Any = json.loads(data)
        entries = document["keys"][:MAX_KEYS]
        found = [(entry.get("kid"), public_key(entry)) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotFetched("not a JWK set") from error
    keys = [(kid, key) for kid, key in found if key is not None]
    if not keys:
        raise NotFetched("no key for RS256 or ES256")
    return keys
