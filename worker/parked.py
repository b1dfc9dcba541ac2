"""What an operator does with parked things: look, bring records back, release a table, throw away."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from contract.keys import DOCUMENT_SK, PARKED_PARTITION
from contract.values import Item, from_item
from worker.errors import TransientError
from worker.parking import TABLES_PK, Entry, ParkedItem, Parking, list_parked, part_key
from worker.pipeline import Pipeline
from worker.records.stream import StreamRecord
from worker.store.failures import classify

ATTEMPTS: Final = 5
RETRY_BATCH: Final = 100
"""Records that are brought back together; it bounds memory, a payload may have a megabyte."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ParkedDocument:
    """A document whose newest state did not fit; `has_body`: the last good state is there and served."""

    pk: str
    reason: str
    as_of: str
    revision: int
    has_body: bool


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one record: None when its change is durable now, else why it stays."""

    item: ParkedItem
    reason: str | None


def entry_id(item: ParkedItem) -> str:
    """A short name of an entry for the command line."""
    return hashlib.sha256(f"{item.pk}\x00{item.sk}".encode()).hexdigest()[:12]


class Parked:
    """The parking table and the index of parked documents. Everything raises FatalError or TransientError."""

    def __init__(
        self, client: Any, parked_table: str, documents_table: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._table = parked_table
        self._documents_table = documents_table
        self._sleep = sleep

    def items(self) -> list[ParkedItem]:
        """Everything in the parking table: tables, unknown tables, records in the order of their shards."""
        return self._ask("the parking table", lambda: list(list_parked(self._client, self._table)))

    def documents(self) -> list[ParkedDocument]:
        """The parked documents, by aggregate and key."""
        return self._ask("the documents table", lambda: [_document(item) for item in self._parked_documents()])

    def document(self, pk: str) -> tuple[ParkedDocument, dict[str, Any]] | None:
        """A parked document and its last good state; None if there is no such parked document."""
        key = {"pk": {"S": pk}, "sk": {"S": DOCUMENT_SK}}
        answer = self._ask(
            "the documents table",
            lambda: self._client.get_item(TableName=self._documents_table, Key=key, ConsistentRead=True),
        )
        item = answer.get("Item")
        if item is None or "_parked" not in item:
            return None
        body = {name: value for name, value in item.items() if not name.startswith("_") and name not in key}
        return _document(item), from_item(body)

    def payload(self, item: ParkedItem) -> bytes | None:
        """The whole payload of an entry; None if it is gone or some of its parts are."""
        keys = [{"pk": {"S": item.pk}, "sk": {"S": item.sk}}]
        keys += [part_key(item.sk, number) for number in range(1, item.parts + 1)]
        parts = [self._ask("the parking table", lambda key=key: self._get(key)) for key in keys]  # type: ignore[misc]
        return None if None in parts else b"".join(part for part in parts if part is not None)

    def remove(self, items: Iterable[ParkedItem]) -> None:
        """Delete entries, the parts of a payload before the item that counts them."""
        for item in items:
            keys = [part_key(item.sk, number) for number in range(1, item.parts + 1)]
            for key in [*keys, {"pk": {"S": item.pk}, "sk": {"S": item.sk}}]:
                self._delete(key)

    def release(self, table: str) -> bool:
        """Take a table's mark away; False if it had none."""
        return bool(self._delete({"pk": {"S": TABLES_PK}, "sk": {"S": table}}).get("Attributes"))

    def retry(self, items: Sequence[ParkedItem], pipeline: Pipeline, again: Again) -> Iterator[Retried]:
        """Feed records through the pipeline; an entry goes only after its record was durable and not parked again.

        Versions make it idempotent: stopped anywhere, the same call may simply be made again.
        """
        for start in range(0, len(items), RETRY_BATCH):
            whole: list[tuple[ParkedItem, StreamRecord]] = []
            for item in items[start : start + RETRY_BATCH]:
                data = self.payload(item)
                if data is None:
                    yield Retried(item, "payload_incomplete")
                else:
                    whole.append((item, _stream_record(item, data)))
            again.entries.clear()
            pipeline.process([record for _, record in whole])
            for item, _ in whole:
                yield self._settle(item, again.entries.get(item.sk))

    def _settle(self, item: ParkedItem, entry: Entry | None) -> Retried:
        if entry is None:
            self.remove([item])
            return Retried(item, None)
        if entry.pk != item.pk:  # it is parked under another table now; the parts of its payload stand there, too
            self._delete({"pk": {"S": item.pk}, "sk": {"S": item.sk}})
        return Retried(item, entry.reason)

    def _get(self, key: Item) -> bytes | None:
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return None if found is None else bytes(found["payload"]["B"])

    def _delete(self, key: Item) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(
            "the parking table",
            lambda: self._client.delete_item(TableName=self._table, Key=key, ReturnValues="ALL_OLD"),
        )
        return answer

    def _parked_documents(self) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._documents_table,
                IndexName="idx0",
                KeyConditionExpression="#partition = :parked",
                ProjectionExpression="pk, #parked, #as_of, #rev, #deleted",
                ExpressionAttributeNames={
                    "#partition": "_i0p",
                    "#parked": "_parked",
                    "#as_of": "_as_of",
                    "#rev": "_rev",
                    "#deleted": "_deleted",
                },
                ExpressionAttributeValues={":parked": {"S": PARKED_PARTITION}},
                **start,
            )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _ask(self, what: str, call: Callable[[], Result]) -> Result:
        """A few attempts, not the worker's endless ones: a person waits."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
                problem = classify(error, what)
                if attempt == ATTEMPTS or not isinstance(problem, TransientError):
                    raise problem from None
            self._sleep(0.1 * 2**attempt * (0.5 + random.random()))
        raise AssertionError("the last attempt returns or raises")


class Again:
    """Parks what a retry could not use, in its old place, and remembers it by the record's sort key."""

    def __init__(self, parking: Parking) -> None:
        self._parking = parking
        self.entries: dict[str, Entry] = {}

    @property
    def retries(self) -> int:
        """As worker.parking.Parking.retries."""
        return self._parking.retries

    def tables(self) -> dict[str, str]:
        """The parked tables with what they lack."""
        return self._parking.tables()

    def park(self, entries: Sequence[Entry]) -> None:
        """Durable when it returns."""
        self._parking.park(entries)
        self.entries.update({entry.sk: entry for entry in entries})


def _document(item: Item) -> ParkedDocument:
    return ParkedDocument(
        pk=item["pk"]["S"],
        reason=item["_parked"]["S"],
        as_of=item["_as_of"]["S"],
        revision=int(item["_rev"]["N"]),
        has_body="_deleted" not in item,
    )


def _stream_record(item: ParkedItem, data: bytes) -> StreamRecord:
    sub_sequence_number = int(item.sk.rpartition("#")[2])
    return StreamRecord(item.shard, item.sequence_number, sub_sequence_number, "", data, 0)
