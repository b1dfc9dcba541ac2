"""The lease table as a replay reads and changes it. The only module here that calls DynamoDB for leases."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from contract.values import Item
from worker.errors import FatalError, TransientError
from worker.replay.plan import Change, Position
from worker.replay.updates import LEASE, Update, new_lease, position_of, reset, reset_if
from worker.store.failures import back_off_seconds, classify

ATTEMPTS: Final = 8
FIRST_DELAY_SECONDS: Final = 0.1
WHAT: Final = "the lease table"

Result = TypeVar("Result")


class LeaseRows:
    """The leases of one application, in either layout. Everything raises FatalError with one line."""

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._dynamodb = dynamodb
        self.table = table
        self._sleep = sleep
        self._jitter = jitter

    def rows(self) -> dict[str, Item]:
        """The rows of all leases by shard; KCL's other rows, and what has no checkpoint, are left out."""
        found: dict[str, Item] = {}
        start: dict[str, Any] = {}
        while True:
            answer = self._ask(
                lambda start=start: self._dynamodb.scan(TableName=self.table, ConsistentRead=True, **start)  # type: ignore[misc]
            )
            for row in answer["Items"]:
                if row.get("entityType", {}).get("S", LEASE) == LEASE and "checkpoint" in row:
                    found[row["leaseKey"]["S"]] = row
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def apply(self, change: Change, typed: bool) -> Item | None:
        """Reset the lease, or make it if there is none; return the row as it was until then, None if there was none.

        KCL may make or delete the row at any moment, so whichever of the two is refused, the other is tried.
        """
        for _ in range(ATTEMPTS):
            old = self._update(change.shard.name, reset(change.position, change.parents))
            if old is not None:
                return old
            if self._insert(new_lease(change, typed)):
                return None
        raise FatalError(f"{self.table}: the lease of {change.shard.name} is made and deleted again and again")

    def put_back(self, shard: str, position: Position) -> bool:
        """Set the checkpoint to `position` unless it has come so far by itself, or its lease is gone."""
        for _ in range(ATTEMPTS):
            row = self._row(shard)
            if row is None:
                return False
            seen = position_of(row)
            if not seen.is_before(position):
                return False
            if self._update(shard, reset_if(position, seen)) is not None:
                return True
        raise FatalError(f"{self.table}: the checkpoint of {shard} moves faster than it can be set: try again")

    def _row(self, shard: str) -> Item | None:
        key = {"leaseKey": {"S": shard}}
        answer = self._ask(lambda: self._dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True))
        row: Item | None = answer.get("Item")
        return row

    def _update(self, shard: str, update: Update) -> Item | None:
        """The row as it was; None if the condition did not hold."""
        arguments: dict[str, Any] = {
            "TableName": self.table,
            "Key": {"leaseKey": {"S": shard}},
            "UpdateExpression": update.expression,
            "ConditionExpression": update.condition,
            "ExpressionAttributeValues": update.values,
            "ReturnValues": "ALL_OLD",
        }
        answer = self._conditional(lambda: self._dynamodb.update_item(**arguments))
        return None if answer is None else dict(answer.get("Attributes", {}))

    def _insert(self, row: Item) -> bool:
        arguments: dict[str, Any] = {
            "TableName": self.table,
            "Item": row,
            "ConditionExpression": "attribute_not_exists(leaseKey)",
        }
        return self._conditional(lambda: self._dynamodb.put_item(**arguments)) is not None

    def _conditional(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        def answer() -> dict[str, Any] | None:
            try:
                return call()
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return None

        return self._ask(answer)

    def _ask(self, call: Callable[[], Result]) -> Result:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
                problem = classify(error, f"{WHAT} {self.table}")
                if attempt == ATTEMPTS or not isinstance(problem, TransientError):
                    raise FatalError(str(problem)) from None
            self._sleep(back_off_seconds(FIRST_DELAY_SECONDS, attempt, self._jitter()))
        raise AssertionError("the last attempt returns or raises")
