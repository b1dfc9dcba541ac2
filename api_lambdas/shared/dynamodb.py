"""DynamoDB's operations, tried twice, with its refusals as exceptions."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Final, cast

from api_lambdas.shared.aws_service import NO_ANSWER, AwsService
from api_lambdas.shared.settings import Access
from contract.values import Item

PAUSE_SECONDS: Final = 0.05
CONDITION_FAILED: Final = "ConditionalCheckFailedException"
THROTTLED: Final = "ThrottlingException"
_THROTTLED: Final = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", THROTTLED})
_RETRYABLE: Final = _THROTTLED | {
    "InternalServerError",
    "LimitExceededException",
    "ServiceUnavailable",
    "TransactionConflictException",
}


class StoreError(Exception):
    """DynamoDB refused or did not answer; `retryable` says whether the caller may simply try again."""

    def __init__(self, operation: str, code: str, *, retryable: bool) -> None:
        super().__init__(f"{operation} failed: {code}")
        self.operation = operation
        self.code = code
        self.retryable = retryable

    @property
    def throttled(self) -> bool:
        """Whether the table takes no more requests for a moment."""
        return self.code in _THROTTLED


class ConditionFailed(Exception):
    """A conditional write met another state; `item` is what stands there, None if nothing does."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class DynamoDB(AwsService):
    """DynamoDB's operations by name."""

    def __init__(self, access: Access) -> None:
        super().__init__(access, "dynamodb", "DynamoDB_20120810", "1.0")

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The reply. Raises StoreError or ConditionFailed.

        Two attempts and a pause, less than 5 seconds if nothing comes: nobody waits longer. A request whose reply was
        lost is executed twice.
        """
        if not self.has_credentials:
            raise StoreError(operation, "NoCredentials", retryable=False)
        body = json.dumps(request).encode()
        try:
            return self._attempt(operation, body)
        except StoreError as error:
            if not error.retryable:
                raise
        time.sleep(PAUSE_SECONDS)
        return self._attempt(operation, body)

    def pause(self, seconds: float) -> None:
        """Wait before something is asked for again that was not there."""
        time.sleep(seconds)

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        try:
            status, reply = self.ask(operation, body)
        except NO_ANSWER as error:
            raise StoreError(operation, type(error).__name__, retryable=True) from error
        if status != http.client.OK:
            raise _refusal(operation, status, reply)
        return reply


def _refusal(operation: str, status: int, reply: dict[str, Any]) -> Exception:
    code = str(reply.get("__type", "")).rpartition("#")[2] or f"HTTP {status}"
    if code == CONDITION_FAILED:
        return ConditionFailed(cast("Item | None", reply.get("Item")))
    return StoreError(operation, code, retryable=status >= 500 or code in _RETRYABLE)
