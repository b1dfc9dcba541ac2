"""Secrets in Secrets Manager: a rotation is noticed at work, and no text of one shows in an error."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import pytest

from local.ministack import REGION, MiniStack
from tests.worker.test_source_settings import TOKENS
from worker.errors import SettingsError, TransientError
from worker.operator_cli import operator_settings
from worker.parked.keys import problems, sealer, unusable_key
from worker.parked.settings import DECODES, KEYS
from worker.sealing import DATA_KEY_SECONDS, CannotOpen, Sealer
from worker.source_settings import source
from worker.store.secrets_manager import KEPT_SECONDS, StoredSecret, secrets_client

PAYLOAD = b"payload"


@pytest.fixture
def client(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    return secrets_client(REGION, ministack.url)


@pytest.fixture
def name(client: Any) -> str:
    """A secret that holds no text yet."""
    return str(client.create_secret(Name=f"nearview-{uuid.uuid4().hex}", SecretString=secrets.token_hex(32))["ARN"])


def settings(ministack: MiniStack, **given: str) -> Any:
    known = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": ministack.url, **given}
    return operator_settings(known, (*KEYS, *DECODES, "region", "endpoint_url"))


def put(client: Any, name: str, text: str) -> str:
    client.put_secret_value(SecretId=name, SecretString=text)
    return text


def test_a_text_is_kept_for_a_minute_and_read_anew_when_it_was_refused(client: Any, name: str) -> None:
    now = [0.0]
    stored = StoredSecret(client, name, "SETTING", lambda: now[0])
    first = put(client, name, "first-text")
    assert stored.text() == first
    second = put(client, name, "second-text")
    assert stored.text() == first
    assert stored.renewed() == second
    third = put(client, name, "third-text")
    now[0] += KEPT_SECONDS + 1
    assert stored.text() == third
    assert stored.previous() == second


def test_what_cannot_be_read_is_said_by_its_setting_without_a_text(client: Any, name: str) -> None:
    binary = client.create_secret(Name=f"nearview-{uuid.uuid4().hex}", SecretBinary=b"canary-77A1")["ARN"]
    with pytest.raises(TransientError, match=r"^SETTING cannot be read: the secret holds no text$"):
        StoredSecret(client, binary, "SETTING").text()
    with pytest.raises(TransientError, match=r"^SETTING cannot be read: ResourceNotFoundException$"):
        StoredSecret(client, "not-there", "SETTING").text()
    nobody = secrets_client(REGION, "http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"^SETTING cannot be read: EndpointConnectionError$"):
        StoredSecret(nobody, name, "SETTING").previous()
    stored = StoredSecret(client, name, "SETTING")
    assert stored.text() not in repr(stored)


def test_payloads_are_sealed_anew_after_a_rotation_and_those_of_before_are_opened(
    ministack: MiniStack, client: Any, name: str
) -> None:
    """As a rotation function does it: the whole text is another one, nobody writes down the old one."""
    now = [0.0]
    sealing = sealer(settings(ministack, NEARVIEW_PARKED_KEY_SECRET=name))
    assert sealing is not None
    sealing._clock = lambda: now[0]
    stored: Any = sealing._wrapper
    before = sealing.seal(PAYLOAD, "here")
    put(client, name, secrets.token_hex(32))
    _pass_time(stored)
    now[0] += DATA_KEY_SECONDS + 1
    after = sealing.seal(PAYLOAD, "here")
    assert after[0].by != before[0].by

    for one in (sealing, _another(ministack, name)):
        assert [one.open(*sealed, "here") for sealed in (before, after)] == [PAYLOAD, PAYLOAD]

    long_running = _another(ministack, name)
    assert long_running.open(*after, "here") == PAYLOAD
    put(client, name, secrets.token_hex(32))
    newest = _another(ministack, name).seal(PAYLOAD, "here")
    assert long_running.open(*newest, "here") == PAYLOAD, "what others seal with a newer text is opened at once"
    with pytest.raises(CannotOpen, match="or secret"):
        _another(ministack, name).open(*before, "here")


def _another(ministack: MiniStack, name: str) -> Sealer:
    found = sealer(settings(ministack, NEARVIEW_PARKED_KEY_SECRET=name))
    assert found is not None
    return found


def _pass_time(wrapper: Any) -> None:
    """What is kept is older than a minute."""
    kept: StoredSecret = wrapper._secrets.__closure__[0].cell_contents
    kept._clock = lambda: float("inf")


def test_a_secret_that_is_gone_or_too_short_is_told_before_the_start_and_waited_for_later(
    ministack: MiniStack, client: Any, name: str
) -> None:
    given = settings(ministack, NEARVIEW_PARKED_KEY_SECRET=name)
    assert unusable_key(given) == []
    text = put(client, name, "canary-short")
    (line,) = unusable_key(given)
    assert line.startswith("NEARVIEW_PARKED_KEY_SECRET needs secrets of at least 32 bytes")
    assert text not in line
    (line,) = unusable_key(settings(ministack, NEARVIEW_PARKED_KEY_SECRET="not-there"))
    assert line.startswith("NEARVIEW_PARKED_KEY_SECRET cannot be read: ResourceNotFoundException")
    with pytest.raises(SettingsError, match="keep one of them"):
        sealer(settings(ministack, NEARVIEW_PARKED_KEY_SECRET=name, NEARVIEW_PARKED_KEY="x" * 32))


def test_the_key_of_tokens_is_the_secrets_text(ministack: MiniStack, client: Any, name: str) -> None:
    mapping = TOKENS
    text = put(client, name, secrets.token_hex(32))
    by_secret = source(settings(ministack, NEARVIEW_TOKEN_KEY_SECRET=name), mapping).protection.key
    by_text = source(settings(ministack, NEARVIEW_TOKEN_KEY=text), mapping).protection.key
    assert by_secret is not None
    assert by_text is not None
    assert by_secret.token("x") == by_text.token("x")

    with pytest.raises(SettingsError, match="NEARVIEW_TOKEN_KEY_SECRET cannot be read: ResourceNotFoundException"):
        source(settings(ministack, NEARVIEW_TOKEN_KEY_SECRET="not-there"), mapping)
    short = put(client, name, "canary-9A")
    with pytest.raises(SettingsError, match="NEARVIEW_TOKEN_KEY_SECRET is too short") as caught:
        source(settings(ministack, NEARVIEW_TOKEN_KEY_SECRET=name), mapping)
    assert short not in str(caught.value)
    assert problems(settings(ministack, NEARVIEW_PARKED_KEY_SECRET=name), mapping) == []
