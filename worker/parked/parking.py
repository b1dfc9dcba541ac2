"""The durable place for what cannot be used: poison records with their payload, tables whose records lack something.

Items of the parking table (pk, sk):
- `record#<table>`, `<shard>#<sequence number>#<sub>`: one record with reason and payload, sealed if there is a key,
- `part#<sk of the record>`, `001` or `<nonce>#001` and so on: the rest of a payload that is too long for one item,
- `table`, `<schema.table>`: a parked table; all its records are parked until an operator releases it,
- `unknown`, `<schema.table>`: a table that no mapping uses; noted once with its first record, not stopped,
- `allow`, `<shard>` or `*`: until when an operator lets more be parked than the limit.
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
from worker import pulse
from worker.log import Event, Log
from worker.parked.limit import Telling
from worker.patience import Patience
from worker.records.errors import Reason
from worker.records.stream import StreamRecord
from worker.sealing import Seal, Sealer
from worker.settings import Settings
from worker.store.dynamodb import dynamodb_client

TABLES_PK: Final = "table"
UNKNOWN_PK: Final = "unknown"
ALLOW_PK: Final = "allow"
ALL_SHARDS: Final = "*"
RECORD_PK_PREFIX: Final = "record#"
PART_PK_PREFIX: Final = "part#"
NO_TABLE: Final = "?"
"""Stands for the table of a record that does not say which."""

PART_BYTES: Final = 380_000
"""A DynamoDB item holds 400 KB; a longer payload is kept in parts."""
SEAL_BYTES: Final = 16
"""How much longer a payload is when it is sealed."""
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
        sleep: Callable[[float], None] = pulse.sleep,
        jitter: Callable[[], float] = random.random,
        sealer: Sealer | None = None,
        telling: Telling | None = None,
        clock: Callable[[], float] = time.time,
        retried: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Payloads are sealed by `sealer`; `telling` hears that the shard waits for the table, `retried` of retries."""
        self._client = client
        self._table = table
        self._log = log
        self._sealer = sealer
        self._clock = clock
        self._patience = Patience("the parking table", log, sleep, jitter, telling=telling, retried=retried)

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
            found.update({item["sk"]["S"]: item["detail"]["S"] for item in query(self._client, self._table, pk)})

        self._patience.all(read, [TABLES_PK])
        return found

    def is_allowed(self, shard: str) -> bool:
        """Whether an operator lets more of the shard's records be parked than the limit, now."""
        untils: list[float] = []

        def read(pk: str) -> None:
            untils[:] = [
                float(item["until"]["N"])
                for item in query(self._client, self._table, pk)
                if item["sk"]["S"] in (shard, ALL_SHARDS)
            ]

        self._patience.all(read, [ALLOW_PK])
        return any(self._clock() < until for until in untils)

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
        for item in stored_items(entry, self._sealer):
            self._client.put_item(TableName=self._table, Item=item)


def stored_items(entry: Entry, sealer: Sealer | None = None, parked_at: str | None = None) -> Iterator[Item]:
    """The items of an entry, the one that counts the others last. Of a table's first record what fits one is kept."""
    parked_at = parked_at or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    data, seal = entry.record.data, None
    if not entry.pk.startswith(RECORD_PK_PREFIX):
        data = data[: PART_BYTES - SEAL_BYTES]
    if sealer is not None:
        seal, data = sealer.seal(data, place(entry.pk, entry.sk))
    head: Item = {
        "pk": {"S": entry.pk},
        "sk": {"S": entry.sk},
        "table": {"S": entry.table},
        "reason": {"S": entry.reason},
        "detail": {"S": entry.detail},
        "shard": {"S": entry.record.shard_id},
        "sequence_number": {"S": entry.record.sequence_number},
        "parked_at": {"S": parked_at},
        "arrival_millis": {"N": str(entry.record.arrival_millis)},
        "payload_bytes": {"N": str(len(entry.record.data))},
    }
    yield from with_payload(head, seal, data)


def with_payload(head: Item, seal: Seal | None, data: bytes) -> Iterator[Item]:
    """An entry's items: those with the later parts of its payload, sealed or not, before the one that counts them."""
    later = range(PART_BYTES, len(data), PART_BYTES)
    mark = seal.nonce.hex() if seal else ""
    for number, start in enumerate(later, start=1):
        yield {**part_key(head["sk"]["S"], number, mark), "payload": {"B": data[start : start + PART_BYTES]}}
    sealed: Item = {}
    if seal is not None:
        sealed = {"sealed": {"S": seal.by}, "sealed_key": {"B": seal.wrapped}, "nonce": {"B": seal.nonce}}
    yield {**head, "payload": {"B": data[:PART_BYTES]}, "parts": {"N": str(len(later))}, **sealed}


def place(pk: str, sk: str) -> str:
    """What a payload is sealed to."""
    return f"{pk}\n{sk}"


def part_key(sk: str, number: int, mark: str) -> Item:
    """Key of a further part of a record's payload; the first part is in the record's own item.

    `mark`: of a sealed payload its nonce. Two workers that park the same record seal it differently, so their parts
    must not meet.
    """
    return {"pk": {"S": f"{PART_PK_PREFIX}{sk}"}, "sk": {"S": f"{mark}#{number:03d}" if mark else f"{number:03d}"}}


def query(client: Any, table: str, pk: str) -> Iterator[Item]:
    """Sort keys, details and ends of a partition's items, without any payload."""
    start: dict[str, Any] = {}
    while True:
        answer = client.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ProjectionExpression="sk, detail, #until",
            ExpressionAttributeNames={"#until": "until"},
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
    items = query(client, settings.parked_table, TABLES_PK)
    return [f"{item['sk']['S']} is parked: {item['detail']['S']}" for item in items]


@functools.cache
def _health_client(region: str, endpoint_url: str) -> Any:
    return dynamodb_client(region, endpoint_url)  # making a client costs more than the question
