"""The table of events: an effect for every id, and a receipt of every region for what it was handed.

Conditional writes are decided by each region alone, and of two regions' writes of an item the later one stays. Both
do no harm to the effect, because its item is the same wherever the event comes from. Two different events under one
id, in two regions at once, are accepted by both; then one effect stays, the same everywhere, and the receipts show
both.
"""

from __future__ import annotations

from typing import Any, Final

from api_lambdas.events.content import EFFECT, Content, Outcome, effect_item, receipt_item
from api_lambdas.shared.dynamodb import ConditionFailed, DynamoDB
from contract.values import from_item, to_item

_ABSENT: Final = "attribute_not_exists(pk)"


class EventRecords:
    """Effects and receipts of a region. Raises StoreError."""

    def __init__(self, client: DynamoDB, table: str, region: str) -> None:
        self._client = client
        self._table = table
        self._region = region

    def store(self, event: Content) -> Outcome:
        """Make the event's effect, unless it is there or the id is another event's. Any number of times.

        The receipt is written last and with every repeat: who died before it is repeated.
        """
        outcome = Outcome.STORED
        try:
            self._put(effect_item(event))
        except ConditionFailed as stands:
            if from_item(stands.item or {}).get("sha256") != event.sha256:
                outcome = Outcome.REFUSED
        self._receipt(event, outcome)
        return outcome

    def refuse(self, event: Content) -> None:
        """Record that an event came under an id that is another one's."""
        self._receipt(event, Outcome.REFUSED)

    def effect(self, id_: str) -> str | None:
        """The hash of the event whose effect stands in this region under an id."""
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": id_, "sk": EFFECT}),
            "ConsistentRead": True,
            "ProjectionExpression": "sha256",
        }
        found = self._client.call("GetItem", request).get("Item")
        return str(from_item(found)["sha256"]) if found else None

    def _receipt(self, event: Content, outcome: Outcome) -> None:
        """What was done first with an event is what counts."""
        try:
            self._put(receipt_item(event, self._region, outcome))
        except ConditionFailed:
            return

    def _put(self, item: dict[str, Any]) -> None:
        self._client.call(
            "PutItem",
            {
                "TableName": self._table,
                "Item": to_item(item),
                "ConditionExpression": _ABSENT,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )
