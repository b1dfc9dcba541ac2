"""Tokens: whatever is wrong with one, it is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from api_lambdas.access.rules import InvalidToken
from api_lambdas.access.signatures import Key, public_key
from api_lambdas.access.tokens import LEEWAY_SECONDS, MAX_CHARACTERS, MAX_KEPT, Tokens
from api_lambdas.shared.settings import TokenSettings
from tests.api_lambdas.issuer import AUDIENCE, ISSUER, NOW, ec_key, jwk, rsa_key, token

SETTINGS = TokenSettings(ISSUER, (AUDIENCE, "other"), "https://issuer.example/keys")


class Keys:
    """Two keys of an issuer, and how often they were looked up."""

    def __init__(self) -> None:
        self.number = 1
        self.looked = 0
        self.known: dict[str, Key] = {}
        for kid, document in (("k1", jwk(rsa_key(0))), ("k2", jwk(ec_key(0)))):
            key = public_key(document)
            assert key is not None
            self.known[kid] = key

    def edition(self) -> int:
        return self.number

    def find(self, algorithm: str, kid: str | None) -> list[Key]:
        self.looked += 1
        return [key for name, key in self.known.items() if key.algorithm == algorithm and kid in (None, name)]


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def tokens(keys: Keys) -> Tokens:
    return Tokens(SETTINGS, keys, lambda: NOW)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_good_tokens_are_taken(tokens: Tokens) -> None:
    """By both algorithms, with and without the key's name, for one or several audiences."""
    for good in (
        token(rsa_key(0)),
        token(ec_key(0), "k2"),
        token(rsa_key(0), None),
        token(rsa_key(0), aud=["somebody", "other"]),
        token(rsa_key(0), nbf=NOW, iat=None),
        token(rsa_key(0), exp=NOW + 0.5),
    ):
        assert tokens(good)["sub"] == "ada"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example/"},
        {"iss": ISSUER.rstrip("/")},
        {"iss": None},
        {"aud": "nearvie"},
        {"aud": []},
        {"aud": ["x", ["nearview"]]},
        {"aud": None},
        {"exp": NOW - LEEWAY_SECONDS},
        {"exp": NOW - 86_400},
        {"exp": None},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"iat": NOW + LEEWAY_SECONDS + 1},
    ],
)
def test_claims_that_do_not_fit_are_refused(tokens: Tokens, claims: dict[str, Any]) -> None:
    """Well signed as they are."""
    with pytest.raises(InvalidToken):
        tokens(token(rsa_key(0), **claims))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1900000000", True, [1], {}, 1e300, float("nan"), float("inf"), -1e18])
def test_times_that_are_none_are_refused(tokens: Tokens, name: str, value: object) -> None:
    payload = {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, name: value}
    signed = jwt.PyJWS().encode(json.dumps(payload).encode(), rsa_key(0), "RS256", {"kid": "k1"})

    with pytest.raises(InvalidToken):
        tokens(signed)


@pytest.mark.parametrize(("name", "moment"), [("exp", NOW - LEEWAY_SECONDS + 1), ("nbf", NOW + LEEWAY_SECONDS)])
def test_clocks_may_differ_by_a_minute(tokens: Tokens, name: str, moment: int) -> None:
    claims: dict[str, Any] = {name: moment}

    assert tokens(token(rsa_key(0), **claims))


def test_an_unsigned_token_is_refused(tokens: Tokens) -> None:
    """`none` in every spelling, with and without a signature."""
    body = part({"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300})
    good = token(rsa_key(0))
    for name in ("none", "None", "NONE", "nOnE", "", None):
        for signature in ("", good.rpartition(".")[2]):
            with pytest.raises(InvalidToken, match="must be signed by"):
                tokens(f"{part({'alg': name, 'kid': 'k1'})}.{body}.{signature}")


def test_a_public_key_is_no_shared_secret(tokens: Tokens) -> None:
    """HS256 with the public key as its secret: the oldest trick."""
    body = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part({'iss': ISSUER, 'aud': AUDIENCE, 'exp': NOW + 300})}"
    for secret in (json.dumps(jwk(rsa_key(0))), jwk(rsa_key(0))["n"]):
        mark = base64.urlsafe_b64encode(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())
        with pytest.raises(InvalidToken):
            tokens(f"{body}.{mark.rstrip(b'=').decode()}")


def test_another_issuers_key_is_refused(tokens: Tokens) -> None:
    """With a name that is known, one that is not, and none; and a known key under another algorithm's name."""
    for bad in (
        token(rsa_key(9)),
        token(rsa_key(9), "k9"),
        token(rsa_key(9), None),
        token(ec_key(9), "k2"),
        token(rsa_key(0), "k2"),
        token(ec_key(0), "k1"),
        token(rsa_key(0), alg="RS512"),
        token(rsa_key(0), alg="PS256"),
    ):
        with pytest.raises(InvalidToken):
            tokens(bad)


def test_a_key_in_the_token_is_not_used(tokens: Tokens) -> None:
    """`jwk`, `jku` and `x5u` name what the sender would like to be trusted."""
    for headers in ({"jwk": jwk(rsa_key(9))}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/"}):
        bad = jwt.encode(
            {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300}, rsa_key(9), "RS256", {**headers, "kid": "k1"}
        )
        with pytest.raises(InvalidToken):
            tokens(bad)


def test_extensions_that_must_be_understood_are_refused(tokens: Tokens) -> None:
    bad = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300}, rsa_key(0), "RS256", {"kid": "k1", "crit": ["x"], "x": 1}
    )
    with pytest.raises(InvalidToken):
        tokens(bad)


def test_a_body_that_is_not_encoded_is_refused(tokens: Tokens) -> None:
    """RFC 7797, which says so in `b64`, with and without naming it as an extension."""
    bad = jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300}, rsa_key(0), "RS256", {"kid": "k1"})
    head = json.loads(base64.urlsafe_b64decode(bad.partition(".")[0] + "=="))
    body = bad.split(".")[1]
    unsigned = f"{part({**head, 'b64': True})}.{body}"
    mark = rsa_key(0).sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())

    with pytest.raises(InvalidToken, match="as it is used here"):
        tokens(f"{unsigned}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}")


def test_tokens_seen_are_kept_up_to_a_number(keys: Keys) -> None:
    """A function lives for hours and sees very many."""
    tokens = Tokens(SETTINGS, keys, lambda: NOW)
    for number in range(MAX_KEPT + 5):
        tokens._known[f"seen {number}"] = (1, {})
        if number == MAX_KEPT - 1:
            assert tokens(token(rsa_key(0)))

    assert len(tokens._known) <= 10


def test_every_changed_character_is_noticed(tokens: Tokens) -> None:
    good = token(ec_key(0), "k2")
    for place in range(0, len(good), 7):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(InvalidToken):
            tokens(changed)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "é.é.é", "e30.e30.", "bnVsbA.bnVsbA.", "x" * 20_000]
)
def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens(text)


def test_a_deep_or_long_token_is_refused(tokens: Tokens) -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":"RS256","x":' + b"[" * 5_000).rstrip(b"=").decode()
    long = token(rsa_key(0), padding="x" * MAX_CHARACTERS)
    for bad in (f"{deep}.e30.AA", long):
        with pytest.raises(InvalidToken):
            tokens(bad)


def test_the_reason_holds_nothing_of_the_token(tokens: Tokens) -> None:
    for bad in (token(rsa_key(0), iss="canary"), token(rsa_key(0), aud="canary"), token(rsa_key(9), "canary")):
        with pytest.raises(InvalidToken) as caught:
            tokens(bad)
        assert "canary" not in str(caught.value)


def test_a_signature_is_computed_once_but_times_are_looked_at_each_time(keys: Keys) -> None:
    now = [float(NOW)]
    tokens = Tokens(SETTINGS, keys, lambda: now[0])
    good = token(rsa_key(0))

    assert tokens(good) == tokens(good)
    assert keys.looked == 1
    now[0] += 300 + LEEWAY_SECONDS
    with pytest.raises(InvalidToken, match="expired"):
        tokens(good)


def test_a_key_that_is_withdrawn_counts_no_longer(keys: Keys) -> None:
    """Not even for tokens that were seen before."""
    tokens = Tokens(SETTINGS, keys, lambda: NOW)
    good = token(rsa_key(0))
    tokens(good)
    del keys.known["k1"]
    keys.number += 1

    with pytest.raises(InvalidToken):
        tokens(good)
