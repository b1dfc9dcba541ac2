"""The durable place for what cannot be used: poison records with their payload, tables whose records lack something.

Items of the parking table (pk, sk):
- `record#<table>`, `<shard>#<sequence number>#<sub>`: one record with reason and payload,
- `part#<sk of the record>`, `001` and so on: the rest of a payload that is too long for one item,
- `table`, `<schema.table>`: a parked table; all its records are parked until an operator releases it,
- `unknown`, `<schema.table>`: a table that no mapping uses; noted once with its first record, not stopped.
"""

from __future__ import annotations

import datetime
import functools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.values import Item
from worker.log import Event, Log
from worker.patience import Patience
from worker.records.errors import Reason
from worker.records.stream import StreamRecord
from worker.settings import Settings
from worker.store.dynamodb import dynamodb_client

TABLES_PK: Final = "table"
UNKNOWN_PK: Final = "unknown"
RECORD_PK_PREFIX: Final = "record#"
PART_PK_PREFIX: Final = "part#"
NO_TABLE: Final = "?"
"""Stands for the table of a record that does not say which."""

PART_BYTES: Final = 380_000
"""A DynamoDB item holds 400 KB; a longer payload is kept in parts."""
MAX_LABEL_BYTES: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to park, and why. `detail` holds no column value."""

    pk: str
    sk: str
    table: str
    reason: Reason
    detail: str
    record: StreamRecord


def record_entry(record: StreamRecord, table: str, reason: Reason, detail: str) -> Entry:
    """One record that cannot be used, with its whole payload."""
    label = table_label(table)
    sk = f"{record.shard_id}#{record.sequence_number}#{record.sub_sequence_number}"
    return Entry(f"{RECORD_PK_PREFIX}{label}", sk, label, reason, detail, record)


def table_entry(record: StreamRecord, table: str, detail: str) -> Entry:
    """A table to stop; `detail` names the setting to change."""
    label = table_label(table)
    return Entry(TABLES_PK, label, label, Reason.TABLE_PARKED, detail, record)


def unknown_table_entry(record: StreamRecord, table: str, detail: str) -> Entry:
    """A table that arrives and that no mapping uses, with its first record."""
    label = table_label(table)
    return Entry(UNKNOWN_PK, label, label, Reason.UNKNOWN_TABLE, detail, record)


def table_label(table: str) -> str:
    """A table's name as a key can hold it: a poison record may name none, or one that is no text at all."""
    known = "".join(character if character.isprintable() else "?" for character in table)
    return known.encode()[:MAX_LABEL_BYTES].decode(errors="ignore") or NO_TABLE


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
        self._patience = Patience("the parking table", log, sleep, jitter)

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""
        return self._patience.retries

    def park(self, entries: Sequence[Entry]) -> None:
        """Keep all of them; returns when they are durable (until then the shard waits, as it must).

        Raises FatalError only. One log line tells of all entries with the same reason.
        """
        distinct = {(entry.pk, entry.sk): entry for entry in reversed(entries)}
        self._patience.all(self._put, list(distinct.values()))
        for entry in distinct.values():
            if entry.pk == TABLES_PK:
                self._log.error(
                    Event.TABLE_PARKED, shard=entry.record.shard_id, table=entry.table, message=entry.detail
                )
        self._summarise([entry for entry in entries if entry.pk != TABLES_PK])

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""
        found: dict[str, str] = {}

        def read(pk: str) -> None:
            found.update({item["sk"]["S"]: item["detail"]["S"] for item in _query(self._client, self._table, pk)})

        self._patience.all(read, [TABLES_PK])
        return found

    def _summarise(self, entries: Sequence[Entry]) -> None:
        counts = Counter(entry.reason for entry in entries)
        for reason, count in counts.items():
            first = next(entry for entry in entries if entry.reason is reason)
            self._log.warning(
                Event.RECORD_PARKED,
                shard=first.record.shard_id,
                sequence_number=first.record.sequence_number,
                table=first.table,
                reason=reason,
                message=first.detail,
                count=count,
            )

    def _put(self, entry: Entry) -> None:
        """The parts before the item that counts them: whoever sees it can read the whole payload."""
        for item in _items(entry):
            self._client.put_item(TableName=self._table, Item=item)


def _items(entry: Entry) -> Iterator[Item]:
    data = entry.record.data
    later = range(PART_BYTES, len(data), PART_BYTES) if entry.pk.startswith(RECORD_PK_PREFIX) else ()
    for number, start in enumerate(later, start=1):
        key = part_key(entry.sk, number)
        yield {**key, "payload": {"B": data[start : start + PART_BYTES]}}
    yield {
        "pk": {"S": entry.pk},
        "sk": {"S": entry.sk},
        "table": {"S": entry.table},
        "reason": {"S": entry.reason},
        "detail": {"S": entry.detail},
        "shard": {"S": entry.record.shard_id},
        "sequence_number": {"S": entry.record.sequence_number},
        "parked_at": {"S": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        "payload": {"B": data[:PART_BYTES]},
        "payload_bytes": {"N": str(len(data))},
        "parts": {"N": str(len(later))},
    }


def part_key(sk: str, number: int) -> Item:
    """Key of a further part of a record's payload; the first part is in the record's own item."""
    return {"pk": {"S": f"{PART_PK_PREFIX}{sk}"}, "sk": {"S": f"{number:03d}"}}


@dataclass(frozen=True, slots=True)
class ParkedItem:
    """One entry without its payload, which may hold what must not be shown. `kind`: record, table or unknown."""

    kind: str
    table: str
    reason: str
    detail: str
    shard: str
    sequence_number: str
    parked_at: str
    payload_bytes: int
    parts: int
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
        pk=pk,
        sk=item["sk"]["S"],
    )


def _query(client: Any, table: str, pk: str) -> Iterator[Item]:
    start: dict[str, Any] = {}
    while True:
        answer = client.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ProjectionExpression="sk, detail",
            ExpressionAttributeValues={":pk": {"S": pk}},
            **start,
        )
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def parked_tables(settings: Settings) -> list[str]:
    """One line per parked table for the health page, naming the setting to change."""
    client = _health_client(settings.region, settings.endpoint_url)
    items = _query(client, settings.parked_table, TABLES_PK)
    return [f"{item['sk']['S']} is parked: {item['detail']['S']}" for item in items]


@functools.cache
def _health_client(region: str, endpoint_url: str) -> Any:
    return dynamodb_client(region, endpoint_url)  # making a client costs more than the question
