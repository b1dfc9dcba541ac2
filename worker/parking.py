"""The durable place for what cannot be used: poison records with their payload, tables whose records lack something.

Items of the parking table (pk, sk):
- `record#<table>`, `<sequence number>#<sub>`: one record with reason and payload,
- `table`, `<schema.table>`: a parked table; all its records are parked until an operator releases it,
- `unknown`, `<schema.table>`: a table that no mapping uses; noted once with its first record, not stopped.
"""

from __future__ import annotations

import datetime
import functools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.values import Item
from worker.errors import FatalError
from worker.log import Event, Log
from worker.records.errors import Reason
from worker.records.stream import StreamRecord
from worker.settings import Settings
from worker.store.dynamodb import dynamodb_client
from worker.store.failures import classify

TABLES_PK: Final = "table"
UNKNOWN_PK: Final = "unknown"
RECORD_PK_PREFIX: Final = "record#"
LONGEST_DELAY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """One entry as `nearview parked` shows it; the payload is kept apart, it may hold what must not be shown."""

    kind: str
    table: str
    reason: str
    detail: str
    shard: str
    sequence_number: str
    parked_at: str
    payload: bytes
    pk: str
    sk: str


class Parking:
    """The parking table. Every put is idempotent: a replay parks the same record in the same place."""

    def __init__(
        self,
        client: Any,
        table: str,
        log: Log,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table
        self._log = log
        self._sleep = sleep
        self._jitter = jitter

    def park_record(self, record: StreamRecord, table: str, reason: Reason, detail: str) -> None:
        """Keep one record; returns when it is durable (until then the shard waits, as it must)."""
        sk = f"{record.sequence_number}#{record.sub_sequence_number}"
        self._put(f"{RECORD_PK_PREFIX}{table}", sk, table, reason, detail, record)
        self._log.warning(
            Event.RECORD_PARKED,
            shard=record.shard_id,
            sequence_number=record.sequence_number,
            table=table,
            reason=reason,
            message=detail,
        )

    def park_table(self, record: StreamRecord, table: str, detail: str) -> None:
        """Stop one table; `detail` names the setting to change."""
        self._put(TABLES_PK, table, table, Reason.TABLE_PARKED, detail, record)
        self._log.error(Event.TABLE_PARKED, shard=record.shard_id, table=table, message=detail)

    def note_unknown_table(self, record: StreamRecord, table: str, detail: str) -> None:
        """Remember that a table arrives which no mapping uses."""
        self._put(UNKNOWN_PK, table, table, Reason.UNKNOWN_TABLE, detail, record)
        self._log.warning(Event.RECORD_PARKED, table=table, reason=Reason.UNKNOWN_TABLE, message=detail)

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""
        pages = self._patiently(lambda: list(_query(self._client, self._table, TABLES_PK)))
        return {item["sk"]["S"]: item["detail"]["S"] for page in pages for item in page}

    def _put(self, pk: str, sk: str, table: str, reason: Reason, detail: str, record: StreamRecord) -> None:
        item: Item = {
            "pk": {"S": pk},
            "sk": {"S": sk},
            "table": {"S": table},
            "reason": {"S": reason},
            "detail": {"S": detail},
            "shard": {"S": record.shard_id},
            "sequence_number": {"S": record.sequence_number},
            "parked_at": {"S": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
            "payload": {"B": record.data[:MAX_PAYLOAD_BYTES]},
            "payload_bytes": {"N": str(len(record.data))},
        }
        self._patiently(lambda: self._client.put_item(TableName=self._table, Item=item))

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Repeat until it succeeds: passing a record that is nowhere durable would lose it."""
        attempt = 0
        while True:
            try:
                return call()
            except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
                problem = classify(error, "the parking table")
                if isinstance(problem, FatalError):
                    raise problem from None
            attempt += 1
            self._log.warning(Event.STORE_RETRIED, attempt=attempt, error=str(problem))
            self._sleep(min(LONGEST_DELAY_SECONDS, 0.1 * 2 ** min(attempt, 10)) * (0.1 + 0.9 * self._jitter()))


MAX_PAYLOAD_BYTES: Final = 380_000
"""A DynamoDB item holds 400 KB; of a larger record the beginning is kept, the stream has the rest until it expires."""


def list_parked(client: Any, table: str) -> Iterator[ParkedItem]:
    """Everything parked, tables first. For operators: it scans the (small) parking table."""
    start: dict[str, Any] = {}
    found: list[ParkedItem] = []
    while True:
        answer = client.scan(TableName=table, ConsistentRead=True, **start)
        found += [_parked_item(item) for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    order = {TABLES_PK: 0, UNKNOWN_PK: 1}
    yield from sorted(found, key=lambda item: (order.get(item.kind, 2), item.table, item.sequence_number))


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
        payload=bytes(item["payload"]["B"]),
        pk=pk,
        sk=item["sk"]["S"],
    )


def _query(client: Any, table: str, pk: str) -> Iterator[list[Item]]:
    start: dict[str, Any] = {}
    while True:
        answer = client.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            **start,
        )
        yield answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def parked_tables(settings: Settings) -> list[str]:
    """One line per parked table for the health page, naming the setting to change."""
    client = _health_client(settings.region, settings.endpoint_url)
    pages = _query(client, settings.parked_table, TABLES_PK)
    return [f"{item['sk']['S']} is parked: {item['detail']['S']}" for page in pages for item in page]


@functools.cache
def _health_client(region: str, endpoint_url: str) -> Any:
    return dynamodb_client(region, endpoint_url)  # making a client costs more than the question
