"""Signatures, checked here and by the library that others use: both must say the same, of good ones and of bad ones."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from api_lambdas.access.signatures import _N, _P, EllipticKey, RsaKey, decoded, public_key
from tests.api_lambdas.issuer import ec_key, jwk, rsa_key

ECDSA = ec.ECDSA(SHA256())


def elliptic(key: ec.EllipticCurvePrivateKey) -> EllipticKey:
    numbers = key.public_key().public_numbers()
    return EllipticKey(numbers.x, numbers.y)


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def theirs(key: ec.EllipticCurvePrivateKey, message: bytes, r: int, s: int) -> bool:
    try:
        key.public_key().verify(encode_dss_signature(r, s), message, ECDSA)
    except InvalidSignature:
        return False
    return True


# 1, 2, n - 1 and n - 2: the key's point is the curve's own, its double or their opposites, where sums meet themselves
@pytest.mark.parametrize("secret", [1, 2, 3, _N - 1, _N - 2, None])
def test_elliptic_signatures(secret: int | None) -> None:
    """Random messages; every value at the edges; each part changed by a little."""
    key = ec_key(0) if secret is None else ec.derive_private_key(secret, ec.SECP256R1())
    mine = elliptic(key)
    choose = random.Random(secret)
    for _ in range(3):
        message = choose.randbytes(choose.randrange(200))
        r, s = decode_dss_signature(key.sign(message, ECDSA))
        assert mine.verifies(message, raw(r, s))
        cases = [(r, _N - s), (s, r), (r ^ 1, s), (r, s ^ 1 << choose.randrange(255)), (_N - r, s)]
        for one, other in cases:
            if 0 < one < 2**256 and 0 < other < 2**256:
                assert mine.verifies(message, raw(one, other)) == theirs(key, message, one, other)
        assert not mine.verifies(message + b"!", raw(r, s))


def test_elliptic_signatures_outside_the_group_are_refused() -> None:
    """Zeros would be right for every message, numbers above the order are a second form of the same signature."""
    key, message = ec_key(0), b"message"
    mine = elliptic(key)
    r, s = decode_dss_signature(key.sign(message, ECDSA))
    edges = (0, 1, _N - 1, _N, _N + 1, _P, 2**256 - 1)

    assert not any(mine.verifies(message, raw(one, other)) for one in edges for other in edges)
    assert not mine.verifies(message, raw(r, s)[:-1])
    assert not mine.verifies(message, raw(r, s) + b"\x00")
    assert not mine.verifies(message, b"")


def test_rsa_signatures() -> None:
    """Nothing but the one padded block; no longer and no shorter signature, none above the modulus."""
    key = rsa_key(0)
    numbers = key.public_key().public_numbers()
    mine = RsaKey(numbers.n, numbers.e)
    message = b"message"
    good = key.sign(message, padding.PKCS1v15(), SHA256())

    assert mine.verifies(message, good)
    assert not mine.verifies(b"massage", good)
    assert not mine.verifies(message, good[:-1])
    assert not mine.verifies(message, b"\x00" + good)
    assert not mine.verifies(message, (int.from_bytes(good, "big") + numbers.n).to_bytes(257, "big")[-256:])
    assert not mine.verifies(message, bytes(256))
    assert not mine.verifies(message, (1).to_bytes(256, "big"))
    changed = [bytes([*good[:n], good[n] ^ 1, *good[n + 1 :]]) for n in range(0, 256, 17)]
    assert not any(mine.verifies(message, one) for one in changed)


def test_an_rsa_block_with_something_behind_the_hash_is_refused() -> None:
    """With the exponent 3 such a block can be made by anybody (CVE-2006-4339): the padding must fill all of it."""
    numbers = rsa_key(0).private_numbers()
    modulus, secret = numbers.public_numbers.n, numbers.d
    key = rsa_key(0)
    message = b"message"
    mine = RsaKey(modulus, 65537)
    block = pow(int.from_bytes(key.sign(message, padding.PKCS1v15(), SHA256()), "big"), 65537, modulus).to_bytes(
        256, "big"
    )
    end = block[-51:]
    for shape in (
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + end[:51] + bytes(194),
        block[:2] + b"\xfe" + block[3:],
        b"\x00\x02" + block[2:],
    ):
        forged = pow(int.from_bytes(shape[:256], "big"), secret, modulus).to_bytes(256, "big")
        assert not mine.verifies(message, forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": "ES256"},
        {"key_ops": ["encrypt"]},
        {"kty": "oct"},
        {"kty": None},
        {"n": None},
        {"n": 5},
        {"n": "%%%"},
        {"n": "AQAB"},
        {"e": "AQ"},
        {"e": "Ag"},
        {"e": "AAAAAAAAAAAAAAAAAAAB"},
    ],
)
def test_other_rsa_keys_are_no_keys(changes: dict[str, Any]) -> None:
    """For other uses or algorithms, too short, without a part, not base64url."""
    good = jwk(rsa_key(0))
    assert isinstance(public_key(good), RsaKey)

    assert public_key({**good, **changes}) is None


def test_short_rsa_keys_are_no_keys() -> None:
    assert public_key(jwk(rsa_key(1, 1024))) is None


@pytest.mark.parametrize(
    "changes",
    [{"crv": "P-384"}, {"alg": "RS256"}, {"x": "AQ"}, {"y": "AAAA"}, {"x": None}, {"d": "AQ", "use": "enc"}],
)
def test_other_elliptic_keys_are_no_keys(changes: dict[str, Any]) -> None:
    """A point beside the curve above all."""
    good = jwk(ec_key(0))
    assert isinstance(public_key(good), EllipticKey)

    assert public_key({**good, **changes}) is None


def test_a_point_has_one_form() -> None:
    """Coordinates beyond the field are another spelling of the same key, of which nobody should ask what it means."""
    good = jwk(ec_key(0))
    x = int.from_bytes(decoded(good["x"]), "big") + _P
    spelt = base64.urlsafe_b64encode(x.to_bytes(33, "big")).rstrip(b"=").decode()

    assert public_key({**good, "x": spelt}) is None


@pytest.mark.parametrize("text", ["a", "YQ==", "YR", "Y Q", "YQ\n", "Y+", "é"])
def test_only_one_form_of_base64url_is_taken(text: str) -> None:
    """Two forms of one signature would be two tokens."""
    with pytest.raises(ValueError, match=r"base64url|ASCII"):
        decoded(text)
