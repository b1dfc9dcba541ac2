"""Checks RS256 and ES256 signatures (RFC 7518) with a public key (RFC 7517). Pure.

Only checking, of data that is public, so nothing can leak by the time it takes; there is nothing to sign with here. A
library would bring machine code, which ties the functions' zip file to one architecture, and time at every start. The
tests hold this against the library that others use.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT_BITS: Final = 32
# DigestInfo of SHA-256 (RFC 8017, 9.2, note 1)
_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")

# P-256 (FIPS 186-4, D.1.2.3)
_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_COORDINATE_BYTES: Final = 32

Point = tuple[int, int, int]
"""Jacobian coordinates; the last one is 0 at infinity."""


class Key(Protocol):
    """A public key; `algorithm` is the only one it is used with."""

    @property
    def algorithm(self) -> str: ...

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the holder of the private key has signed the message."""


@dataclass(frozen=True, slots=True)
class RsaKey:
    """RS256: RSASSA-PKCS1-v1_5 with SHA-256."""

    modulus: int
    exponent: int

    @property
    def algorithm(self) -> str:
        return "RS256"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """The whole padded block is built and compared: what parses the sender's block can be led astray."""
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(signature, "big")
        if len(signature) != size or number >= self.modulus:
            return False
        end = b"\x00" + _SHA256_INFO + hashlib.sha256(message).digest()
        wanted = b"\x00\x01" + b"\xff" * (size - len(end) - 2) + end
        return hmac.compare_digest(pow(number, self.exponent, self.modulus).to_bytes(size, "big"), wanted)


@dataclass(frozen=True, slots=True)
class EllipticKey:
    """ES256: ECDSA on P-256 with SHA-256."""

    x: int
    y: int

    @property
    def algorithm(self) -> str:
        return "ES256"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """FIPS 186-4, 6.4."""
        if len(signature) != 2 * _COORDINATE_BYTES:
            return False
        r = int.from_bytes(signature[:_COORDINATE_BYTES], "big")
        s = int.from_bytes(signature[_COORDINATE_BYTES:], "big")
        if not (0 < r < _N and 0 < s < _N):
            return False
        inverse = pow(s, -1, _N)
        digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
        x, _, z = _sum_of_products(digest * inverse % _N, _G, r * inverse % _N, (self.x, self.y))
        if z == 0:
            return False
        return x * pow(z, -2, _P) % _P % _N == r


def public_key(document: Mapping[str, Any]) -> Key | None:
    """The key of a JWK for signatures of one of the two algorithms; None if it is another one, or no sound one."""
    if document.get("use", "sig") != "sig" or "verify" not in document.get("key_ops", ["verify"]):
        return None
    key: Key | None = None
    try:
        if document.get("kty") == "RSA":
            key = _rsa(_number(document["n"]), _number(document["e"]))
        elif document.get("kty") == "EC" and document.get("crv") == "P-256":
            key = _elliptic(_number(document["x"]), _number(document["y"]))
    except (KeyError, TypeError, ValueError):
        return None
    return key if key is not None and document.get("alg", key.algorithm) == key.algorithm else None


def decoded(text: str) -> bytes:
    """The bytes of base64url without padding, in its one right form. Raises ValueError."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not base64url as it is written")
    return data


def _number(text: Any) -> int:
    if not isinstance(text, str):
        raise TypeError("not text")
    return int.from_bytes(decoded(text), "big")


def _rsa(modulus: int, exponent: int) -> RsaKey | None:
    sound = MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS and modulus % 2 == 1
    if not sound or exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
        return None
    return RsaKey(modulus, exponent)


def _elliptic(x: int, y: int) -> EllipticKey | None:
    """Only a point of the curve: others have small groups in which signatures can be made up."""
    if not (x < _P and y < _P) or (y * y - (x * x * x - 3 * x + _B)) % _P != 0:
        return None
    return EllipticKey(x, y)


def _sum_of_products(u: int, p: tuple[int, int], v: int, q: tuple[int, int]) -> Point:
    """u*p + v*q, bit by bit for both together."""
    one, other = (*p, 1), (*q, 1)
    both = _add(one, other)
    found: Point = (0, 1, 0)
    for bit in range(max(u.bit_length(), v.bit_length()) - 1, -1, -1):
        found = _double(found)
        chosen = u >> bit & 1, v >> bit & 1
        if chosen == (1, 1):
            found = _add(found, both)
        elif chosen == (1, 0):
            found = _add(found, one)
        elif chosen == (0, 1):
            found = _add(found, other)
    return found


def _double(point: Point) -> Point:
    """dbl-2001-b of the Explicit-Formulas Database, for a = -3."""
    x, y, z = point
    if z == 0 or y == 0:
        return 0, 1, 0
    delta = z * z % _P
    gamma = y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    doubled = (alpha * alpha - 8 * beta) % _P
    return (
        doubled,
        (alpha * (4 * beta - doubled) - 8 * gamma * gamma) % _P,
        ((y + z) * (y + z) - gamma - delta) % _P,
    )


def _add(one: Point, other: Point) -> Point:
    """add-1998-cmo-2 of the Explicit-Formulas Database; equal points are doubled, opposite ones are infinity."""
    if one[2] == 0:
        return other
    if other[2] == 0:
        return one
    (x1, y1, z1), (x2, y2, z2) = one, other
    z1z1, z2z2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * z2z2 % _P, x2 * z1z1 % _P
    s1, s2 = y1 * z2 * z2z2 % _P, y2 * z1 * z1z1 % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if h == 0:
        return _double(one) if r == 0 else (0, 1, 0)
    hh = h * h % _P
    hhh = h * hh % _P
    v = u1 * hh % _P
    x = (r * r - hhh - 2 * v) % _P
    return x, (r * (v - x) - s1 * hhh) % _P, z1 * z2 * h % _P
