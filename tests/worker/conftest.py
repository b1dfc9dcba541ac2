"""A worker's tables in MiniStack, made for one test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from botocore.session import Session

from contract.values import Item
from local.ministack import MiniStack
from worker.log import Log
from worker.projection.operations import TableName
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows, documents and parked tables, empty for every test."""

    client: Any
    rows: str
    documents: str
    parked: str
    endpoint_url: str

    def items(self, table: str) -> list[Item]:
        """Everything in one of them."""
        pages = self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def document(self, aggregate: str, key: str) -> Item | None:
        """A stored document."""
        answer = self.client.get_item(
            TableName=self.documents, Key={"pk": {"S": f"{aggregate}#{key}"}, "sk": {"S": "#"}}
        )
        found: Item | None = answer.get("Item")
        return found

    def store(self, log: Log) -> DynamoStore:
        """The engine's store on the rows and documents tables, with the worker's own client."""
        names = {TableName.ROWS: self.rows, TableName.DOCUMENTS: self.documents}
        return DynamoStore(LeanDynamoDB("eu-west-1", self.endpoint_url, _session()), names, log)

    def environment(self) -> dict[str, str]:
        """The settings that name them."""
        return {
            "NEARVIEW_ROWS_TABLE": self.rows,
            "NEARVIEW_DOCUMENTS_TABLE": self.documents,
            "NEARVIEW_PARKED_TABLE": self.parked,
        }


@cache
def _session() -> Session:
    """Loading DynamoDB's description takes longer than most tests."""
    session = Session()
    session.set_credentials("test", "test")
    return session


def _create(client: Any, name: str, indexes: int = 0) -> None:
    texts = ["pk", "sk", *(f"_i{number}{part}" for number in range(indexes) for part in "ps")]
    keys = [
        {
            "IndexName": f"idx{number}",
            "KeySchema": [
                {"AttributeName": f"_i{number}p", "KeyType": "HASH"},
                {"AttributeName": f"_i{number}s", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for number in range(indexes)
    ]
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": text, "AttributeType": "S"} for text in texts],
        **({"GlobalSecondaryIndexes": keys} if keys else {}),
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def tables(ministack: MiniStack) -> Iterator[Tables]:
    """Fresh tables; deleted afterwards."""
    client = ministack.client("dynamodb")
    mark = uuid.uuid4().hex[:8]
    made = Tables(client, f"rows-{mark}", f"documents-{mark}", f"parked-{mark}", ministack.url)
    for name, indexes in ((made.rows, 0), (made.documents, 4), (made.parked, 0)):
        _create(client, name, indexes)
    yield made
    for name in (made.rows, made.documents, made.parked):
        client.delete_table(TableName=name)
