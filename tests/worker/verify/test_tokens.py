"""Tokens made by the published rule are those that the worker makes."""

import base64
from pathlib import Path

import pytest

from worker.records.protect import TokenKey, read_secret
from worker.verify.errors import VerifyError
from worker.verify.tokens import tokens_of

SECRET = "correct horse battery staple, and 32 bytes"


@pytest.mark.parametrize("text", [SECRET, base64.b64encode(bytes(range(40))).decode(), f" {SECRET}\n"])
def test_tokens_are_those_of_the_worker(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    secret = read_secret(text)
    assert secret is not None

    for environment in (
        {"NEARVIEW_TOKEN_KEY": text, "NEARVIEW_TOKEN_KEY_ID": "k2"},
        {"NEARVIEW_TOKEN_KEY_FILE": str(tmp_path / "key"), "NEARVIEW_TOKEN_KEY_ID": "k2"},
    ):
        token = tokens_of(environment)
        assert token is not None
        for value in ("", "a@example.org", "é☃", "1.5", "true"):
            assert token(value) == TokenKey("k2", secret).token(value)


def test_without_a_key_there_are_no_tokens() -> None:
    assert tokens_of({"NEARVIEW_TOKEN_KEY": ""}) is None


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"NEARVIEW_TOKEN_KEY": "short"}, "NEARVIEW_TOKEN_KEY holds fewer than 32 bytes"),
        ({"NEARVIEW_TOKEN_KEY_FILE": "/nowhere/key"}, "NEARVIEW_TOKEN_KEY_FILE: /nowhere/key cannot be read"),
    ],
)
def test_a_key_that_is_none_is_one_line(environment: dict[str, str], line: str) -> None:
    with pytest.raises(VerifyError, match=line):
        tokens_of(environment)
