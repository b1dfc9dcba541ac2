"""The store that the engine runs on in production: the lean client under both tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from worker.log import Log
from worker.projection.operations import TableName
from worker.store.dynamodb import DynamoStore
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
) -> DynamoStore:
    """The two tables by their names; `close` it in the end. Raises SettingsError for a proxy that cannot be used."""
    client = LeanDynamoDB(region, endpoint_url)
    tables = {TableName.ROWS: rows_table, TableName.DOCUMENTS: documents_table}
    return DynamoStore(client, tables, log, batched=conditional_writes == BATCHED, retried=retried)
