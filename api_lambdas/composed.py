"""The gate of a Lambda, made of its settings. What checks tokens is imported when the first one comes."""

from __future__ import annotations

import time

from api_lambdas import access
from api_lambdas.access import Claims, Gate
from api_lambdas.log import Log
from api_lambdas.settings import CommandSettings, QuerySettings, SettingsError


def composed_gate(settings: QuerySettings | CommandSettings) -> Gate:
    """Raises SettingsError if tokens are to be checked and nothing says whose."""
    declared = access.from_json(settings.access_file.read_text("utf-8"))
    tokens = settings.tokens
    if declared.wants_tokens and tokens is None:
        raise SettingsError(("JWT_ISSUER is not set, but access.yaml declares routes that take tokens",))

    def make_claims() -> Claims:
        from api_lambdas.jwks import FetchedKeys
        from api_lambdas.tokens import Tokens

        if tokens is None:  # the check above
            raise AssertionError
        return Tokens(tokens, FetchedKeys(tokens.keys_url, time.monotonic, Log(settings.log_level)), time.time)

    return Gate(declared, make_claims)
