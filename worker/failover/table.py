"""The table of regions as a failover reads and writes it, and what the table of commands shows of a closed region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from contract.regions import Facts, Override, Primary, facts, operator_write, primary_write
from contract.values import from_item, to_item
from worker.errors import FatalError
from worker.failover.plan import Failover, Step, read_record, record_pk, record_write, step_write

MILLIS: Final = 1000


@dataclass(frozen=True, slots=True)
class Commands:
    """What a region's table of commands shows: those that somebody works on, and those that have no answer."""

    held: int
    unanswered: int


class RegionsTable:
    """The items of the table of regions in this region. Raises FatalError where the table cannot be used."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def facts(self) -> Facts:
        """All that the table says; strongly consistent in this region."""
        return facts(self._items(self._table))

    def failover(self, epoch: int) -> Failover | None:
        """The record of an epoch."""
        key = to_item({"pk": record_pk(epoch)})
        item = self._call("get_item", TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        try:
            return read_record(item) if item else None
        except (KeyError, ValueError, TypeError):
            raise FatalError(f"{self._table}: the item {record_pk(epoch)} cannot be understood") from None

    def begin(self, failover: Failover, now: int) -> None:
        """Store the record unless it stands."""
        self._write(record_write(self._table, failover, now=now))

    def note(self, failover: Failover, step: Step, now: int) -> None:
        """Store how a step stands; nothing if it has ended."""
        self._write(step_write(self._table, failover, step, now=now))

    def override(self, region: str, override: Override, now: int) -> bool:
        """Say how a region stands; False if a person has said something of a later epoch."""
        return self._write(operator_write(self._table, region, override, now=now))

    def appoint(self, primary: Primary, now: int) -> bool:
        """Name the primary; False unless the epoch rises."""
        return self._write(primary_write(self._table, primary, now=now))

    def commands(self, table: str, now: int) -> Commands:
        """What the replica of the table of commands in this region shows."""
        held = unanswered = 0
        for item in self._items(table):
            values = from_item(item)
            if "answer" in values:
                continue
            claimed_until, doubt_until = int(values.get("claimed_until", 0)), int(values.get("doubt_until", 0))
            held += claimed_until * MILLIS > now
            unanswered += bool(claimed_until or doubt_until or "outcome_unknown" in values)
        return Commands(held, unanswered)

    def _items(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            answer = self._call("scan", TableName=table, ConsistentRead=True, **after)
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return found
            after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _write(self, request: dict[str, Any]) -> bool:
        try:
            self._call("update_item", **request)
        except FatalError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _code(cause) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except ClientError as error:
            raise FatalError(f"{request['TableName']}: {_code(error)}") from error
        except BotoCoreError as error:
            raise FatalError(f"{request['TableName']}: not reached in this region: {type(error).__name__}") from error
        return answer


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
