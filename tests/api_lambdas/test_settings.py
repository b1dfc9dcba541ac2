"""Settings of the Lambdas."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest

from api_lambdas.settings import QuerySettings, SettingsError, TokenSettings, command_settings, query_settings
from api_lambdas.sigv4 import Credentials

SECRET = "s" * 32


@pytest.fixture
def existing(tmp_path: Path) -> str:
    path = tmp_path / "file.json"
    path.write_text("[]")
    return str(path)


def files(existing: str) -> dict[str, str]:
    return {f"{name}_FILE": existing for name in ("MAPPING", "OPENAPI", "ACCESS", "COMMANDS")}


def test_query_settings_are_read(existing: str) -> None:
    """All values arrive typed."""
    settings = query_settings(
        {"DOCUMENTS_TABLE": "t", **files(existing), "CURSOR_SECRET": SECRET, "AWS_REGION": "eu-west-1"}
    )

    assert ("t", Path(existing), SECRET.encode(), "eu-west-1", "info") == (
        settings.documents_table,
        settings.mapping_file,
        settings.cursor_secret,
        settings.region,
        settings.log_level,
    )


def test_command_settings_are_read(existing: str) -> None:
    """The monolith's URL loses its trailing slash; the time-out has a default."""
    settings = command_settings(
        {
            "COMMANDS_TABLE": "t",
            **files(existing),
            "MONOLITH_URL": "http://127.0.0.1:8000/base/",
            "AWS_REGION": "eu-west-1",
            "LOG_LEVEL": "DEBUG",
        }
    )

    assert (
        settings.monolith_url,
        settings.dispatch_timeout_seconds,
        settings.log_level,
    ) == ("http://127.0.0.1:8000/base", 10.0, "debug")


def test_query_settings_report_all_problems() -> None:
    """Every variable at fault is named in one run."""
    with pytest.raises(SettingsError) as caught:
        query_settings({"MAPPING_FILE": "/nowhere", "LOG_LEVEL": "loud"})

    names = [problem.split()[0] for problem in caught.value.problems]
    assert names == [
        *("DOCUMENTS_TABLE", "MAPPING_FILE", "OPENAPI_FILE", "ACCESS_FILE"),
        *("CURSOR_SECRET", "AWS_REGION", "LOG_LEVEL"),
    ]


def _read(existing: str, **environment: str) -> QuerySettings:
    return query_settings(
        {
            "DOCUMENTS_TABLE": "t",
            **files(existing),
            "CURSOR_SECRET": SECRET,
            "AWS_REGION": "eu-west-1",
            **environment,
        }
    )


def test_every_region_has_the_endpoint_that_the_sdk_asks(existing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all partitions."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # of the tests' own stand-in
    session = botocore.session.Session()
    expected = {}
    for partition in session.get_available_partitions():
        regions = session.get_available_regions("dynamodb", partition)
        client = session.create_client(
            "dynamodb", region_name=regions[0], aws_access_key_id="a", aws_secret_access_key="b"
        )
        expected[partition] = client.meta.endpoint_url.replace(regions[0], "{}")
        for region in regions:
            found = _read(existing, AWS_REGION=region).access
            assert (found.region, found.endpoint) == (region, expected[partition].format(region))
    assert len(expected) > 2


def test_an_endpoint_can_be_named_for_dynamodb_or_for_every_service(existing: str) -> None:
    """As the SDKs' own variables do; the one for DynamoDB counts more."""
    everywhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}
    here = {"AWS_ENDPOINT_URL_DYNAMODB": "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com"}

    assert _read(existing, **everywhere).access.endpoint == "http://127.0.0.1:4566"
    assert _read(existing, **everywhere, **here).access.endpoint == here["AWS_ENDPOINT_URL_DYNAMODB"]
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        with pytest.raises(SettingsError) as caught:
            _read(existing, **{name: "https://host/base"})
        assert caught.value.problems == (f"{name} must be a URL like https://host:port",)


def test_credentials_are_those_that_lambda_sets(existing: str) -> None:
    """Without a token too, as local stand-ins have them."""
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}

    assert _read(existing, **keys, AWS_SESSION_TOKEN="t").access.credentials == Credentials("id", "secret", "t")
    assert _read(existing, **keys).access.credentials == Credentials("id", "secret")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MONOLITH_URL", "ftp://host"),
        ("MONOLITH_URL", "http://"),
        ("MONOLITH_URL", "http://host:port"),
        ("MONOLITH_URL", "http://[::1"),
        ("MONOLITH_URL", "http://host/?q=1"),
        ("DISPATCH_TIMEOUT_SECONDS", "0"),
        ("DISPATCH_TIMEOUT_SECONDS", "nan"),
        ("DISPATCH_TIMEOUT_SECONDS", "26"),
        ("DISPATCH_TIMEOUT_SECONDS", "soon"),
        ("CURSOR_SECRET", "hunter2"),
    ],
)
def test_wrong_command_settings_are_refused(existing: str, name: str, text: str) -> None:
    """One line names the variable and what is wanted."""
    environment = {
        "COMMANDS_TABLE": "t",
        **files(existing),
        "MONOLITH_URL": "http://host",
        "AWS_REGION": "eu-west-1",
        name: text,
    }

    with pytest.raises(SettingsError) as caught:
        command_settings(environment)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} must be ")


def test_a_short_secret_is_refused_without_being_shown(existing: str) -> None:
    """The problem's text is logged, so it must not hold the secret."""
    with pytest.raises(SettingsError) as caught:
        query_settings({"DOCUMENTS_TABLE": "t", **files(existing), "CURSOR_SECRET": "hunter2", "AWS_REGION": "r"})

    assert str(caught.value) == "CURSOR_SECRET must be at least 32 characters long"


def test_commands_give_tokens_only_where_there_is_a_secret(existing: str) -> None:
    environment = {"COMMANDS_TABLE": "t", **files(existing), "MONOLITH_URL": "http://host", "AWS_REGION": "eu-west-1"}

    assert command_settings(environment).cursor_secret is None
    assert command_settings({**environment, "CURSOR_SECRET": SECRET}).cursor_secret == SECRET.encode()


@pytest.mark.parametrize("text", ["-0.1", "5.1", "nan", "inf", "long"])
def test_a_read_waits_no_longer_than_its_function_has_time(existing: str, text: str) -> None:
    assert _read(existing).consistency_wait_seconds == 1.5
    assert _read(existing, CONSISTENCY_WAIT_SECONDS="0").consistency_wait_seconds == 0
    with pytest.raises(SettingsError) as caught:
        _read(existing, CONSISTENCY_WAIT_SECONDS=text)
    assert caught.value.problems == ("CONSISTENCY_WAIT_SECONDS must be a number of seconds from 0 to 5",)


TOKENS = {"JWT_ISSUER": "https://issuer.example/", "JWT_AUDIENCE": "a, b,"}


def test_an_issuer_of_tokens_is_read(existing: str) -> None:
    """Its keys are where most issuers have them, unless another place is named."""
    assert _read(existing).tokens is None
    usual = "https://issuer.example/.well-known/jwks.json"
    assert _read(existing, **TOKENS).tokens == TokenSettings(TOKENS["JWT_ISSUER"], ("a", "b"), usual)
    named = _read(existing, **TOKENS, JWT_KEYS_URL="https://keys.example/x?y=1").tokens
    assert named is not None
    assert named.keys_url == "https://keys.example/x?y=1"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"JWT_AUDIENCE": ""}, "JWT_AUDIENCE is not set"),
        ({"JWT_ISSUER": ""}, "JWT_ISSUER is not set, but JWT_AUDIENCE is"),
        ({"JWT_KEYS_URL": "http://keys.example/x"}, "JWT_KEYS_URL must be a URL like https://"),
        ({"JWT_KEYS_URL": "https://user@keys.example/x"}, "JWT_KEYS_URL must be a URL like https://"),
        ({"JWT_KEYS_URL": "file:///etc/keys"}, "JWT_KEYS_URL must be a URL like https://"),
        ({"JWT_KEYS_URL": "https://[::1"}, "JWT_KEYS_URL must be a URL like https://"),
        ({"JWT_ISSUER": "issuer"}, "JWT_KEYS_URL must be a URL like https://"),
    ],
)
def test_half_an_issuer_is_refused(existing: str, changes: dict[str, str], problem: str) -> None:
    """Keys come by TLS: whoever could change them on the way could sign tokens."""
    with pytest.raises(SettingsError) as caught:
        _read(existing, **{**TOKENS, **changes})
    assert any(one.startswith(problem) for one in caught.value.problems)
