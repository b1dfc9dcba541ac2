"""The issuer's keys: kept, renewed, and rotated."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api_lambdas.access import jwks
from api_lambdas.access.jwks import (
    AGAIN_SECONDS,
    KEPT_SECONDS,
    MAX_BYTES,
    MAX_KEYS,
    FetchedKeys,
    NotFetched,
    fetch,
    read_keys,
)
from api_lambdas.shared.http import Kind, Problem
from api_lambdas.shared.log import Log
from tests.api_lambdas.issuer import Issuer, ec_key, issuer, jwk, rsa_key


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def published() -> Iterator[Issuer]:
    with issuer(jwk(rsa_key(0), "k1")) as found:
        yield found


@pytest.fixture
def keys(published: Issuer, clock: Clock) -> FetchedKeys:
    return FetchedKeys(published.url, clock, Log("error"))


def test_keys_are_fetched_once_and_kept(published: Issuer, keys: FetchedKeys, clock: Clock) -> None:
    """Until they are old."""
    for _ in range(3):
        keys.edition()
        assert len(keys.find("RS256", "k1")) == 1
    assert published.asked == 1
    clock.now += KEPT_SECONDS
    keys.edition()
    assert published.asked == 2


def test_only_keys_of_the_name_and_the_algorithm_are_found(published: Issuer, keys: FetchedKeys) -> None:
    """A token without a key's name may be signed by any of them."""
    published.publish(jwk(rsa_key(0), "k1"), jwk(ec_key(0), "k2"), jwk(rsa_key(2), "k3"))
    keys.edition()

    assert [len(keys.find("RS256", kid)) for kid in ("k1", "k3", "k2", None)] == [1, 1, 0, 2]
    assert [len(keys.find("ES256", kid)) for kid in ("k1", "k2", None)] == [0, 1, 1]


def test_a_new_key_is_found_at_once_and_an_old_one_ends(published: Issuer, keys: FetchedKeys, clock: Clock) -> None:
    """Rotation: a token with an unknown key is a reason to look, but not for every such token."""
    before = keys.edition()
    published.publish(jwk(rsa_key(2), "k2"))
    clock.now += AGAIN_SECONDS

    assert len(keys.find("RS256", "k2")) == 1
    assert keys.find("RS256", "k1") == []
    assert keys.edition() != before
    asked = published.asked
    for _ in range(50):
        keys.find("RS256", "made-up")
    assert published.asked == asked
    clock.now += AGAIN_SECONDS
    keys.find("RS256", "made-up")
    assert published.asked == asked + 1


@pytest.mark.parametrize("broken", ["status", "empty", "no keys", "too large"])
def test_an_outage_of_the_issuer_locks_nobody_out(
    published: Issuer, keys: FetchedKeys, clock: Clock, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Known keys stay in force; there is one try in a while, and a line in the log for each."""
    edition = keys.edition()
    published.status, published.body = {
        "status": (503, b""),
        "empty": (200, b""),
        "no keys": (200, b'{"keys": []}'),
        "too large": (200, b" " * (MAX_BYTES + 1)),
    }[broken]
    clock.now += KEPT_SECONDS

    for _ in range(5):
        assert keys.edition() == edition
        assert len(keys.find("RS256", "k1")) == 1
    assert published.asked == 2
    logged = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert logged == ["keys_not_fetched"]


def test_without_any_keys_tokens_cannot_be_checked(published: Issuer, keys: FetchedKeys, clock: Clock) -> None:
    """That is not the caller's fault: 503, and soon another try."""
    published.status = 500
    with pytest.raises(Problem) as caught:
        keys.find("RS256", "k1")
    assert caught.value.kind is Kind.KEYS_UNAVAILABLE
    published.status = 200
    clock.now += AGAIN_SECONDS

    assert len(keys.find("RS256", "k1")) == 1


def test_an_issuer_that_says_nothing_is_given_up(published: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers wait meanwhile."""
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.05)
    published.stalled.clear()

    with pytest.raises(NotFetched, match="TimeoutError"):
        fetch(published.url)

    published.stalled.set()


def test_the_whole_address_is_asked_for(published: Issuer) -> None:
    """Its query, too; a path may be missing."""
    base = published.url.removesuffix("/.well-known/jwks.json")
    for url in (f"{base}/keys?tenant=1", f"{base}?tenant=1", base):
        fetch(url)

    assert published.paths == ["/keys?tenant=1", "/?tenant=1", "/"]


def test_no_more_keys_are_read_than_an_issuer_needs() -> None:
    documents = [jwk(rsa_key(0), f"k{number}") for number in range(MAX_KEYS + 5)]

    assert len(read_keys(json.dumps({"keys": documents}).encode())) == MAX_KEYS


def test_the_same_keys_again_are_no_other_edition(keys: FetchedKeys, clock: Clock) -> None:
    """Signatures that were computed stay good."""
    before = keys.edition()
    clock.now += KEPT_SECONDS

    assert keys.edition() == before


def test_nobody_there_is_a_reason() -> None:
    with pytest.raises(NotFetched, match="ConnectionRefusedError"):
        fetch("http://127.0.0.1:1/keys")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": 1}', '{"keys": [1]}', '{"keys": [{"kty": "oct", "k": "AA"}]}', "[" * 5000]
)
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(NotFetched):
        read_keys(text.encode())


def test_an_unsound_key_does_not_spoil_the_others() -> None:
    """Sets have keys for encryption, too, and of other algorithms."""
    good = jwk(rsa_key(0), "k1")
    found = read_keys(
        json.dumps({"keys": [{"kty": "oct"}, {**good, "use": "enc"}, jwk(rsa_key(1, 1024), "short"), good]}).encode()
    )

    assert [kid for kid, _ in found] == ["k1"]
