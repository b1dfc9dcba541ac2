"""Global tables are replicated from streams, so a stream has to show every write, statements included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import ministack as ministack_process
from local.processes import Processes
from local.regions import PROGRAM
from local.replication import Reader

TABLE, REGION = "streamed", "us-east-1"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ministack_process.MiniStack]:
    """A region's MiniStack as a stack of two regions starts it."""
    processes = Processes(Path(tmp_path_factory.mktemp("region")))
    try:
        yield ministack_process.start(processes, program=PROGRAM, region=REGION)
    finally:
        ministack_process.stop(processes)


def test_every_way_to_write_shows_once_and_in_order(region: ministack_process.MiniStack) -> None:
    """Put, statements, delete; a refused statement does not show."""
    client = region.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    statements: list[dict[str, Any]] = [
        {"Statement": "INSERT INTO streamed VALUE {'pk': ?, 'n': ?}", "Parameters": [{"S": "b"}, {"N": "2"}]},
        {"Statement": "UPDATE streamed SET n = ? WHERE pk = ?", "Parameters": [{"N": "3"}, {"S": "a"}]},
        {"Statement": "UPDATE streamed SET n = ? WHERE pk = ? AND n = 9", "Parameters": [{"N": "8"}, {"S": "a"}]},
        {"Statement": "DELETE FROM streamed WHERE pk = ?", "Parameters": [{"S": "b"}]},
    ]
    for statement in statements:
        client.batch_execute_statement(Statements=[statement])
    client.delete_item(TableName=TABLE, Key={"pk": {"S": "a"}})
    shown = [
        (change.key["pk"]["S"], change.item["n"]["N"] if change.item else None)
        for change in Reader(region.client("dynamodbstreams"), client, REGION, TABLE).read()
    ]
    assert shown == [("a", "1"), ("b", "2"), ("a", "3"), ("b", None), ("a", None)]
