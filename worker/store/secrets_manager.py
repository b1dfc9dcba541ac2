"""Texts of secrets in AWS Secrets Manager. They are kept in memory for a minute, so a rotation is noticed at work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from worker.errors import TransientError
from worker.store.kms import failure

KEPT_SECONDS: Final = 60.0
_CURRENT: Final = "AWSCURRENT"
_PREVIOUS: Final = "AWSPREVIOUS"


def secrets_client(region: str, endpoint_url: str) -> Any:
    """It gives up soon: who asks repeats."""
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
    return boto3.client("secretsmanager", region_name=region, endpoint_url=endpoint_url or None, config=config)


class StoredSecret:
    """One secret by its ARN or name; `setting` is what errors call it. Its text stands in no error and no `repr`."""

    def __init__(self, client: Any, secret_id: str, setting: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._secret_id = secret_id
        self._setting = setting
        self._clock = clock
        self._kept: tuple[float, str] | None = None

    def text(self) -> str:
        """Its current text, at most a minute old. Raises TransientError."""
        now = self._clock()
        if self._kept is None or now - self._kept[0] > KEPT_SECONDS:
            self._kept = now, self._read(_CURRENT)
        return self._kept[1]

    def renewed(self) -> str:
        """Its current text as it is now: the one at hand was refused. Raises TransientError."""
        self._kept = None
        return self.text()

    def previous(self) -> str | None:
        """The text before the last rotation; None without one. Raises TransientError."""
        try:
            return self._read(_PREVIOUS)
        except TransientError:
            self._read(_CURRENT)  # the service answers, so there is none: it is kept for no other reason
            return None

    def _read(self, stage: str) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"{self._setting} cannot be read: {failure(error)}") from None
        text = answer.get("SecretString")
        if not text:
            raise TransientError(f"{self._setting} cannot be read: the secret holds no text")
        return str(text)
