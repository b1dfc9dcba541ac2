"""Payloads sealed before they are parked: AES-256-GCM with a data key, itself wrapped by a key of the operator's.

A payload that cannot be read cannot be protected column by column, so it is sealed as a whole. It opens only in its
place in the parking table: the entry's key is authenticated with it. The wrapping key is one of AWS KMS, or secrets
that the operator keeps: the first of them seals, all of them open, so a new one is put in front and old ones stay until
nothing is sealed with them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from worker.errors import NearviewError, TransientError

LEAST_SECRET_BYTES: Final = 32
DATA_KEY_SECONDS: Final = 300.0
"""How long a data key seals: a new key of the operator's is used after this, and KMS is asked no oftener."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"nearview parked payload 1"
_CONTEXT: Final = {"nearview": "parked"}
"""KMS's encryption context; the role's right may demand it."""


Answer = TypeVar("Answer")


class CannotOpen(NearviewError):
    """A sealed payload that the keys at hand do not open; the text names the key that would."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What opens a sealed payload, for whoever has the key `by`: the wrapped data key and the nonce."""

    by: str
    wrapped: bytes
    nonce: bytes


class Wrapper(Protocol):
    """Keeps data keys. KMS, or secrets of the operator's."""

    def new_key(self) -> tuple[str, bytes, bytes]:
        """Name of the wrapping key, a data key, and the same wrapped. Raises TransientError."""

    def unwrap(self, seal: Seal) -> bytes:
        """The data key. Raises CannotOpen and TransientError."""


class Sealer:
    """Seals and opens payloads. `place` is what a payload belongs to; it opens with the same one only."""

    def __init__(self, wrapper: Wrapper, clock: Callable[[], float] = time.monotonic) -> None:
        self._wrapper = wrapper
        self._clock = clock
        self._current: tuple[float, str, AESGCM, bytes] | None = None

    def seal(self, payload: bytes, place: str) -> tuple[Seal, bytes]:
        """Raises TransientError while no key is to be had."""
        now = self._clock()
        if self._current is None or now - self._current[0] > DATA_KEY_SECONDS:
            by, key, wrapped = self._wrapper.new_key()
            self._current = now, by, AESGCM(key), wrapped
        _, by, cipher, wrapped = self._current
        nonce = os.urandom(_NONCE_BYTES)
        return Seal(by, wrapped, nonce), cipher.encrypt(nonce, payload, _aad(place))

    def open(self, seal: Seal, data: bytes, place: str) -> bytes:
        """Raises CannotOpen, and TransientError of KMS."""
        return opened(self._wrapper.unwrap(seal), seal.nonce, data, _aad(place))


def opened(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """What was sealed. Raises CannotOpen if a bit of it, or its place, has changed."""
    try:
        return AESGCM(key).decrypt(nonce, data, aad)
    except (InvalidTag, ValueError):
        raise CannotOpen("a sealed payload is damaged, or is not where it was parked") from None


def _aad(place: str) -> bytes:
    return _PURPOSE + b"\x00" + place.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Secret:
    """One of the operator's secrets as a key; `id` is public and says nothing of it."""

    id: str
    key: bytes = field(repr=False)


def read_secrets(text: str) -> list[Secret] | None:
    """The secrets in a setting, separated by blanks or lines; None if there is none or one is too short."""
    found = [_secret(word) for word in text.split()]
    return [secret for secret in found if secret] if found and all(found) else None


def _secret(word: str) -> Secret | None:
    try:
        raw = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    raw = raw if len(raw) >= LEAST_SECRET_BYTES else word.encode()
    if len(raw) < LEAST_SECRET_BYTES:
        return None
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(raw)
    return Secret(hashlib.sha256(b"id" + key).hexdigest()[:8], key)


class SecretWrapper:
    """Wraps with the operator's secrets, which are read anew for every data key: they may change while it runs."""

    def __init__(self, secrets: Callable[[], Sequence[Secret]], more: Callable[[], Sequence[Secret]] = tuple) -> None:
        """Both raise TransientError while they cannot be read. `more` open, too, and are asked for only then."""
        self._secrets = secrets
        self._more = more

    def new_key(self) -> tuple[str, bytes, bytes]:
        """As Wrapper.new_key."""
        secret, key, nonce = self._secrets()[0], os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        return f"key:{secret.id}", key, nonce + AESGCM(secret.key).encrypt(nonce, key, _PURPOSE)

    def unwrap(self, seal: Seal) -> bytes:
        """As Wrapper.unwrap."""
        secret = _sealed_by(seal, self._secrets()) or _sealed_by(seal, self._more())
        if secret is None:
            raise CannotOpen(
                f"a payload is sealed with {seal.by}, which is none of those in NEARVIEW_PARKED_KEY, its file or secret"
            )
        return opened(secret.key, seal.wrapped[:_NONCE_BYTES], seal.wrapped[_NONCE_BYTES:], _PURPOSE)


def _sealed_by(seal: Seal, secrets: Sequence[Secret]) -> Secret | None:
    return next((secret for secret in secrets if seal.by == f"key:{secret.id}"), None)


class KmsWrapper:
    """Wraps with a key of AWS KMS, which never leaves it."""

    def __init__(self, client: Any, key_id: str, reason: Callable[[Exception], str]) -> None:
        """`reason` gives an SDK's error without its text."""
        self._client = client
        self._key_id = key_id
        self._reason = reason

    def new_key(self) -> tuple[str, bytes, bytes]:
        """As Wrapper.new_key."""

        def generate() -> tuple[str, bytes, bytes]:
            answer = self._client.generate_data_key(KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=_CONTEXT)
            return f"kms:{answer['KeyId']}", bytes(answer["Plaintext"]), bytes(answer["CiphertextBlob"])

        return self._ask(generate)

    def unwrap(self, seal: Seal) -> bytes:
        """As Wrapper.unwrap."""
        if not seal.by.startswith("kms:"):
            raise CannotOpen(f"a payload is sealed with {seal.by}: give it in NEARVIEW_PARKED_KEY or its file")
        key_id = seal.by.removeprefix("kms:")

        def decrypt() -> bytes:
            answer = self._client.decrypt(CiphertextBlob=seal.wrapped, KeyId=key_id, EncryptionContext=_CONTEXT)
            return bytes(answer["Plaintext"])

        return self._ask(decrypt)

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """A key that is gone, disabled or forbidden is waited for like one that does not answer: nothing is skipped."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001  whatever the SDK raises, its text is not for a log
            raise TransientError(f"NEARVIEW_PARKED_KMS_KEY: {self._reason(error)}") from None
