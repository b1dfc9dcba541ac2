"""The tables, for the console: a document with its rows, what is parked, how far the documents are complete."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from contract.keys import DOCUMENT_SK, document_pk, key_text
from worker.console.tree import Found, look
from worker.errors import TransientError
from worker.log import Log
from worker.parked.commands import Parked, entry_id
from worker.parked.parking import NO_TABLE
from worker.parked.report import document_fields
from worker.projection.operations import Get, Steps, TableName
from worker.projection.plan import Plan
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.store.lean import LeanDynamoDB

ATTEMPTS: Final = 4
"""A person waits: the worker's own patience has no end."""
KEPT_SECONDS: Final = 5.0
"""What is parked and how far documents are complete is read at most this often."""
MOST_PARKED: Final = 500
"""Entries of one kind that are listed."""
_KINDS: Final = {"table": "tables", "unknown": "unknown_tables"}


class _Impatient:
    """Sleeps between the attempts of one question, and gives up after some."""

    def __init__(self) -> None:
        self.left = ATTEMPTS

    def __call__(self, seconds: float) -> None:
        self.left -= 1
        if self.left <= 0:
            raise TransientError("DynamoDB does not answer")
        time.sleep(seconds)


class Reader:
    """Reads only. Safe for several threads. Everything raises FatalError or TransientError."""

    def __init__(
        self,
        plan: Plan,
        region: str,
        endpoint_url: str,
        tables: dict[TableName, str],
        parked: str,
        *,
        parked_keys: bool = False,
    ) -> None:
        """With `parked_keys`, keys of parked documents are listed: business data, as for `nearview parked list`."""
        self.plan = plan
        self._parked_keys = parked_keys
        self._where = (region, endpoint_url)
        self._tables = tables
        self._parked = Parked(dynamodb_client(region, endpoint_url), parked, tables[TableName.DOCUMENTS])
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def document(self, aggregate: str, key: tuple[str, ...]) -> Found | None:
        """The document of these key columns' values, with its rows; None if there is no such aggregate."""
        found = next((known for known in self.plan.mapping.aggregates if known.name == aggregate), None)
        return None if found is None else self._drive(look(self.plan, (found, key_text(key))))

    def complete(self) -> dict[str, int | None]:
        """By source table, the commit time up to which the documents show everything, in microseconds."""
        tables = sorted(table for table in self.plan.mapping.tables if "@" not in table)
        return self._once("complete", lambda: self._drive(_marks(tables)))  # type: ignore[no-any-return]

    def parked(self) -> dict[str, Any]:
        """What is parked, without any payload: counts, and the first entries. Documents by their IDs."""
        return self._once("parked", self._read_parked)  # type: ignore[no-any-return]

    def _read_parked(self) -> dict[str, Any]:
        items, documents = self._parked.items(), self._parked.documents()
        found: dict[str, list[dict[str, Any]]] = {"tables": [], "records": [], "unknown_tables": [], "documents": []}
        for item in items:
            found[_KINDS.get(item.kind, "records")].append(
                {
                    "id": entry_id(item),
                    "table": None if item.table == NO_TABLE else item.table,
                    "reason": item.reason,
                    "detail": item.detail,
                    "parked_at": item.parked_at,
                }
            )
        for document in documents:
            found["documents"].append(document_fields(document, key=self._parked_keys))
        counts = {kind: len(entries) for kind, entries in found.items()}
        shown = {kind: entries[:MOST_PARKED] for kind, entries in found.items()}
        return {"counts": counts, "total": sum(counts.values()), **shown}

    def _once(self, name: str, read: Callable[[], Any]) -> Any:
        with self._lock:
            at, value = self._kept.get(name, (0.0, None))
            if time.monotonic() - at < KEPT_SECONDS and value is not None:
                return value
        value = read()
        with self._lock:
            self._kept[name] = (time.monotonic(), value)
        return value

    def _drive(self, steps: Steps[Any]) -> Any:
        """With a connection of its own: an answer that nobody waits for any more must not be taken for another one."""
        store = DynamoStore(LeanDynamoDB(*self._where), self._tables, Log("error"), sleep=_Impatient())
        try:
            return store.drive(steps)
        finally:
            store.close()


def _marks(tables: list[str]) -> Steps[dict[str, int | None]]:
    items = yield [Get(TableName.DOCUMENTS, document_pk("~complete", table), DOCUMENT_SK) for table in tables]
    return {
        table: int(item["commit_micros"]["N"]) if item is not None else None
        for table, item in zip(tables, items, strict=True)
    }
