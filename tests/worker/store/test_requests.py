"""Operations to requests: the exact texts DynamoDB gets."""

from __future__ import annotations

from typing import Any

import pytest

from worker.projection.operations import Condition, Delete, Get, Insert, Query, Replace, TableName, Update, number, text
from worker.store import requests

ROWS, DOCUMENTS = TableName.ROWS, TableName.DOCUMENTS
UNITS = {"ReturnConsumedCapacity": "TOTAL"}
RETURN_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_chunks_keep_order_and_size(count: int, sizes: list[int]) -> None:
    found = list(requests.chunks(range(count), 25))

    assert [len(chunk) for chunk in found] == sizes
    assert [part for chunk in found for part in chunk] == list(range(count))


def test_whole_items_are_read_strongly_consistent() -> None:
    assert requests.batch_get("t", [Get(ROWS, "a", "#"), Get(ROWS, "b", "#")]) == {
        "RequestItems": {
            "t": {
                "Keys": [{"pk": text("a"), "sk": text("#")}, {"pk": text("b"), "sk": text("#")}],
                "ConsistentRead": True,
            }
        },
        **UNITS,
    }


def test_a_part_of_an_item_comes_with_its_key() -> None:
    request = requests.batch_get("t", [Get(DOCUMENTS, "a", "#", ("_rev", "_fp"))])["RequestItems"]["t"]

    assert request["ProjectionExpression"] == "#0, #1, #2, #3"
    assert request["ExpressionAttributeNames"] == {"#0": "pk", "#1": "sk", "#2": "_rev", "#3": "_fp"}


@pytest.mark.parametrize("start", [None, {"pk": text("p"), "sk": text("x#1")}])
def test_a_query_lists_sort_keys_page_by_page(start: dict[str, Any] | None) -> None:
    request = requests.query("t", Query(ROWS, "p", "x#"), start)

    assert request == {
        "TableName": "t",
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {":pk": text("p"), ":prefix": text("x#")},
        "ProjectionExpression": "sk",
        **UNITS,
        **({"ExclusiveStartKey": start} if start else {}),
    }


def test_a_whole_partition_needs_no_prefix() -> None:
    """begins_with of an empty text is refused."""
    request = requests.query("t", Query(ROWS, "p", ""), None)

    assert request["KeyConditionExpression"] == "pk = :pk"
    assert request["ExpressionAttributeValues"] == {":pk": text("p")}


def test_a_replacement_is_a_put_that_never_creates() -> None:
    item = {"pk": text("p"), "sk": text("#"), "_rev": number(2)}
    when = (Condition("_rev", "=", number(1)), Condition("_gen", "<=", number(3)))

    assert requests.put("t", Replace(DOCUMENTS, "p", "#", item, when)) == {
        "TableName": "t",
        "Item": item,
        "ConditionExpression": "attribute_exists(pk) AND #0 = :0 AND #1 <= :1",
        "ExpressionAttributeNames": {"#0": "_rev", "#1": "_gen"},
        "ExpressionAttributeValues": {":0": number(1), ":1": number(3)},
        **RETURN_OLD,
        **UNITS,
    }
    bare = requests.put("t", Replace(DOCUMENTS, "p", "#", item, ()))
    assert bare["ConditionExpression"] == "attribute_exists(pk)"
    assert "ExpressionAttributeNames" not in bare


def test_an_insert_is_a_statement() -> None:
    item = {"pk": text("p"), "sk": text("#"), "v": text("1")}

    assert requests.statement("t", Insert(ROWS, "p", "#", item)) == {
        "Statement": "INSERT INTO \"t\" VALUE {'pk': ?, 'sk': ?, 'v': ?}",
        "Parameters": [text("p"), text("#"), text("1")],
        **RETURN_OLD,
    }


def test_an_update_names_the_whole_key_and_its_conditions() -> None:
    update = Update(ROWS, "p", "#", {"v": text("2"), "row": text("")}, (Condition("v", "<", text("2")),))

    assert requests.statement("t", update) == {
        "Statement": 'UPDATE "t" SET "v" = ? SET "row" = ? WHERE "pk" = ? AND "sk" = ? AND "v" < ?',
        "Parameters": [text("2"), text(""), text("p"), text("#"), text("2")],
        **RETURN_OLD,
    }


def test_a_delete_names_the_whole_key_and_its_conditions() -> None:
    delete = Delete(ROWS, "p", "e", (Condition("v", "<", text("2")), Condition("w", "=", text("3"))))

    assert requests.statement("t", delete) == {
        "Statement": 'DELETE FROM "t" WHERE "pk" = ? AND "sk" = ? AND "v" < ? AND "w" = ?',
        "Parameters": [text("p"), text("e"), text("2"), text("3")],
        **RETURN_OLD,
    }


def test_only_whole_replacements_go_as_puts() -> None:
    assert requests.goes_as_put(Replace(DOCUMENTS, "p", "#", {}, ()))
    assert not requests.goes_as_put(Insert(DOCUMENTS, "p", "#", {}))
    assert not requests.goes_as_put(Update(DOCUMENTS, "p", "#", {}, ()))
    assert not requests.goes_as_put(Delete(ROWS, "p", "#", ()))
