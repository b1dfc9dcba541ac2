"""What workers and operators note about the source database, in the parking table: its incarnations, and its drift.

Items (pk, sk):
- `incarnation`, number: from which `metadata.timestamp` on it holds, why, and when it was raised,
- `drift`, `<schema.table>`: the columns last seen in its records, and what was new about them.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.values import Item
from worker.parked.parking import table_label
from worker.patience import Patience
from worker.records.drift import Drift, Ledger, What
from worker.records.incarnations import FIRST, Incarnations

INCARNATION_PK: Final = "incarnation"
DRIFT_PK: Final = "drift"
MAX_LEDGER_BYTES: Final = 350_000


@dataclass(frozen=True, slots=True)
class Raised:
    """An entry of the list of incarnations: records that DMS built from `from_micros` on have its number."""

    number: int
    from_micros: int
    raised_at: str
    why: str


class SourceNotes:
    """The notes in the parking table. Everything waits until it succeeds and raises FatalError only."""

    def __init__(self, client: Any, table: str, patience: Patience) -> None:
        self._client = client
        self._table = table
        self._patience = patience

    @property
    def retries(self) -> int:
        """How often something had to be tried again, in all."""
        return self._patience.retries

    def incarnations(self) -> Incarnations:
        """The stored list, ready to be asked."""
        return Incarnations(tuple(raised.from_micros for raised in self.raised()))

    def raised(self) -> list[Raised]:
        """The stored list, oldest first; empty as long as there is only the first incarnation."""
        return [
            Raised(int(item["sk"]["S"], 16), int(item["from"]["N"]), item["raised_at"]["S"], item["why"]["S"])
            for item in self._items(INCARNATION_PK)
        ]

    def raise_incarnation(self, from_micros: int, why: str) -> bool:
        """Append an incarnation; False if somebody else has just appended one."""
        number = FIRST + 1 + len(self.raised())
        item: Item = {
            "pk": {"S": INCARNATION_PK},
            "sk": {"S": f"{number:04x}"},
            "from": {"N": str(from_micros)},
            "raised_at": {"S": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
            "why": {"S": why},
        }
        return self._put(item, 0)

    def ledgers(self) -> dict[str, Ledger]:
        """What is known of every table that was ever seen."""
        return {item["sk"]["S"]: _ledger(item) for item in self._items(DRIFT_PK)}

    def note(self, table: str, drift: Sequence[Drift]) -> tuple[Ledger, Sequence[Drift]]:
        """Add to a table's ledger what is not there yet; return the ledger, and what was added to its events."""
        while True:
            stored = next((_ledger(item) for item in self._items(DRIFT_PK, table_label(table))), Ledger())
            ledger = stored.with_drift(drift)
            if ledger is stored:
                return stored, []
            ledger = dataclasses.replace(ledger, revision=stored.revision + 1)
            if self._put_ledger(table_label(table), ledger):
                return ledger, [one for one in ledger.events if one not in stored.events]

    def _put_ledger(self, table: str, ledger: Ledger) -> bool:
        columns = json.dumps(ledger.columns, ensure_ascii=False)
        events = json.dumps([dataclasses.astuple(one) for one in ledger.events], ensure_ascii=False)
        if len(columns.encode()) + len(events.encode()) > MAX_LEDGER_BYTES:
            return True  # a table of absurd names has no ledger: it must not stop the shard
        item: Item = {
            "pk": {"S": DRIFT_PK},
            "sk": {"S": table},
            "columns": {"S": columns},
            "events": {"S": events},
            "revision": {"N": str(ledger.revision)},
        }
        return self._put(item, ledger.revision - 1)

    def _put(self, item: Item, revision: int) -> bool:
        """Store an item if the one that is there has this revision; 0: if none is there."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if revision:
            condition = {
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": {":revision": {"N": str(revision)}},
            }
        done: list[bool] = []

        def put(_: object) -> None:
            try:
                self._client.put_item(TableName=self._table, Item=item, **condition)
                done.append(True)
            except self._client.exceptions.ConditionalCheckFailedException:
                done.append(False)

        self._patience.all(put, [None])
        return done[-1]

    def _items(self, pk: str, sk: str | None = None) -> list[Item]:
        found: list[Item] = []

        def read(_: object) -> None:
            found[:] = _query(self._client, self._table, pk, sk)

        self._patience.all(read, [None])
        return found


def _query(client: Any, table: str, pk: str, sk: str | None) -> Iterator[Item]:
    values: Item = {":pk": {"S": pk}, **({":sk": {"S": sk}} if sk is not None else {})}
    start: dict[str, Any] = {}
    while True:
        answer = client.query(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk" + (" AND sk = :sk" if sk is not None else ""),
            ExpressionAttributeValues=values,
            **start,
        )
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _ledger(item: Item) -> Ledger:
    events = tuple(Drift(What(entry[0]), *entry[1:]) for entry in json.loads(item["events"]["S"]))
    return Ledger(json.loads(item["columns"]["S"]), events, int(item["revision"]["N"]))
