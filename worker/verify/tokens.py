"""Tokens of sensitive values, made from the key by the published rule, not by the worker's code.

A token is `tok:<key id>:<base64url of the first 24 bytes of HMAC-SHA256>` over the value's key text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from worker.source_secret import Login, SecretError, reader
from worker.verify.errors import VerifyError
from worker.verify.marks import Tokens

_PURPOSE: Final = b"nearview column token 1\x00"
_STORED: Final = "NEARVIEW_TOKEN_KEY_SECRET"
_TOKEN_BYTES: Final = 24
_LEAST_KEY_BYTES: Final = 32


def tokens_of(environment: Mapping[str, str]) -> Tokens | None:
    """What makes tokens as the worker with this environment does; None when no key is given. Raises VerifyError."""
    text, file = environment.get("NEARVIEW_TOKEN_KEY", ""), environment.get("NEARVIEW_TOKEN_KEY_FILE", "")
    if file:
        try:
            text = Path(file).read_text("utf-8")
        except (OSError, ValueError):
            raise VerifyError(f"NEARVIEW_TOKEN_KEY_FILE: {file} cannot be read") from None
    elif stored := environment.get(_STORED, ""):
        try:
            text = Login(reader(stored, _STORED, environment)).text()
        except SecretError as error:
            raise VerifyError(str(error)) from None
    if not text:
        return None
    secret, key_id = _secret(text.strip()), environment.get("NEARVIEW_TOKEN_KEY_ID") or "1"
    if len(secret) < _LEAST_KEY_BYTES:
        raise VerifyError(f"NEARVIEW_TOKEN_KEY holds fewer than {_LEAST_KEY_BYTES} bytes")

    def token(value: str) -> str:
        digest = hmac.new(secret, _PURPOSE + value.encode(), hashlib.sha256).digest()
        return f"tok:{key_id}:{base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()}"

    return token


def _secret(text: str) -> bytes:
    """Base64 of enough bytes, else the text itself."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    return decoded if len(decoded) >= _LEAST_KEY_BYTES else text.encode()
