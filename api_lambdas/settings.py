"""Environment to settings of the two Lambdas; nobody else reads the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from api_lambdas.sigv4 import Credentials

CODE_FOLDER: Final = Path(__file__).parent
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MIN_SECRET_CHARACTERS: Final = 32
# An HTTP API gives up on its integration after 30 seconds; storing the answer needs some of them.
MAX_DISPATCH_TIMEOUT_SECONDS: Final = 25.0
DEFAULT_DISPATCH_TIMEOUT_SECONDS: Final = "10"
MAX_CONSISTENCY_WAIT_SECONDS: Final = 5.0
DEFAULT_CONSISTENCY_WAIT_SECONDS: Final = "1.5"
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


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """What the query Lambda needs; `tokens` is None where no issuer is set."""

    documents_table: str
    mapping_file: Path
    openapi_file: Path
    access_file: Path
    tokens: TokenSettings | None
    cursor_secret: bytes
    consistency_wait_seconds: float
    access: Access
    region: str
    log_level: str


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """What the command Lambda needs."""

    commands_table: str
    commands_file: Path
    access_file: Path
    tokens: TokenSettings | None
    monolith_url: str
    dispatch_timeout_seconds: float
    cursor_secret: bytes | None
    access: Access
    region: str
    log_level: str


def query_settings(environment: Mapping[str, str]) -> QuerySettings:
    """Settings of the query Lambda. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    documents_table = read.text("DOCUMENTS_TABLE")
    mapping_file = read.value("MAPPING_FILE", str(CODE_FOLDER / "mapping.json"), existing_file)
    openapi_file = read.value("OPENAPI_FILE", str(CODE_FOLDER / "openapi.json"), existing_file)
    access_file = read.value("ACCESS_FILE", str(CODE_FOLDER / "access.json"), existing_file)
    tokens = token_settings(read)
    cursor_secret = read.value("CURSOR_SECRET", None, _secret)
    wait_seconds = read.value("CONSISTENCY_WAIT_SECONDS", DEFAULT_CONSISTENCY_WAIT_SECONDS, _consistency_wait)
    region = read.text("AWS_REGION")
    access = access_of(read, region)
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or mapping_file is None or openapi_file is None or access_file is None:
        raise SettingsError(tuple(read.problems))
    if cursor_secret is None or wait_seconds is None or log_level is None:
        raise SettingsError(tuple(read.problems))
    return QuerySettings(
        documents_table=documents_table,
        mapping_file=mapping_file,
        openapi_file=openapi_file,
        access_file=access_file,
        tokens=tokens,
        cursor_secret=cursor_secret,
        consistency_wait_seconds=wait_seconds,
        access=access,
        region=region,
        log_level=log_level,
    )


def command_settings(environment: Mapping[str, str]) -> CommandSettings:
    """Settings of the command Lambda. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    commands_table = read.text("COMMANDS_TABLE")
    commands_file = read.value("COMMANDS_FILE", str(CODE_FOLDER / "commands.json"), existing_file)
    access_file = read.value("ACCESS_FILE", str(CODE_FOLDER / "access.json"), existing_file)
    tokens = token_settings(read)
    monolith_url = read.value("MONOLITH_URL", None, http_url)
    timeout_seconds = read.value("DISPATCH_TIMEOUT_SECONDS", DEFAULT_DISPATCH_TIMEOUT_SECONDS, _dispatch_timeout)
    cursor_secret = read.value("CURSOR_SECRET", "", _optional_secret)
    region = read.text("AWS_REGION")
    access = access_of(read, region)
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or commands_file is None or access_file is None or monolith_url is None:
        raise SettingsError(tuple(read.problems))
    if timeout_seconds is None or log_level is None:
        raise SettingsError(tuple(read.problems))
    return CommandSettings(
        commands_table=commands_table,
        commands_file=commands_file,
        access_file=access_file,
        tokens=tokens,
        monolith_url=monolith_url,
        dispatch_timeout_seconds=timeout_seconds,
        cursor_secret=cursor_secret or None,
        access=access,
        region=region,
        log_level=log_level,
    )


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


def _secret(text: str) -> bytes:
    if len(text) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"at least {MIN_SECRET_CHARACTERS} characters long")
    return text.encode()


def _optional_secret(text: str) -> bytes:
    return _secret(text) if text else b""


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


def _dispatch_timeout(text: str) -> float:
    wanted = f"a number of seconds above 0 and up to {MAX_DISPATCH_TIMEOUT_SECONDS:g}"
    seconds = _number(text, wanted)
    if not 0 < seconds <= MAX_DISPATCH_TIMEOUT_SECONDS:
        raise ValueError(wanted)
    return seconds


def _consistency_wait(text: str) -> float:
    wanted = f"a number of seconds from 0 to {MAX_CONSISTENCY_WAIT_SECONDS:g}"
    seconds = _number(text, wanted)
    if not 0 <= seconds <= MAX_CONSISTENCY_WAIT_SECONDS:
        raise ValueError(wanted)
    return seconds


def _number(text: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(wanted) from None


def level_of_log(text: str) -> str:
    """One of LOG_LEVELS. Raises ValueError."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return text.lower()
