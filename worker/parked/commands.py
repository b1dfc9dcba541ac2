"""What an operator does with parked things: look, bring records back, release a table, throw away."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from contract.keys import DOCUMENT_SK, PARKED_PARTITION
from contract.parts import PartsMissing
from contract.values import Item, from_item
from worker.errors import NearviewError, TransientError
from worker.parked.again import Again
from worker.parked.items import ParkedItem, list_parked
from worker.parked.parking import ALLOW_PK, TABLES_PK, Entry, part_key, place, query
from worker.pipeline import Pipeline
from worker.records.stream import StreamRecord
from worker.sealing import CannotOpen, Seal, Sealer
from worker.store.failures import classify
from worker.whole import whole

ATTEMPTS: Final = 5
RETRY_BATCH: Final = 100
"""Records that are brought back together; it bounds memory, a payload may have a megabyte."""

BEFORE_HORIZON: Final = "before_horizon"
CANNOT_OPEN: Final = "cannot_open"
INCOMPLETE: Final = "payload_incomplete"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ParkedDocument:
    """A document whose newest state did not fit; `has_body`: the last good state is there and served."""

    pk: str
    reason: str
    as_of: str
    revision: int
    has_body: bool

    @property
    def id(self) -> str:
        """A short name that says nothing of the document's key, which is data."""
        return _short(self.pk)

    @property
    def aggregate(self) -> str:
        """What it is a document of."""
        return self.pk.partition("#")[0]

    @property
    def key(self) -> str:
        """The text of its key."""
        return self.pk.partition("#")[2]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one record: None when its change is durable now, else why it stays."""

    item: ParkedItem
    reason: str | None


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload as it is stored; `seal` opens it."""

    data: bytes
    seal: Seal | None


def entry_id(item: ParkedItem) -> str:
    """A short name of an entry for the command line."""
    return _short(f"{item.pk}\x00{item.sk}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Parked:
    """The parking table and the index of parked documents. Everything raises FatalError or TransientError."""

    def __init__(
        self,
        client: Any,
        parked_table: str,
        documents_table: str,
        sleep: Callable[[float], None] = time.sleep,
        sealer: Sealer | None = None,
    ) -> None:
        self._client = client
        self._table = parked_table
        self._documents_table = documents_table
        self._sleep = sleep
        self._sealer = sealer

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
        item = self._whole(item)
        body = {name: value for name, value in item.items() if not name.startswith("_") and name not in key}
        return _document(item), from_item(body)

    def _whole(self, item: Item) -> Item:
        missing: list[PartsMissing] = []

        def read() -> Item | None:
            try:
                return whole(self._client, self._documents_table, item)
            except PartsMissing as problem:
                missing.append(problem)
                return None

        found = self._ask("the documents table", read)
        if missing:
            raise TransientError("parts of the document are not there, as while it is written: try again, or verify it")
        return found or item

    def payload(self, item: ParkedItem) -> bytes | None:
        """The whole payload of an entry, opened; None if it is gone or some of its parts are. Raises CannotOpen too."""
        stored = self.stored_payload(item)
        if stored is None:
            return None
        if stored.seal is None:
            return stored.data
        if self._sealer is None:
            where = "NEARVIEW_PARKED_KMS_KEY" if item.sealed.startswith("kms:") else "NEARVIEW_PARKED_KEY or its file"
            raise CannotOpen(f"a payload is sealed with {item.sealed}: set {where} as the worker has it")
        sealer, seal, data = self._sealer, stored.seal, stored.data
        return self._ask("the key of parked payloads", lambda: sealer.open(seal, data, place(item.pk, item.sk)))

    def stored_payload(self, item: ParkedItem) -> Payload | None:
        """The whole payload as it is stored; None if it is gone or some of its parts are."""
        head = self._ask("the parking table", lambda: self._get({"pk": {"S": item.pk}, "sk": {"S": item.sk}}))
        keys = [part_key(item.sk, number, item.mark) for number in range(1, item.parts + 1)]
        parts = [head, *(self._ask("the parking table", lambda key=key: self._get(key)) for key in keys)]  # type: ignore[misc]
        if head is None or None in parts:
            return None
        data = b"".join(bytes(part["payload"]["B"]) for part in parts if part is not None)
        if "sealed" not in head:
            return Payload(data, None)
        return Payload(data, Seal(head["sealed"]["S"], bytes(head["sealed_key"]["B"]), bytes(head["nonce"]["B"])))

    def put(self, items: Iterable[Item]) -> None:
        """Store the items of an entry, in their order; what stands there already is replaced."""
        for item in items:
            self._ask("the parking table", lambda item=item: self._client.put_item(TableName=self._table, Item=item))  # type: ignore[misc]

    def remove(self, items: Iterable[ParkedItem]) -> None:
        """Delete entries, the parts of a payload before the item that counts them."""
        for item in items:
            self._remove_parts(item)
            self._delete({"pk": {"S": item.pk}, "sk": {"S": item.sk}})

    def release(self, table: str) -> bool:
        """Take a table's mark away; False if it had none."""
        return bool(self._delete({"pk": {"S": TABLES_PK}, "sk": {"S": table}}).get("Attributes"))

    def allowances(self) -> dict[str, int]:
        """Until when (epoch seconds) shards, `*` for all of them, may park more than the limit; past ones included."""
        found = self._ask("the parking table", lambda: list(query(self._client, self._table, ALLOW_PK)))
        return {item["sk"]["S"]: int(item["until"]["N"]) for item in found}

    def allow(self, shard: str, until_seconds: int) -> None:
        """Let a shard park more than the limit until then."""
        self.put([{"pk": {"S": ALLOW_PK}, "sk": {"S": shard}, "until": {"N": str(until_seconds)}}])

    def withdraw(self, shard: str) -> None:
        """Take that back."""
        self._delete({"pk": {"S": ALLOW_PK}, "sk": {"S": shard}})

    def retry(
        self, items: Sequence[ParkedItem], pipeline: Pipeline, again: Again, horizon_millis: int | None = None
    ) -> Iterator[Retried]:
        """Feed records through the pipeline; an entry goes only after its record was durable and not parked again.

        Versions make it idempotent: stopped anywhere, the same call may simply be made again. A record that came into
        the stream before the horizon is left: the tombstone that would keep it from bringing back a row may be gone.
        """
        for start in range(0, len(items), RETRY_BATCH):
            whole: list[tuple[ParkedItem, StreamRecord]] = []
            for item in items[start : start + RETRY_BATCH]:
                found = self._record(item, horizon_millis)
                if isinstance(found, str):
                    yield Retried(item, found)
                else:
                    whole.append((item, found))
            again.entries.clear()
            pipeline.process([record for _, record in whole])
            for item, _ in whole:
                yield self._settle(item, again.entries.get(item.sk))

    def _record(self, item: ParkedItem, horizon_millis: int | None) -> StreamRecord | str:
        """The record, or why it is not tried."""
        if horizon_millis is not None and item.arrival_millis < horizon_millis:
            return BEFORE_HORIZON
        try:
            data = self.payload(item)
        except CannotOpen:
            return CANNOT_OPEN
        sub_sequence_number = int(item.sk.rpartition("#")[2])
        return (
            StreamRecord(item.shard, item.sequence_number, sub_sequence_number, "", data, item.arrival_millis)
            if data is not None
            else INCOMPLETE
        )

    def _settle(self, item: ParkedItem, entry: Entry | None) -> Retried:
        if entry is None:
            self.remove([item])
            return Retried(item, None)
        if item.mark:  # sealed anew, it has parts of its own
            self._remove_parts(item)
        if entry.pk != item.pk:  # it is parked under another table now; unsealed parts of its payload stand there, too
            self._delete({"pk": {"S": item.pk}, "sk": {"S": item.sk}})
        return Retried(item, entry.reason)

    def _remove_parts(self, item: ParkedItem) -> None:
        """Those that the item counts; of a record that two workers have sealed, the other's parts stay unread."""
        for number in range(1, item.parts + 1):
            self._delete(part_key(item.sk, number, item.mark))

    def _get(self, key: Item) -> Item | None:
        found: Item | None = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return found

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
                problem = error if isinstance(error, NearviewError) else classify(error, what)
                if attempt == ATTEMPTS or not isinstance(problem, TransientError):
                    raise problem from None
            self._sleep(0.1 * 2**attempt * (0.5 + random.random()))
        raise AssertionError("the last attempt returns or raises")


def _document(item: Item) -> ParkedDocument:
    return ParkedDocument(
        pk=item["pk"]["S"],
        reason=item["_parked"]["S"],
        as_of=item["_as_of"]["S"],
        revision=int(item["_rev"]["N"]),
        has_body="_deleted" not in item,
    )
