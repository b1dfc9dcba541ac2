"""Signed paging cursors: opaque to callers, bound to the query they came from. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

MAX_CURSOR_CHARACTERS: Final = 4096
_MAC_BYTES: Final = 16


class InvalidCursor(ValueError):
    """The cursor was changed, comes from another query, or was signed with another secret."""


def sign(secret: bytes, query: Sequence[str], position: Sequence[str]) -> str:
    """A cursor for `position`; only the same `query` (all that must not change between pages) opens it."""
    payload = json.dumps(position).encode()
    return base64.urlsafe_b64encode(_mac(secret, query, payload) + payload).decode().rstrip("=")


def open_cursor(secret: bytes, query: Sequence[str], cursor: str) -> tuple[str, ...]:
    """The position that `sign` was given. Raises InvalidCursor."""
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise InvalidCursor
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error
    mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, query, payload)):
        raise InvalidCursor
    return tuple(json.loads(payload))


def _mac(secret: bytes, query: Sequence[str], payload: bytes) -> bytes:
    # JSON keeps the parts of the query apart: ["ab", "c"] and ["a", "bc"] must not sign alike
    signed = json.dumps([*query, payload.decode("latin-1")]).encode()
    return hmac.new(secret, signed, hashlib.sha256).digest()[:_MAC_BYTES]
