"""Who may call what: the declared rules of every route, and the gate that holds requests to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from api_lambdas.shared.http import Kind, Problem, Request

IAM: Final = "iam"
JWT: Final = "jwt"
PUBLIC: Final = "public"
KINDS: Final = (IAM, JWT, PUBLIC)
_BEARER: Final = "bearer "
_SCOPE_CLAIMS: Final = ("scope", "scp")


@dataclass(frozen=True, slots=True)
class Rule:
    """`iam`: an AWS signature that the gateway has checked; `jwt`: a token with all these scopes; `public`: nothing."""

    kind: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """The rules by route, such as `GET /orders/{key}`; routes without one have the default."""

    default: Rule
    routes: Mapping[str, Rule]

    def rule(self, *routes: str) -> Rule:
        """The rule of the first of these that has one: a route's own, then its template's."""
        return next((self.routes[route] for route in routes if route in self.routes), self.default)

    @property
    def wants_tokens(self) -> bool:
        """Whether any route takes tokens."""
        return any(rule.kind == JWT for rule in (self.default, *self.routes.values()))


def to_json(access: Access) -> str:
    """Text for `from_json`; packed into the Lambdas, which then need no YAML."""
    routes = {route: [rule.kind, *rule.scopes] for route, rule in access.routes.items()}
    return json.dumps({"default": [access.default.kind, *access.default.scopes], "routes": routes}, sort_keys=True)


def from_json(text: str) -> Access:
    """The rules that `to_json` wrote."""
    document = json.loads(text)
    routes = {route: Rule(kind, tuple(scopes)) for route, (kind, *scopes) in document["routes"].items()}
    kind, *scopes = document["default"]
    return Access(Rule(kind, tuple(scopes)), routes)


class Claims(Protocol):
    """Checks a token and returns what it says. Raises InvalidToken or a Problem."""

    def __call__(self, token: str) -> Mapping[str, Any]: ...


class InvalidToken(Exception):
    """The token is not to be believed; str() says why, for the caller, and holds nothing of the token."""


class Gate:
    """Holds requests to the rules. `claims` is made at the first token: most starts never need what checks them."""

    def __init__(self, access: Access, make_claims: Callable[[], Claims]) -> None:
        self._access = access
        self._make_claims = make_claims
        self._claims: Claims | None = None

    def admit(self, request: Request, *routes: str) -> str:
        """Let a request for a route pass (the most special name of it first); returns who it is, empty if unsaid.

        On public routes everybody is the same. Raises Problem.
        """
        rule = self._access.rule(*routes)
        if rule.kind == PUBLIC:
            return PUBLIC
        if rule.kind == JWT:
            claims = self._check_token(request, rule)
            subject = claims.get("sub")
            return f"{JWT} {claims.get('iss')} {subject}" if isinstance(subject, str) and subject else ""
        if not request.signed:
            raise Problem(Kind.FORBIDDEN, "the request must have an AWS signature")
        return f"{IAM} {request.signer}" if request.signer else ""

    def _check_token(self, request: Request, rule: Rule) -> Mapping[str, Any]:
        header = request.headers.get("authorization", "")
        if header[: len(_BEARER)].lower() != _BEARER:
            challenge = {"www-authenticate": "Bearer"}
            raise Problem(Kind.UNAUTHORIZED, "send the header Authorization: Bearer <token>", headers=challenge)
        if self._claims is None:
            self._claims = self._make_claims()
        try:
            claims = self._claims(header[len(_BEARER) :].strip())
        except InvalidToken as error:
            challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
            raise Problem(Kind.UNAUTHORIZED, str(error), headers=challenge) from error
        if missing := [scope for scope in rule.scopes if scope not in scopes_of(claims)]:
            challenge = {"www-authenticate": f'Bearer error="insufficient_scope", scope="{" ".join(rule.scopes)}"'}
            raise Problem(Kind.FORBIDDEN, f"the token lacks scope {missing[0]}", headers=challenge)
        return claims


def scopes_of(claims: Mapping[str, Any]) -> set[str]:
    """The scopes that a token grants: `scope` as in RFC 8693, or `scp`, each a text with blanks or a list."""
    found: set[str] = set()
    for name in _SCOPE_CLAIMS:
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(item for item in value if isinstance(item, str))
    return found
