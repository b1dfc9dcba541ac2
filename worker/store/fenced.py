"""A client of DynamoDB that may be kept from writing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from worker.store.dynamodb import Answer, Client

READS: Final = frozenset({"BatchGetItem", "Query"})


class FencedClient:
    """A client of DynamoDB that makes no call that writes unless it may."""

    def __init__(self, client: Client, check: Callable[[], None]) -> None:
        self._client = client
        self._check = check

    def send(self, operation: str, body: bytes) -> Any:
        """Raises TransientError instead of sending what writes while it may not."""
        if operation not in READS:
            self._check()
        return self._client.send(operation, body)

    def receive(self, exchange: Any) -> Answer:
        """As the client's."""
        return self._client.receive(exchange)

    def abandon(self, exchange: Any) -> None:
        """As the client's."""
        self._client.abandon(exchange)

    def close(self) -> None:
        """As the client's."""
        self._client.close()
