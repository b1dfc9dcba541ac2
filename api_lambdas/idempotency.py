"""The commands table: which Idempotency-Key stands for which request, and what was answered to it.

A record is written before its command is dispatched and gets the answer afterwards. Whoever holds the record's claim
dispatches; a claim ends with an answer, by being released, or when its time is over (the holder died). The monolith
recognises the key as well, so a second dispatch after an unknown outcome never has a second effect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from api_lambdas.dynamodb import ConditionFailed, DynamoDB
from api_lambdas.verdict import Answer
from contract.values import Item, from_item, to_item

RECORD_SECONDS: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller holds the claim and is to dispatch."""

    key: str
    owner: str


@dataclass(frozen=True, slots=True)
class InProgress:
    """Somebody else holds the claim, at most so much longer."""

    millis: int


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The key belongs to another command or body."""


Claim = Claimed | InProgress | OtherRequest | Answer


class IdempotencyRecords:
    """The records, by key. `clock` gives epoch seconds. Raises StoreError."""

    def __init__(self, client: DynamoDB, table: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def claim(self, key: str, request_hash: str, seconds: float) -> Claim:
        """Claim a key for `seconds`, or learn why not. A record past its expiry counts as absent."""
        now_millis = round(self._clock() * 1000)
        owner = uuid.uuid4().hex
        record = {
            "pk": key,
            "request_hash": request_hash,
            "owner": owner,
            "claimed_until": now_millis + round(seconds * 1000),
            "expires_at": now_millis // 1000 + RECORD_SECONDS,
        }
        free = "attribute_not_exists(answer) AND request_hash = :hash AND claimed_until < :millis"
        try:
            self._client.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": to_item(record),
                    "ConditionExpression": f"attribute_not_exists(pk) OR expires_at < :seconds OR ({free})",
                    "ExpressionAttributeValues": to_item(
                        {":hash": request_hash, ":millis": now_millis, ":seconds": now_millis // 1000}
                    ),
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                },
            )
        except ConditionFailed as stands:
            return _standing(stands.item or {}, key, request_hash, owner, now_millis)
        return Claimed(key, owner)

    def store(self, claimed: Claimed, answer: Answer) -> Answer:
        """Store the answer, for ever the same: another one that was first is kept and returned."""
        try:
            self._update(
                claimed,
                "SET answer = :answer, #status = :status, content_type = :type REMOVE claimed_until",
                {":answer": answer.body, ":status": answer.status, ":type": answer.content_type},
                # any holder's answer will do: the monolith answers all dispatches of a key alike
                "attribute_exists(pk) AND attribute_not_exists(answer)",
                names={"#status": "status"},
            )
        except ConditionFailed as stands:
            return (_answer(from_item(stands.item)) if stands.item else None) or answer
        return answer

    def release(self, claimed: Claimed) -> None:
        """Give the claim up, so that a repeat may dispatch at once; nothing if somebody else has it now."""
        values = {":zero": 0, ":owner": claimed.owner}
        condition = "#owner = :owner AND attribute_not_exists(answer)"
        try:
            self._update(claimed, "SET claimed_until = :zero", values, condition, names={"#owner": "owner"})
        except ConditionFailed:
            return

    def _update(
        self, claimed: Claimed, update: str, values: dict[str, Any], condition: str, names: dict[str, str]
    ) -> None:
        self._client.call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": {"pk": {"S": claimed.key}},
                "UpdateExpression": update,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": to_item(values),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )


def _standing(item: Item, key: str, request_hash: str, owner: str, now_millis: int) -> Claim:
    record = from_item(item)
    if record.get("owner") == owner:  # our own write, sent again because its reply was lost
        return Claimed(key, owner)
    if record.get("request_hash") != request_hash:
        return OtherRequest()
    return _answer(record) or InProgress(max(0, record.get("claimed_until", 0) - now_millis))


def _answer(record: dict[str, Any]) -> Answer | None:
    if "answer" not in record:
        return None
    return Answer(record["status"], record["content_type"], record["answer"])
