"""The store that the engine runs on in production: the lean client under both tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from worker.log import Log
from worker.projection.operations import TableName
from worker.store.dynamodb import Client, DynamoStore
from worker.store.fenced import FencedClient
from worker.store.lean import LeanDynamoDB

BATCHED: Final = "batched"


def engine_store(
    region: str,
    endpoint_url: str,
    rows_table: str,
    documents_table: str,
    log: Log,
    conditional_writes: str = BATCHED,
    retried: Callable[[int], None] = lambda _: None,
    may_write: Callable[[], None] | None = None,
) -> DynamoStore:
    """The two tables by their names; `close` it in the end. Raises SettingsError for a proxy that cannot be used.

    `may_write` is asked before every call that writes, and raises TransientError while none may be made.
    """
    client: Client = LeanDynamoDB(region, endpoint_url)
    if may_write is not None:
        client = FencedClient(client, may_write)
    tables = {TableName.ROWS: rows_table, TableName.DOCUMENTS: documents_table}
    return DynamoStore(client, tables, log, batched=conditional_writes == BATCHED, retried=retried)
