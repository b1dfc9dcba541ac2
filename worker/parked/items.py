"""What is in the parking table, as operators look at it: without payloads."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.values import Item
from worker.parked.parking import RECORD_PK_PREFIX, TABLES_PK, UNKNOWN_PK, table_label


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """One entry without its payload, which may hold what must not be shown. `kind`: record, table or unknown.

    `sealed`: the name of the key that its payload is sealed with, empty if it is not. `mark`: of its parts' keys.
    `arrival_millis`: when its record came into the stream; if that was not noted, when it was parked.
    """

    kind: str
    table: str
    reason: str
    detail: str
    shard: str
    sequence_number: str
    parked_at: str
    payload_bytes: int
    parts: int
    sealed: str
    mark: str
    arrival_millis: int
    pk: str
    sk: str


def list_parked(client: Any, table: str) -> Iterator[ParkedItem]:
    """Everything parked, tables first. For operators: it scans the (small) parking table."""
    start: dict[str, Any] = {}
    found: list[ParkedItem] = []
    while True:
        answer = client.scan(TableName=table, ConsistentRead=True, **_LISTING, **start)
        found += [_parked_item(item) for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    order = {TABLES_PK: 0, UNKNOWN_PK: 1}
    yield from sorted(found, key=lambda item: (order.get(item.kind, 2), item.table, item.shard, item.sequence_number))


def list_of_table(client: Any, table: str, source_table: str, most: int) -> list[ParkedItem]:
    """The first parked records of one source table, by shard and sequence number; a query, no scan."""
    start: dict[str, Any] = {}
    found: list[ParkedItem] = []
    while True:
        answer = client.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": RECORD_PK_PREFIX + table_label(source_table)}},
            ProjectionExpression=_LISTING["ProjectionExpression"],
            ExpressionAttributeNames=_LISTING["ExpressionAttributeNames"],
            Limit=most,
            **start,
        )
        found += map(_parked_item, answer["Items"])
        if "LastEvaluatedKey" not in answer or len(found) >= most:
            return found[:most]
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


_SHOWN: Final = (
    "pk",
    "sk",
    "table",
    "reason",
    "detail",
    "shard",
    "sequence_number",
    "parked_at",
    "payload_bytes",
    "parts",
    "sealed",
    "nonce",
    "arrival_millis",
)
_LISTING: Final[dict[str, Any]] = {
    "FilterExpression": "attribute_exists(reason)",  # the parts of long payloads have none
    "ProjectionExpression": ", ".join(f"#{name}" for name in _SHOWN),
    "ExpressionAttributeNames": {f"#{name}": name for name in _SHOWN},
}


def _parked_item(item: Item) -> ParkedItem:
    pk = item["pk"]["S"]
    return ParkedItem(
        kind="record" if pk.startswith(RECORD_PK_PREFIX) else pk,
        table=item["table"]["S"],
        reason=item["reason"]["S"],
        detail=item["detail"]["S"],
        shard=item["shard"]["S"],
        sequence_number=item["sequence_number"]["S"],
        parked_at=item["parked_at"]["S"],
        payload_bytes=int(item["payload_bytes"]["N"]),
        parts=int(item["parts"]["N"]),
        sealed=item["sealed"]["S"] if "sealed" in item else "",
        arrival_millis=_arrival(item),
        mark=bytes(item["nonce"]["B"]).hex() if "nonce" in item else "",
        pk=pk,
        sk=item["sk"]["S"],
    )


def _arrival(item: Item) -> int:
    noted = int(item["arrival_millis"]["N"]) if "arrival_millis" in item else 0
    return noted or int(datetime.datetime.fromisoformat(item["parked_at"]["S"]).timestamp() * 1000)
