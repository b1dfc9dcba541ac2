"""What all functions set the same way."""

from __future__ import annotations

from typing import TypeVar

import botocore.session
import pytest

from api_lambdas.shared.settings import Access, Reader, SettingsError, TokenSettings, access_of, token_settings
from api_lambdas.shared.sigv4 import Credentials

_T = TypeVar("_T")
TOKENS = {"JWT_ISSUER": "https://issuer.example/", "JWT_AUDIENCE": "a, b,"}


def _access(**environment: str) -> Access:
    read = Reader({"AWS_REGION": "eu-west-1", **environment})
    return _without_problems(read, access_of(read, read.text("AWS_REGION")))


def _tokens(**environment: str) -> TokenSettings | None:
    read = Reader(environment)
    return _without_problems(read, token_settings(read))


def _without_problems(read: Reader, found: _T) -> _T:
    if read.problems:
        raise SettingsError(tuple(read.problems))
    return found


def test_every_region_has_the_endpoint_that_the_sdk_asks(monkeypatch: pytest.MonkeyPatch) -> None:
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
            found = _access(AWS_REGION=region)
            assert (found.region, found.endpoint) == (region, expected[partition].format(region))
    assert len(expected) > 2


def test_an_endpoint_can_be_named_for_dynamodb_or_for_every_service() -> None:
    """As the SDKs' own variables do; the one for DynamoDB counts more."""
    everywhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}
    here = {"AWS_ENDPOINT_URL_DYNAMODB": "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com"}

    assert _access(**everywhere).endpoint == "http://127.0.0.1:4566"
    assert _access(**everywhere, **here).endpoint == here["AWS_ENDPOINT_URL_DYNAMODB"]
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        with pytest.raises(SettingsError) as caught:
            _access(**{name: "https://host/base"})
        assert caught.value.problems == (f"{name} must be a URL like https://host:port",)


def test_credentials_are_those_that_lambda_sets() -> None:
    """Without a token too, as local stand-ins have them."""
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}

    assert _access(**keys, AWS_SESSION_TOKEN="t").credentials == Credentials("id", "secret", "t")
    assert _access(**keys).credentials == Credentials("id", "secret")


def test_an_issuer_of_tokens_is_read() -> None:
    """Its keys are where most issuers have them, unless another place is named."""
    assert _tokens() is None
    usual = "https://issuer.example/.well-known/jwks.json"
    assert _tokens(**TOKENS) == TokenSettings(TOKENS["JWT_ISSUER"], ("a", "b"), usual)
    named = _tokens(**TOKENS, JWT_KEYS_URL="https://keys.example/x?y=1")
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
def test_half_an_issuer_is_refused(changes: dict[str, str], problem: str) -> None:
    """Keys come by TLS: whoever could change them on the way could sign tokens."""
    with pytest.raises(SettingsError) as caught:
        _tokens(**{**TOKENS, **changes})
    assert any(one.startswith(problem) for one in caught.value.problems)
