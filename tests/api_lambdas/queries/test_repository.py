"""Reads, as they are asked of DynamoDB."""

from __future__ import annotations

from typing import Any, cast

from api_lambdas.queries.repository import MOST_AT_ONCE, Repository
from api_lambdas.shared.dynamodb import DynamoDB
from contract.values import to_item


class Client:
    """Has every item that is asked for, and notes what was."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        assert operation == "BatchGetItem"
        self.asked.append(request["RequestItems"]["documents"])
        items = [{**key, **to_item({"commit_micros": 5, "_deleted": True})} for key in self.asked[-1]["Keys"]]
        return {"Responses": {"documents": items}}


def test_marks_of_very_many_tables_are_read_in_several_requests() -> None:
    """DynamoDB takes 100 keys at once."""
    client = Client()
    tables = [f"shop.t{number}" for number in range(2 * MOST_AT_ONCE + 1)]

    marks = Repository(cast("DynamoDB", client), "documents").marks(tables)

    assert [len(asked["Keys"]) for asked in client.asked] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert {table: mark.commit_micros for table, mark in marks.items()} == dict.fromkeys(tables, 5)


def test_a_key_is_asked_for_once() -> None:
    """DynamoDB refuses a request that names one twice; the stand-in does not."""
    client = Client()

    Repository(cast("DynamoDB", client), "documents").get_many("order", ["1", "2", "1"])

    assert [key["pk"]["S"] for key in client.asked[0]["Keys"]] == ["order#1", "order#2"]
