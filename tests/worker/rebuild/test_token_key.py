"""A worker with another key under the same name does not start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.ministack import MiniStack
from worker.errors import FatalError
from worker.rebuild.token_key import TOKEN_KEYS_PK, hold_to
from worker.records.protect import TokenKey

OURS = TokenKey("1", b"o" * 32)


@pytest.fixture
def table(ministack: MiniStack) -> Iterator[tuple[Any, str]]:
    access = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("dynamodb", region_name="eu-west-1", endpoint_url=ministack.url, **access)
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    types = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    name = "token-key-rows"
    client.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
    yield client, name
    client.delete_table(TableName=name)


def test_the_same_key_is_taken_again_and_another_one_is_refused_in_a_line(table: tuple[Any, str]) -> None:
    hold_to(*table, OURS)
    hold_to(*table, OURS)
    with pytest.raises(FatalError) as refused:
        hold_to(*table, TokenKey("1", b"p" * 32))
    assert str(refused.value).startswith(f"NEARVIEW_TOKEN_KEY: the tokens in table {table[1]} with the id 1 were made")
    hold_to(*table, OURS)


def test_a_new_key_with_a_name_of_its_own_is_taken_beside_the_old_one(table: tuple[Any, str]) -> None:
    hold_to(*table, OURS)
    hold_to(*table, TokenKey("2", b"p" * 32))
    hold_to(*table, OURS)


def test_the_key_itself_is_not_stored(table: tuple[Any, str]) -> None:
    hold_to(*table, OURS)
    (item,) = table[0].scan(TableName=table[1])["Items"]
    assert item["pk"]["S"] == TOKEN_KEYS_PK
    assert OURS.secret.decode() not in str(item)
