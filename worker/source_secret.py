"""How to log in at the source database when its password is kept in AWS Secrets Manager and may be rotated any time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import click

from worker.errors import NearviewError
from worker.settings import SOURCE_SECRET

ATTEMPTS: Final = 5
PAUSE_SECONDS: Final = 2.0
"""While a rotation is under way, the database may take a new password before the secret shows it."""

_REFUSED: Final = ("password authentication failed", "no password supplied")
_MEMBERS: Final = {"username": "user", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
"""Of a secret as RDS and DMS have it, by what libpq calls them."""

source_secret_option: Final = click.option(
    "--source-secret",
    envvar=SOURCE_SECRET,
    default="",
    metavar="ARN",
    show_envvar=True,
    help="A secret in AWS Secrets Manager with the password, or with user, host, port and dbname, too.",
)

Connection = TypeVar("Connection")


class SecretError(Exception):
    """The secret cannot be used. The message is one line, without anything of its text."""


class Login:
    """What the secret adds to the URL of the source: all of it, or the password alone."""

    def __init__(self, text: Callable[[], str]) -> None:
        """`text` reads the secret as it is now; it raises NearviewError."""
        self._text = text

    def text(self) -> str:
        """The secret's text. Raises SecretError."""
        try:
            return self._text()
        except NearviewError as problem:
            raise SecretError(str(problem)) from None

    def parts(self) -> dict[str, str]:
        """By libpq's names. Raises SecretError."""
        text = self.text()
        try:
            found = json.loads(text)
        except ValueError:
            return {"password": text}
        if not isinstance(found, Mapping):
            return {"password": text}
        given = {ours: str(found[theirs]) for theirs, ours in _MEMBERS.items() if found.get(theirs)}
        if "password" not in given:
            raise SecretError(f"{SOURCE_SECRET}: the secret is a JSON object without `password`")
        return given


def login_of(secret_id: str, environ: Mapping[str, str]) -> Login | None:
    """By the source's secret, with region and endpoint of the environment; None without one. Raises SecretError."""
    return Login(reader(secret_id, SOURCE_SECRET, environ)) if secret_id else None


def reader(secret_id: str, setting: str, environ: Mapping[str, str]) -> Callable[[], str]:
    """Reads a secret as it is now; `setting` is what errors call it. Raises SecretError without a region."""
    region = environ.get("AWS_REGION", "")
    if not region:
        raise SecretError(f"{setting} needs AWS_REGION")
    from worker.store.secrets_manager import StoredSecret, secrets_client

    return StoredSecret(secrets_client(region, environ.get("AWS_ENDPOINT_URL", "")), secret_id, setting).renewed


def connected(
    connect: Callable[[dict[str, str]], Connection],
    login: Login | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """The connection; a refused password is read anew and tried again. Raises as `connect`, and SecretError."""
    if login is None:
        return connect({})
    for _ in range(ATTEMPTS - 1):
        try:
            return connect(login.parts())
        except Exception as error:
            if not any(said in str(error) for said in _REFUSED):
                raise
            sleep(PAUSE_SECONDS)
    return connect(login.parts())
