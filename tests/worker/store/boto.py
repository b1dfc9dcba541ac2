"""boto3 under the store: what botocore makes of the store's requests, which it checks, and of DynamoDB's answers."""

from __future__ import annotations

import re
from typing import Any

import orjson


class BotoClient:
    """Calls a boto3 client when an answer is wanted."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, operation: str, body: bytes) -> tuple[str, dict[str, Any]]:
        """The method to be called, with its arguments."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower(), orjson.loads(body)

    def receive(self, exchange: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        """Raises botocore's errors."""
        name, request = exchange
        answer: dict[str, Any] = getattr(self._client, name)(**request)
        return answer

    def abandon(self, exchange: Any) -> None:
        """Nothing has been sent."""

    def close(self) -> None:
        """It is somebody else's client."""
