"""What must not leave the source: dropped, or only as a keyed token. Applied before anything is stored or parked. Pure.

A token is `tok:<key id>:<base64url of the first 24 bytes of HMAC-SHA256>` over the value's key text, so a value gives
the same token in every table, whether it came as a number or as text, and joins go on working. NULL stays NULL.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from contract.keys import scalar_text
from contract.mapping import Policy
from worker.records.envelope import NO_BEFORE_COLUMNS, PROTECTED_MARK, BeforeColumns, ChangeEvent, parse
from worker.records.errors import PoisonRecord
from worker.records.limits import ANY_DEPTH

LEAST_KEY_BYTES: Final = 32
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_PURPOSE: Final = b"nearview column token 1\x00"
"""No other use of the same key can give the same bytes."""
TOKEN_PREFIX: Final = "tok:"  # noqa: S105  what all tokens begin with
_ROUNDED: Final = "rounded:"
_TOKEN_BYTES: Final = 24
_LEAKS: Final = frozenset({"partition-key-value"})
"""Metadata that repeats key columns."""

Policies = Mapping[str, Mapping[str, Policy]]


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A secret and the public name that its tokens carry."""

    id: str
    secret: bytes = field(repr=False)

    def token(self, value: Any) -> str:
        """The token of a value that is not NULL."""
        mark = _ROUNDED if is_rounded(value) else ""
        text = _json(value) if isinstance(value, (dict, list)) else scalar_text(value)
        digest = hmac.new(self.secret, _PURPOSE + text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return f"{TOKEN_PREFIX}{self.id}:{mark}{base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()}"


def is_rounded(value: Any) -> bool:
    """Whether DMS has sent a number through a double, which shows in scientific notation; its token tells it too."""
    if isinstance(value, str):
        return value.startswith(TOKEN_PREFIX) and value.split(":", 2)[-1].startswith(_ROUNDED)
    return isinstance(value, Decimal) and int(value.as_tuple().exponent) > 0


def read_secret(text: str) -> bytes | None:
    """The key in a setting: base64 of at least 32 bytes, else the text itself if it has as many, else None."""
    stripped = text.strip()
    try:
        decoded = base64.b64decode(stripped, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    secret = decoded if len(decoded) >= LEAST_KEY_BYTES else stripped.encode()
    return secret if len(secret) >= LEAST_KEY_BYTES else None


def needs_key(policies: Policies) -> bool:
    """Whether any column becomes a token."""
    return any(policy is Policy.TOKEN for columns in policies.values() for policy in columns.values())


@dataclass(frozen=True, slots=True)
class Protection:
    """The sensitive columns of all tables. Raises ValueError when a policy is TOKEN and there is no key."""

    policies: Policies
    key: TokenKey | None = None
    before_columns: BeforeColumns = NO_BEFORE_COLUMNS

    def __post_init__(self) -> None:
        if self.key is None and needs_key(self.policies):
            raise ValueError("tokens need a key")

    def event(self, event: ChangeEvent) -> ChangeEvent:
        """The event without what must not be seen; itself when its table has nothing sensitive or it is protected."""
        policies = self.policies.get(event.table)
        if policies is None or event.protected:
            return event
        before = None if event.before is None else self._image(event.before, policies)
        return replace(event, data=self._image(event.data, policies), before=before, protected=True, plain_bytes=0)

    def payload(self, data: bytes) -> bytes:
        """A payload as it may be parked: protected and marked, so that a retry does not protect it twice.

        What is no JSON, or names no table with sensitive columns, stays as it is: nobody can say what it holds.
        """
        if not self.policies:
            return data
        try:
            document = parse(data, ANY_DEPTH)
            policies = self._policies(document)
            return data if policies is None else _json(self._document(document, policies)).encode()
        except PoisonRecord:
            return data
        except RecursionError:  # deeper than this writes, not deeper than the parser reads
            return _json({"metadata": {PROTECTED_MARK: True}}).encode()

    def _policies(self, document: dict[str, Any]) -> Mapping[str, Policy] | None:
        metadata = document.get("metadata")
        if not isinstance(metadata, dict) or metadata.get(PROTECTED_MARK) is True:
            return None
        return self.policies.get(f"{metadata.get('schema-name')}.{metadata.get('table-name')}")

    def _document(self, document: dict[str, Any], policies: Mapping[str, Policy]) -> dict[str, Any]:
        """Whatever stands beside the metadata may be an image under a name that nobody configured."""
        kept = {name: value for name, value in document["metadata"].items() if name not in _LEAKS}
        images = {
            name: self._image(value, policies)
            for name, value in document.items()
            if name != "metadata" and isinstance(value, dict)
        }
        return {**images, "metadata": {**kept, PROTECTED_MARK: True}}

    def _image(self, row: dict[str, Any], policies: Mapping[str, Policy]) -> dict[str, Any]:
        """A row, and the document that may stand in it."""
        inner = {
            name: self._image(value, policies)
            for name, value in row.items()
            if isinstance(value, dict) and self._policy(name, policies) is None
        }
        return self._columns({**row, **inner}, policies)

    def _columns(self, row: dict[str, Any], policies: Mapping[str, Policy]) -> dict[str, Any]:
        found = dict(row)
        for name, value in row.items():
            policy = self._policy(name, policies)
            if policy is Policy.DROP:
                del found[name]
            elif policy is Policy.TOKEN and value is not None:
                found[name] = self.key.token(value) if self.key else None
        return found

    def _policy(self, name: str, policies: Mapping[str, Policy]) -> Policy | None:
        return policies.get(name) or policies.get(self.before_columns.original(name) or "")


NO_PROTECTION: Final = Protection({})


def _json(value: Any) -> str:
    """JSON with the very digits of numbers, and lone surrogates as escapes: the standard encoder has no Decimal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
