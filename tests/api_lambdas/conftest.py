"""A documents table and a commands table in MiniStack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from local.ministack import MiniStack
from tests.api_lambdas.support import Tables


@pytest.fixture(scope="session")
def _created(ministack: MiniStack) -> Iterator[Tables]:
    suffix = uuid.uuid4().hex[:8]
    tables = Tables(ministack.client("dynamodb"), f"api-documents-{suffix}", f"api-commands-{suffix}")
    _create(tables)
    yield tables
    tables.client.delete_table(TableName=tables.documents)
    tables.client.delete_table(TableName=tables.commands)


@pytest.fixture
def tables(_created: Tables) -> Iterator[Tables]:
    """Shared tables; a test uses keys of its own."""
    _created.operations.clear()
    yield _created
    _created.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Values no other test uses."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex}"


def _create(tables: Tables) -> None:
    slots = range(4)
    names = ["pk", "sk", *(f"_i{slot}{part}" for slot in slots for part in "ps")]
    tables.client.create_table(
        TableName=tables.documents,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_key_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"idx{slot}",
                "KeySchema": _key_schema(f"_i{slot}p", f"_i{slot}s"),
                "Projection": {"ProjectionType": "ALL"},
            }
            for slot in slots
        ],
    )
    tables.client.create_table(
        TableName=tables.commands,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=_key_schema("pk"),
    )


def _key_schema(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": n, "KeyType": t} for n, t in zip(names, ("HASH", "RANGE"), strict=False)]
