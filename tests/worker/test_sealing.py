"""Sealed payloads: nothing of them is seen, they open with the right key in their place only, and keys may change."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest

from local.ministack import REGION, MiniStack
from worker.errors import SettingsError, TransientError
from worker.operator_cli import operator_settings
from worker.parked.keys import sealer, unusable_key
from worker.parked.settings import KEYS
from worker.sealing import DATA_KEY_SECONDS, CannotOpen, KmsWrapper, Seal, Sealer, Secret, SecretWrapper, read_secrets
from worker.store.kms import failure, kms_client

CANARY = b"canary-7F3A"
FIRST, SECOND = "first-secret-of-32-bytes-or-more!", base64.b64encode(b"second" * 8).decode()


def secrets(text: str) -> Sequence[Secret]:
    found = read_secrets(text)
    assert found is not None
    return found


def of_secrets(text: str) -> Sealer:
    return Sealer(SecretWrapper(lambda: secrets(text)))


def test_what_is_sealed_shows_nothing_and_opens_again() -> None:
    seal, data = of_secrets(FIRST).seal(CANARY * 100, "here")

    assert CANARY not in data + seal.wrapped + seal.nonce
    assert FIRST.encode() not in data + seal.wrapped + seal.by.encode()
    assert len(data) == len(CANARY * 100) + 16
    assert of_secrets(FIRST).open(seal, data, "here") == CANARY * 100


def test_equal_payloads_are_sealed_differently() -> None:
    one = of_secrets(FIRST)

    assert len({one.seal(CANARY, "here")[1] for _ in range(100)}) == 100


@pytest.mark.parametrize("part", ["data", "nonce", "wrapped"])
def test_no_bit_may_change(part: str) -> None:
    seal, data = of_secrets(FIRST).seal(CANARY, "here")
    flipped = {"data": data, "nonce": seal.nonce, "wrapped": seal.wrapped}[part]
    flipped = bytes([flipped[0] ^ 1]) + flipped[1:]
    fields = {"wrapped": seal.wrapped, "nonce": seal.nonce, part: flipped}
    changed = Seal(seal.by, fields["wrapped"], fields["nonce"])

    with pytest.raises(CannotOpen):
        of_secrets(FIRST).open(changed, flipped if part == "data" else data, "here")


def test_a_payload_opens_in_its_place_only() -> None:
    """Who can write to the table cannot pass one record's payload off as another's."""
    seal, data = of_secrets(FIRST).seal(CANARY, "record#shop.orders\n1")

    with pytest.raises(CannotOpen, match="is not where it was parked"):
        of_secrets(FIRST).open(seal, data, "record#shop.orders\n2")


def test_another_key_does_not_open_it_and_is_told_which_would() -> None:
    seal, data = of_secrets(FIRST).seal(CANARY, "here")

    with pytest.raises(CannotOpen) as caught:
        of_secrets(SECOND).open(seal, data, "here")
    assert secrets(FIRST)[0].id in str(caught.value)
    assert FIRST not in str(caught.value)


def test_a_new_secret_in_front_seals_and_the_old_one_still_opens() -> None:
    seal, data = of_secrets(FIRST).seal(CANARY, "here")
    both = of_secrets(f"{SECOND}\n{FIRST}\n")

    assert both.open(seal, data, "here") == CANARY
    assert both.seal(CANARY, "here")[0].by == f"key:{secrets(SECOND)[0].id}"


def test_a_changed_file_is_noticed_while_it_runs_and_a_missing_one_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text(FIRST)
    found = sealer(operator_settings({"NEARVIEW_PARKED_KEY_FILE": str(path)}, KEYS))
    assert found is not None
    now = [0.0]
    found._clock = lambda: now[0]
    first, _ = found.seal(CANARY, "here")

    path.write_text(f"{SECOND} {FIRST}")
    assert found.seal(CANARY, "here")[0].by == first.by
    now[0] += DATA_KEY_SECONDS + 1
    assert found.seal(CANARY, "here")[0].by == f"key:{secrets(SECOND)[0].id}"

    path.unlink()
    now[0] += DATA_KEY_SECONDS + 1
    with pytest.raises(TransientError, match="NEARVIEW_PARKED_KEY_FILE cannot be read: FileNotFoundError"):
        found.seal(CANARY, "here")


@pytest.mark.parametrize("text", ["", " ", "short", f"{FIRST} short", "x" * 31])
def test_a_secret_that_is_too_short_is_none(text: str) -> None:
    assert read_secrets(text) is None


def test_without_a_key_nothing_is_sealed_and_two_are_one_too_many() -> None:
    assert sealer(operator_settings({}, KEYS)) is None
    with pytest.raises(SettingsError, match="keep one of them"):
        sealer(operator_settings({"NEARVIEW_PARKED_KEY": FIRST, "NEARVIEW_PARKED_KMS_KEY": "alias/x"}, KEYS))


@pytest.fixture
def kms(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> KmsWrapper:
    """With a key of its own in MiniStack."""
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    client = kms_client(REGION, ministack.url)
    return KmsWrapper(client, client.create_key()["KeyMetadata"]["KeyId"], failure)


def test_a_key_of_kms_seals_and_opens(kms: KmsWrapper) -> None:
    """The data key is asked for once in a while, not for each payload."""
    asked = []
    one = Sealer(kms)
    original = kms.new_key
    kms.new_key = lambda: asked.append(1) or original()  # type: ignore[func-returns-value,method-assign]
    sealed = [one.seal(CANARY, str(number)) for number in range(20)]

    assert len(asked) == 1
    assert all(seal.by.startswith("kms:arn:") for seal, _ in sealed)
    assert Sealer(kms).open(*sealed[7], "7") == CANARY
    with pytest.raises(CannotOpen):
        Sealer(kms).open(*sealed[7], "8")


def test_a_key_of_kms_that_is_gone_or_disabled_is_waited_for(kms: KmsWrapper) -> None:
    kms._client.disable_key(KeyId=kms._key_id)

    with pytest.raises(TransientError, match=r"^NEARVIEW_PARKED_KMS_KEY: (Disabled|KMSInvalidState)"):
        Sealer(kms).seal(CANARY, "here")
    with pytest.raises(TransientError, match="NEARVIEW_PARKED_KMS_KEY: NotFoundException"):
        KmsWrapper(kms._client, "alias/none", failure).new_key()


def test_keys_of_the_two_kinds_do_not_open_each_others(kms: KmsWrapper) -> None:
    by_kms, data = Sealer(kms).seal(CANARY, "here")
    by_secret, other = of_secrets(FIRST).seal(CANARY, "here")

    with pytest.raises(CannotOpen, match="kms:"):
        of_secrets(FIRST).open(by_kms, data, "here")
    with pytest.raises(CannotOpen, match="key:"):
        Sealer(kms).open(by_secret, other, "here")


def test_secrets_do_not_show_in_what_is_printed() -> None:
    assert FIRST not in repr(secrets(FIRST))


def test_a_key_that_cannot_be_used_is_told_before_the_worker_starts(ministack: MiniStack, kms: KmsWrapper) -> None:
    """Found out with the first poison record, it would make the shard hold."""

    def told(**environ: str) -> list[str]:
        known = {**environ, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": ministack.url}
        return unusable_key(operator_settings(known, (*KEYS, "region", "endpoint_url")))

    assert told() == told(NEARVIEW_PARKED_KEY=FIRST) == told(NEARVIEW_PARKED_KMS_KEY=kms._key_id) == []
    (line,) = told(NEARVIEW_PARKED_KMS_KEY="alias/not-there")
    assert line == "NEARVIEW_PARKED_KMS_KEY: NotFoundException: parked payloads could not be sealed"
    assert len(told(NEARVIEW_PARKED_KEY="short")) == 1
