"""Rebuilds single documents from the row store, whatever they hold, and shows what the row store has of a row."""

from __future__ import annotations

from collections.abc import Mapping as Environ
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import DOCUMENT_SK, document_pk
from contract.mapping import Mapping
from worker.errors import NearviewError, SettingsError
from worker.log import Log
from worker.operator_cli import operator_settings
from worker.projection.documents import FORGOTTEN
from worker.projection.engine import rebuild_roots
from worker.projection.flat import CLAIMED, VERSION
from worker.projection.flat_documents import holds_row, stored_rows
from worker.projection.generations import NewerGeneration
from worker.projection.operations import Condition, Get, Operation, Steps, TableName, Update, text
from worker.projection.overflow import DEFAULT_DOCUMENT_BYTES
from worker.projection.plan import make_plan
from worker.projection.roots import Root
from worker.rebuild.stored_format import claim_patiently
from worker.records.errors import TableLacks
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.store.engine import engine_store

_NO_FINGERPRINT: Final = text(FORGOTTEN)
_AS_OF_UNKNOWN: Final = "1970-01-01T00:00:00.000000Z"


class RepairError(Exception):
    """The stores cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What an image has of a row: its kept columns, None where the row was deleted."""

    columns: dict[str, Any] | None


class RowStore:
    """The rows of one deployment, and the documents made of them. Methods raise RepairError."""

    def __init__(self, mapping: Mapping, store: DynamoStore, max_document_bytes: int = DEFAULT_DOCUMENT_BYTES) -> None:
        self._plan = make_plan(mapping, max_document_bytes)
        self._aggregates = {aggregate.name: aggregate for aggregate in mapping.aggregates}
        self._store = store

    @staticmethod
    def open(
        mapping: Mapping, rows: str, documents: str, environ: Environ[str, str], *, region: str, endpoint_url: str
    ) -> RowStore:
        """With the tables' names; `environ` may say how large documents may be. Raises RepairError, as with data of a
        newer version.
        """
        try:
            limit = operator_settings(environ, ("max_document_bytes",)).max_document_bytes
            claim_patiently(dynamodb_client(region, endpoint_url), rows, Log("warning"))
            store = engine_store(region, endpoint_url, rows, documents, Log("warning"))
            return RowStore(mapping, store, limit)
        except SettingsError as error:
            raise RepairError("; ".join(error.problems)) from error
        except NearviewError as error:
            raise RepairError(str(error)) from error

    def close(self) -> None:
        """Close the store's connections."""
        self._store.close()

    def rebuild(self, documents: Sequence[tuple[str, str]]) -> None:
        """Make documents (aggregate and key) what the stored rows say, beside whatever workers do.

        A document that holds its row itself is all that is stored of it, and stays.
        """
        roots = [(self._aggregates[name], key) for name, key in documents]
        try:
            made = self._store.drive(_forget_fingerprints(roots))
            self._store.drive(rebuild_roots(self._plan, made, _AS_OF_UNKNOWN))
        except (NearviewError, NewerGeneration) as error:
            raise RepairError(str(error)) from error

    def rows(self, rows: Sequence[tuple[str, str]]) -> list[StoredRow | None]:
        """What is stored of rows (table and key text), in their order; None without an image."""
        try:
            stored = self._store.drive(stored_rows(self._plan, rows))
        except (NearviewError, TableLacks) as error:
            raise RepairError(str(error)) from error
        return [StoredRow(stored[row][1]) if row in stored else None for row in rows]


def _forget_fingerprints(roots: Sequence[Root]) -> Steps[list[Root]]:
    """A document whose fingerprint is right would be taken for right, whatever became of its body.

    Returns the documents that are made of stored rows.
    """
    keys = [document_pk(aggregate.name, key) for aggregate, key in roots]
    items = yield [Get(TableName.DOCUMENTS, pk, DOCUMENT_SK, ("_rev", VERSION, CLAIMED)) for pk in keys]
    updates: list[Operation] = [
        Update(TableName.DOCUMENTS, pk, DOCUMENT_SK, {"_fp": _NO_FINGERPRINT}, (Condition("_rev", "=", item["_rev"]),))
        for pk, item in zip(keys, items, strict=True)
        if item is not None and not holds_row(item)
    ]
    if updates:
        yield updates
    return [root for root, item in zip(roots, items, strict=True) if item is None or not holds_row(item)]
