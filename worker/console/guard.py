"""Who may ask the console, and what a browser may do with its answers. Pure.

It serves business data on a port of the operator's machine. Pages of other sites that run in the same browser must not
read it (by a name that is made to lead to 127.0.0.1, or by a link), and other users of the machine neither: what is
asked for is answered only under this machine's own names and with the key that was printed at the start.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS: Final = ("GET", "HEAD")
OWN_SITES: Final = ("", "none", "same-origin")
"""Values of Sec-Fetch-Site: sent by no browser, typed by a person, asked by the page itself."""


@dataclass(frozen=True, slots=True)
class Door:
    """The port that is served and the key that opens it."""

    port: int
    key: str

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the key; cookies know no ports."""
        return f"nearview-console-{self.port}"

    @property
    def url(self) -> str:
        """The address for a person, key included."""
        return f"http://127.0.0.1:{self.port}/?key={self.key}"

    def refuses(self, method: str, headers: Mapping[str, str], query: str) -> tuple[HTTPStatus, str] | None:
        """Why a request is not answered; None if it is. Header names are in lower case."""
        if headers.get("host", "") not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return HTTPStatus.MISDIRECTED_REQUEST, "this is http://127.0.0.1 only"
        if method not in METHODS:
            return HTTPStatus.METHOD_NOT_ALLOWED, "the console only reads: GET"
        if not self.brings_key(query) and headers.get("sec-fetch-site", "") not in OWN_SITES:
            return HTTPStatus.FORBIDDEN, "asked for by a page of another site"
        if not self.brings_key(query) and not self._has_cookie(headers.get("cookie", "")):
            return HTTPStatus.UNAUTHORIZED, "open the address that `nearview console` has printed"
        return None

    def brings_key(self, query: str) -> bool:
        """Whether the address itself holds the key."""
        return _same(parse_qs(query).get("key", [""])[0], self.key)

    def set_cookie(self) -> str:
        """The header that keeps the key in the browser, out of reach of scripts and of other sites."""
        return f"{self.cookie}={self.key}; Path=/; HttpOnly; SameSite=Strict"

    def _has_cookie(self, text: str) -> bool:
        try:
            found = SimpleCookie(text).get(self.cookie)
        except CookieError:
            return False
        return found is not None and _same(found.value, self.key)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
