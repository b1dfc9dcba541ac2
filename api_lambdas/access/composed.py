"""The gate of a Lambda, made of its settings. What checks tokens is imported when the first one comes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from api_lambdas.access import rules
from api_lambdas.access.rules import Claims, Gate
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import SettingsError, TokenSettings


class GateSettings(Protocol):
    """What a gate is made of, among the settings of any function."""

    @property
    def access_file(self) -> Path: ...

    @property
    def tokens(self) -> TokenSettings | None: ...

    @property
    def log_level(self) -> str: ...


def composed_gate(settings: GateSettings) -> Gate:
    """Raises SettingsError if tokens are to be checked and nothing says whose."""
    declared = rules.from_json(settings.access_file.read_text("utf-8"))
    tokens = settings.tokens
    if declared.wants_tokens and tokens is None:
        raise SettingsError(("JWT_ISSUER is not set, but access.yaml declares routes that take tokens",))

    def make_claims() -> Claims:
        from api_lambdas.access.jwks import FetchedKeys
        from api_lambdas.access.tokens import Tokens

        if tokens is None:  # the check above
            raise AssertionError
        return Tokens(tokens, FetchedKeys(tokens.keys_url, time.monotonic, Log(settings.log_level)), time.time)

    return Gate(declared, make_claims)
