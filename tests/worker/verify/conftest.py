"""The business in a database, and an empty documents table for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from local.ministack import MiniStack
from local.postgres import Postgres
from tests.worker.verify.business import SCHEMA, Target, run_sql


@pytest.fixture(scope="session")
def business(postgres: Postgres) -> str:
    """URL of a database with the rows above: read it, or work on a copy."""
    postgres.create_database("verify_business")
    url = postgres.url("verify_business")
    run_sql(url, SCHEMA)
    return url


@pytest.fixture
def target(ministack: MiniStack) -> Iterator[Target]:
    """An empty documents table."""
    client = ministack.client("dynamodb")
    table = f"verify-{uuid4().hex[:12]}"
    names = ("pk", "sk")
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=True)
        ],
    )
    yield Target(client, table)
    client.delete_table(TableName=table)


@pytest.fixture(scope="session")
def scratch_database(postgres: Postgres) -> str:
    postgres.create_database("verify_scratch")
    return postgres.url("verify_scratch")


@pytest.fixture
def scratch(scratch_database: str) -> str:
    """URL of a database whose schema `public` is empty."""
    run_sql(
        scratch_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO public"
    )
    return scratch_database
