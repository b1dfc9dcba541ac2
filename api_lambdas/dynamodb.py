"""The connection to DynamoDB; the only importer of the AWS SDK here, which is botocore alone: boto3 starts slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract.values import Item

_RETRYABLE: Final = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
CONDITION_FAILED: Final = "ConditionalCheckFailedException"


class StoreError(Exception):
    """DynamoDB refused or did not answer; `retryable` says whether the caller may simply try again."""

    def __init__(self, operation: str, code: str, *, retryable: bool) -> None:
        super().__init__(f"{operation} failed: {code}")
        self.operation = operation
        self.code = code
        self.retryable = retryable


class ConditionFailed(Exception):
    """A conditional write met another state; `item` is what stands there, None if nothing does."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


def connect(region: str) -> Any:
    """A client that answers or fails within 5 seconds: two attempts and a pause; nobody waits for it longer."""
    config = Config(
        connect_timeout=0.5,
        read_timeout=1.5,
        retries={"mode": "standard", "total_max_attempts": 2},
        user_agent_extra="nearview",
    )
    return botocore.session.Session().create_client("dynamodb", region_name=region, config=config)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turns the SDK's exceptions into StoreError and ConditionFailed."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code == CONDITION_FAILED:
            raise ConditionFailed(cast("Item | None", error.response.get("Item"))) from error
        raise StoreError(operation, code, retryable=code in _RETRYABLE) from error
    except BotoCoreError as error:  # no connection, no answer in time
        raise StoreError(operation, type(error).__name__, retryable=True) from error
