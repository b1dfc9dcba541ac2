"""The store that the engine runs on in production: the lean client under both tables."""

from __future__ import annotations

from worker.log import Log
from worker.projection.operations import TableName
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB


def engine_store(region: str, endpoint_url: str, rows_table: str, documents_table: str, log: Log) -> DynamoStore:
    """The two tables by their names; `close` it in the end."""
    client = LeanDynamoDB(region, endpoint_url)
    return DynamoStore(client, {TableName.ROWS: rows_table, TableName.DOCUMENTS: documents_table}, log)
