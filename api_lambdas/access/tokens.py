"""Bearer tokens: JWTs (RFC 7519, RFC 8725) signed by one issuer for one of our audiences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from api_lambdas.access.rules import InvalidToken
from api_lambdas.access.signatures import Key, decoded
from api_lambdas.shared.settings import TokenSettings

ALGORITHMS: Final = ("RS256", "ES256")
LEEWAY_SECONDS: Final = 60
MAX_CHARACTERS: Final = 8_192
MAX_KEPT: Final = 1_000


class KeySet(Protocol):
    """The issuer's keys."""

    def edition(self) -> int:
        """Another number with every other set of keys: what was found with an old one counts no longer."""

    def find(self, algorithm: str, kid: str | None) -> list[Key]:
        """The keys that may have signed. Raises Problem while none could be had."""


class Tokens:
    """Checks tokens. A signature seen before is not computed again; times and keys are looked at each time."""

    def __init__(self, settings: TokenSettings, keys: KeySet, now: Callable[[], float]) -> None:
        self._settings = settings
        self._keys = keys
        self._now = now
        self._known: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def __call__(self, token: str) -> Mapping[str, Any]:
        """What the token says. Raises InvalidToken, or Problem while the issuer's keys cannot be had."""
        edition = self._keys.edition()
        known = self._known.get(token)
        claims = known[1] if known is not None and known[0] == edition else self._signed(token)
        self._check(claims)
        if len(self._known) >= MAX_KEPT:
            self._known.clear()
        self._known[token] = edition, claims
        return claims

    def _signed(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_CHARACTERS:
            raise InvalidToken("the token is too long")
        try:
            head, body, signature = token.split(".")
            header, claims = json.loads(decoded(head)), json.loads(decoded(body))
            mark = decoded(signature)
        except (ValueError, RecursionError) as error:
            raise InvalidToken("the token is not a signed JWT") from error
        if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header or "b64" in header:
            raise InvalidToken("the token is not a JWT as it is used here")
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:  # `none` and secrets shared with the caller among those refused
            raise InvalidToken(f"the token must be signed by {' or '.join(ALGORITHMS)}")
        if not isinstance(kid, (str, type(None))):
            raise InvalidToken("the token's kid is no text")
        message = f"{head}.{body}".encode()
        if not any(key.verifies(message, mark) for key in self._keys.find(algorithm, kid)):
            raise InvalidToken("the token is not signed by a key of its issuer")
        return claims

    def _check(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._settings.issuer:
            raise InvalidToken("the token has another issuer")
        if not any(isinstance(one, str) and one in self._settings.audiences for one in audiences):
            raise InvalidToken("the token is for another audience")
        if now >= _moment(claims, "exp") + LEEWAY_SECONDS:
            raise InvalidToken("the token has expired")
        if any(name in claims and now < _moment(claims, name) - LEEWAY_SECONDS for name in ("nbf", "iat")):
            raise InvalidToken("the token is not valid yet")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """Seconds since 1970."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e15:
        raise InvalidToken(f"the token has no usable {name}")
    return value
