"""Environment to settings: what all functions set the same way, and a reader that notes every problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from api_lambdas.shared.sigv4 import Credentials

CODE_FOLDER: Final = Path(__file__).parents[1]
"""Where the declarations are packed."""

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MIN_SECRET_CHARACTERS: Final = 32
# by a region's first letters; all other regions have the last one
_DNS_SUFFIXES: Final = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("", "amazonaws.com"),
)

_T = TypeVar("_T")


class SettingsError(Exception):
    """At least one setting is missing or wrong; `problems` holds a line for each, naming the variable."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Access:
    """Where DynamoDB is and who asks. Lambda gives all of it; SDKs' own variables can name another endpoint."""

    region: str
    endpoint: str
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Whose tokens are taken, for whom they must be, and where the issuer's keys are."""

    issuer: str
    audiences: tuple[str, ...]
    keys_url: str


class Reader:
    """Collects problems instead of stopping at the first one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        """A setting without a default."""
        text = self._environment.get(name, "").strip()
        if not text:
            self.problems.append(f"{name} is not set")
        return text

    def optional(self, name: str) -> str:
        """A setting that may be missing, then empty."""
        return self._environment.get(name, "").strip()

    def value(self, name: str, default: str | None, parse: Callable[[str], _T]) -> _T | None:
        """A parsed setting; None only after a problem was noted. `parse` raises ValueError(what is wanted)."""
        text = self._environment.get(name, "").strip() or default
        if text is None:
            self.problems.append(f"{name} is not set")
            return None
        try:
            return parse(text)
        except ValueError as wanted:  # the message never holds the value: it may be a secret
            self.problems.append(f"{name} must be {wanted}")
            return None


def token_settings(read: Reader) -> TokenSettings | None:
    """None without an issuer; an audience is then a mistake, and with one it is needed: every token has some."""
    issuer, audiences = read.optional("JWT_ISSUER"), read.optional("JWT_AUDIENCE")
    if not issuer:
        if audiences:
            read.problems.append("JWT_ISSUER is not set, but JWT_AUDIENCE is")
        return None
    keys_url = read.value("JWT_KEYS_URL", f"{issuer.rstrip('/')}/.well-known/jwks.json", _keys_url)
    if not audiences:
        read.problems.append("JWT_AUDIENCE is not set")
    if keys_url is None:
        return None
    return TokenSettings(issuer, tuple(one.strip() for one in audiences.split(",") if one.strip()), keys_url)


def access_of(
    read: Reader, region: str, service: str = "dynamodb", variable: str = "AWS_ENDPOINT_URL_DYNAMODB"
) -> Access:
    """A service in a region, or what stands in for it; `variable` names the stand-in of this service alone."""
    usual = _endpoint(service, region)
    every_service = read.value("AWS_ENDPOINT_URL", usual, endpoint_url) or usual
    endpoint = read.value(variable, every_service, endpoint_url) or every_service
    credentials = Credentials(
        read.optional("AWS_ACCESS_KEY_ID"), read.optional("AWS_SECRET_ACCESS_KEY"), read.optional("AWS_SESSION_TOKEN")
    )
    return Access(region, endpoint, credentials)


def dynamodb_endpoint(region: str) -> str:
    """The regional endpoint of DynamoDB."""
    return _endpoint("dynamodb", region)


def _endpoint(service: str, region: str) -> str:
    suffix = next(suffix for prefix, suffix in _DNS_SUFFIXES if region.startswith(prefix))
    return f"https://{service}.{region}.{suffix}"


def secret(text: str) -> bytes:
    """A secret that is long enough to sign with. Raises ValueError."""
    if len(text) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"at least {MIN_SECRET_CHARACTERS} characters long")
    return text.encode()


def optional_secret(text: str) -> bytes:
    """The same, or none. Raises ValueError."""
    return secret(text) if text else b""


def existing_file(text: str) -> Path:
    """The path of a file. Raises ValueError."""
    if not Path(text).is_file():
        raise ValueError("the path of an existing file")
    return Path(text)


def http_url(text: str) -> str:
    """An address without a slash at its end. Raises ValueError."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("a URL like https://host:port/base without a query")
    return text.rstrip("/")


def _keys_url(text: str) -> str:
    wanted = "a URL like https://issuer/.well-known/jwks.json; http:// only for this machine"
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(wanted) from None
    local = parts.hostname in ("localhost", "127.0.0.1")
    if not usable or parts.scheme not in (("http", "https") if local else ("https",)) or parts.username is not None:
        raise ValueError(wanted)
    return text


def endpoint_url(text: str) -> str:
    """An address without a path. Raises ValueError."""
    url = http_url(text)
    if urlsplit(url).path:
        raise ValueError("a URL like https://host:port")
    return url


def number(text: str, wanted: str) -> float:
    """Any number. Raises ValueError(wanted)."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(wanted) from None


def level_of_log(text: str) -> str:
    """One of LOG_LEVELS. Raises ValueError."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return text.lower()
