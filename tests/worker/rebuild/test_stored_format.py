"""Data of a newer version is refused in one line, by whatever would write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.ministack import MiniStack
from worker.errors import FatalError
from worker.log import Log
from worker.patience import Patience
from worker.rebuild.stored_format import FORMAT, FORMAT_PK, FORMAT_SK, claim

KEY = {"pk": {"S": FORMAT_PK}, "sk": {"S": FORMAT_SK}}


@pytest.fixture
def table(ministack: MiniStack) -> Iterator[tuple[Any, str]]:
    client = boto3.client("dynamodb", region_name="eu-west-1", endpoint_url=ministack.url, **_ACCESS)
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    types = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    name = "stored-format-rows"
    client.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
    yield client, name
    client.delete_table(TableName=name)


_ACCESS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def stored(client: Any, table: str) -> int:
    return int(client.get_item(TableName=table, Key=KEY)["Item"]["format"]["N"])


def put(client: Any, table: str, number: int) -> None:
    client.put_item(TableName=table, Item={**KEY, "format": {"N": str(number)}})


def test_the_first_start_notes_the_format_and_further_ones_keep_it(table: tuple[Any, str]) -> None:
    claim(*table)
    claim(*table)
    assert stored(*table) == FORMAT


def test_an_older_format_is_raised(table: tuple[Any, str]) -> None:
    put(*table, FORMAT - 1)
    claim(*table)
    assert stored(*table) == FORMAT


def test_a_newer_format_is_refused_in_a_line_and_stays(table: tuple[Any, str]) -> None:
    put(*table, FORMAT + 1)
    with pytest.raises(FatalError) as refused:
        Patience("the rows table", Log("error"), attempts=1).all(lambda name: claim(table[0], name), [table[1]])
    line = str(refused.value)
    assert line.startswith(f"table {table[1]} has the stored format {FORMAT + 1}, this version writes {FORMAT}: run")
    assert "\n" not in line
    assert stored(*table) == FORMAT + 1


def test_formats_are_compared_as_numbers(table: tuple[Any, str]) -> None:
    put(*table, 10)
    with pytest.raises(FatalError, match="stored format 10"):
        claim(*table)
