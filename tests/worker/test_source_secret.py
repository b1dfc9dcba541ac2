"""The source's password in Secrets Manager: read at every connection, and again when the source refuses it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner

from local.ministack import REGION, MiniStack
from local.postgres import Postgres
from worker.cli import main
from worker.source_secret import ATTEMPTS, Login, SecretError, connected, login_of
from worker.store.secrets_manager import secrets_client
from worker.verify.errors import VerifyError
from worker.verify.source import open_source

CANARY = "canary-password-51C2"


class Source:
    """A database whose role has a password, and a secret that may say something else."""

    def __init__(self, postgres: Postgres, client: Any) -> None:
        self.postgres, self.client = postgres, client
        self.role = f"reader_{uuid.uuid4().hex[:8]}"
        self.secret = str(client.create_secret(Name=self.role, SecretString="none")["ARN"])
        self.admin = psycopg2.connect(postgres.url("postgres"))
        self.admin.autocommit = True
        with self.admin.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {self.role} LOGIN PASSWORD '{CANARY}'")
        self.parts = psycopg2.extensions.parse_dsn(postgres.url("postgres"))

    def tells(self, password: str, **more: Any) -> None:
        """The secret, as RDS has it."""
        text = json.dumps({"username": self.role, "password": password, **more})
        self.client.put_secret_value(SecretId=self.secret, SecretString=text)

    @property
    def address(self) -> dict[str, Any]:
        return {"host": self.parts["host"], "port": int(self.parts["port"]), "dbname": "postgres"}


@pytest.fixture
def source(postgres: Postgres, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    made = Source(postgres, secrets_client(REGION, ministack.url))
    yield made
    with made.admin.cursor() as cursor:
        cursor.execute(f"DROP ROLE {made.role}")
    made.admin.close()


def login(source: Source) -> Login:
    found = login_of(source.secret, os.environ)
    assert found is not None
    return found


def test_all_of_it_or_the_password_alone_comes_from_the_secret(source: Source) -> None:
    source.tells(CANARY, **source.address, engine="postgres")
    with open_source("", login(source)) as opened:
        assert opened.name.endswith("/postgres")
    source.client.put_secret_value(SecretId=source.secret, SecretString=CANARY)
    url = "postgresql://{user}@{host}:{port}/postgres".format(user=source.role, **source.address)
    with open_source(url, login(source)) as opened:
        assert opened.tables() is not None


def test_a_password_that_is_rotated_just_now_is_read_again(source: Source) -> None:
    """The two sides of a rotation are never exchanged at once."""
    waits: list[float] = []
    seen: list[str] = []

    def connect(parts: dict[str, str]) -> str:
        seen.append(parts["password"])
        if parts["password"] != "new":
            raise psycopg2.OperationalError('FATAL:  password authentication failed for user "reader"')
        return "connection"

    def rotate(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            source.tells("new")

    source.tells("old")
    assert connected(connect, login(source), rotate) == "connection"
    assert seen == ["old", "old", "new"]

    source.tells("old")
    waits.clear()
    with pytest.raises(psycopg2.OperationalError):
        connected(connect, login(source), waits.append)
    assert len(waits) == ATTEMPTS - 1


def test_what_is_no_matter_of_the_password_is_not_tried_again(source: Source) -> None:
    source.tells(CANARY, host="127.0.0.1", port=9, dbname="postgres")
    with pytest.raises(VerifyError, match="cannot connect to the source") as caught, open_source("", login(source)):
        pass
    assert CANARY not in str(caught.value)


def test_the_commands_take_it_and_never_show_it(source: Source) -> None:
    source.tells(CANARY, **source.address)
    result = CliRunner().invoke(main, ["init", "--schema", "nothing_there", "--source-secret", source.secret])
    assert "no table with a primary key was found" in result.stderr
    result = CliRunner().invoke(main, ["init"], env={"NEARVIEW_SOURCE_URL": ""})
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)

    source.client.put_secret_value(SecretId=source.secret, SecretString=json.dumps({"username": CANARY}))
    result = CliRunner().invoke(main, ["init"], env={"NEARVIEW_SOURCE_SECRET": source.secret})
    assert result.exit_code == 2
    assert result.stderr == "nearview init: NEARVIEW_SOURCE_SECRET: the secret is a JSON object without `password`\n"
    assert CANARY not in result.output


@pytest.mark.parametrize(("region", "line"), [("", "needs AWS_REGION"), (REGION, "cannot be read: ResourceNotFound")])
@pytest.mark.usefixtures("source")
def test_a_secret_that_cannot_be_read_is_said_in_a_line(region: str, line: str) -> None:
    given = {"AWS_REGION": region, "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
    with pytest.raises(SecretError, match=f"^NEARVIEW_SOURCE_SECRET {line}"):
        _parts("not-there", given)


def _parts(secret: str, environ: dict[str, str]) -> dict[str, str]:
    found = login_of(secret, environ)
    assert found is not None
    return found.parts()
