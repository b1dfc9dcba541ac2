"""The benchmarks' tables beyond the store's conformance suite: strictness, paging, capacity, further calls."""

from __future__ import annotations

from typing import Any

import pytest

from bench.expressions import Invalid, condition, statement
from bench.tables import Tables
from contract.values import Item


def _item(pk: str, sk: str = "#", **more: Any) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}, **more}


@pytest.fixture
def tables() -> Tables:
    """One table `t` without indexes, one `d` with one."""
    made = Tables()
    keys = [{"AttributeName": "pk"}, {"AttributeName": "sk"}]
    index = [{"KeySchema": [{"AttributeName": "_i0p"}, {"AttributeName": "_i0s"}]}]
    made.call("CreateTable", {"TableName": "t", "KeySchema": keys})
    made.call("CreateTable", {"TableName": "d", "KeySchema": keys, "GlobalSecondaryIndexes": index})
    return made


def _ask(tables: Tables, action: str, **request: Any) -> dict[str, Any]:
    status, answer = tables.call(action, request)
    assert status == 200, answer
    return answer


def _refused(tables: Tables, action: str, **request: Any) -> str:
    status, answer = tables.call(action, request)
    assert status == 400, answer
    return str(answer["__type"]).rpartition("#")[2]


def _put(tables: Tables, item: Item, table: str = "t", **more: Any) -> dict[str, Any]:
    return _ask(tables, "PutItem", TableName=table, Item=item, ReturnConsumedCapacity="TOTAL", **more)


def _units(answer: dict[str, Any]) -> float:
    found = answer["ConsumedCapacity"]
    return float(found[0]["CapacityUnits"] if isinstance(found, list) else found["CapacityUnits"])


def _run(tables: Tables, text: str, *parameters: Any, all_old: bool = False) -> dict[str, Any]:
    one = {"Statement": text, "Parameters": list(parameters)}
    if all_old:
        one["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    answer = _ask(tables, "BatchExecuteStatement", Statements=[one], ReturnConsumedCapacity="TOTAL")
    return {**answer["Responses"][0], "units": _units(answer)}


UPDATE = 'UPDATE "t" SET "a" = ? SET "b" = ? REMOVE "c" REMOVE "d" WHERE "pk" = ? AND "sk" = ? AND "v" < ?'


def test_an_update_sets_and_removes(tables: Tables) -> None:
    _put(tables, _item("1", v={"S": "1"}, c={"S": "x"}, d={"S": "y"}, e={"S": "z"}))
    done = _run(tables, UPDATE, {"S": "A"}, {"N": "2"}, {"S": "1"}, {"S": "#"}, {"S": "2"})
    assert "Error" not in done
    found = _ask(tables, "GetItem", TableName="t", Key=_item("1"))["Item"]
    assert found == _item("1", v={"S": "1"}, a={"S": "A"}, b={"N": "2"}, e={"S": "z"})


def test_a_refused_statement_shows_what_stands_there_if_asked_to(tables: Tables) -> None:
    _put(tables, _item("1", v={"S": "5"}))
    asked = (UPDATE, {"S": "A"}, {"N": "2"}, {"S": "1"}, {"S": "#"}, {"S": "2"})
    assert "Item" not in _run(tables, *asked)["Error"]
    assert _run(tables, *asked, all_old=True)["Error"]["Item"]["v"] == {"S": "5"}


def test_a_batch_that_names_an_item_twice_is_refused_as_a_whole(tables: Tables) -> None:
    text = "INSERT INTO \"t\" VALUE {'pk': ?, 'sk': ?}"
    both = [{"Statement": text, "Parameters": [{"S": "1"}, {"S": "#"}]}] * 2
    assert _refused(tables, "BatchExecuteStatement", Statements=both) == "ValidationException"
    put = {"PutRequest": {"Item": _item("1")}}
    assert _refused(tables, "BatchWriteItem", RequestItems={"t": [put, put]}) == "ValidationException"
    keys = {"t": {"Keys": [_item("1"), _item("1")]}}
    assert _refused(tables, "BatchGetItem", RequestItems=keys) == "ValidationException"
    assert "Item" not in _ask(tables, "GetItem", TableName="t", Key=_item("1"))


@pytest.mark.parametrize(
    "text",
    [
        'SELECT * FROM "t"',
        'UPDATE "t" SET "a" = 1 WHERE "pk" = ? AND "sk" = ?',
        'UPDATE "t" SET "a" = ? WHERE "pk" = ? OR "sk" = ?',
        'UPDATE "t" SET "a" = ? REMOVE "a" WHERE "pk" = ? AND "sk" = ?',
        'DELETE FROM "t" WHERE "pk" = ? AND',
        "INSERT INTO \"t\" VALUE {'pk': ?, 'sk' ?}",
        'UPDATE "t" SET "' + "a" * 9000 + '" = ? WHERE "pk" = ?',
    ],
)
def test_statements_of_other_forms_are_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        statement(text)


@pytest.mark.parametrize("text", ["v <", "v < :a AND", "size(v) > :a", "v < 3", "(v = :a", "v = :a) "])
def test_conditions_of_other_forms_are_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        condition(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("attribute_not_exists(pk) OR v < :v", True),
        ("attribute_exists(pk) AND #n = :n AND v <= :v", True),
        ("NOT attribute_exists(w) AND (v > :v OR #n = :n)", True),
        ("v > :v", False),
        ("w < :v", False),
        ("n < :v", False),
        ("begins_with(v, :v)", False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    item = _item("1", v={"S": "3"}, n={"N": "10"})
    assert condition(text)(item, {"#n": "n"}, {":v": {"S": "4"}, ":n": {"N": "10.0"}}) is holds


def test_numbers_are_compared_as_numbers(tables: Tables) -> None:
    _put(tables, _item("1", v={"N": "9"}))
    when: dict[str, Any] = {"ConditionExpression": "v < :v", "ExpressionAttributeValues": {":v": {"N": "10"}}}
    _put(tables, _item("1", v={"N": "10"}), **when)
    refused = _refused(tables, "PutItem", TableName="t", Item=_item("1", v={"N": "10"}), **when)
    assert refused == "ConditionalCheckFailedException"


@pytest.mark.parametrize(
    "item",
    [
        _item(""),
        _item("1", ""),
        _item("x" * 2049),
        _item("1", "x" * 1025),
        {"pk": {"S": "1"}},
        {"pk": {"N": "1"}, "sk": {"S": "#"}},
        _item("1", large={"S": "x" * 409_600}),
        _item("1", wrong="text"),
    ],
)
def test_items_that_dynamodb_would_refuse(tables: Tables, item: Item) -> None:
    assert _refused(tables, "PutItem", TableName="t", Item=item) == "ValidationException"


def test_queries_page_by_limit_and_by_size(tables: Tables) -> None:
    for at in range(12):
        _put(tables, _item("1", f"a#{at:02d}", body={"S": "x" * 200_000}))
    _put(tables, _item("1", "b#"))
    asked: dict[str, Any] = {
        "TableName": "t",
        "KeyConditionExpression": "pk = :p AND begins_with(sk, :a)",
        "ExpressionAttributeValues": {":p": {"S": "1"}, ":a": {"S": "a#"}},
        "ProjectionExpression": "sk",
    }
    found: list[str] = []
    pages = 0
    start: dict[str, Any] = {}
    while True:
        page = _ask(tables, "Query", **asked, **start)
        found += [item["sk"]["S"] for item in page["Items"]]
        pages += 1
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert found == [f"a#{at:02d}" for at in range(12)]
    assert pages == 3
    page = _ask(tables, "Query", **asked, Limit=2, ExclusiveStartKey=_item("1", "a#03"))
    assert [item["sk"]["S"] for item in page["Items"]] == ["a#04", "a#05"]
    assert page["LastEvaluatedKey"] == _item("1", "a#05")


def test_a_scan_shows_everything_and_filters(tables: Tables) -> None:
    for at in range(5):
        _put(tables, {**_item(str(at)), **({"reason": {"S": "r"}} if at % 2 else {})})
    found = _ask(tables, "Scan", TableName="t", FilterExpression="attribute_exists(reason)")
    assert [item["pk"]["S"] for item in found["Items"]] == ["1", "3"]
    assert found["ScannedCount"] == 5


def test_units_of_writes_follow_the_larger_item_and_the_indexes(tables: Tables) -> None:
    large = _item("1", body={"S": "x" * 3000})
    assert _units(_put(tables, large)) == 3
    assert _units(_put(tables, _item("1"))) == 3
    assert _units(_put(tables, _item("1"))) == 1
    indexed = _item("1", _i0p={"S": "a"}, _i0s={"S": "b"})
    assert _units(_put(tables, indexed, "d")) == 2
    assert _units(_put(tables, indexed, "d")) == 1  # the index does not change
    assert _units(_put(tables, {**indexed, "_i0s": {"S": "c"}}, "d")) == 3  # taken out there, put in here


def test_a_refused_write_costs_as_much_as_the_write(tables: Tables) -> None:
    _put(tables, _item("1", v={"S": "5"}, body={"S": "x" * 3000}))
    assert _run(tables, UPDATE, {"S": "A"}, {"N": "2"}, {"S": "1"}, {"S": "#"}, {"S": "2"})["units"] == 3
    assert _run(tables, "INSERT INTO \"t\" VALUE {'pk': ?, 'sk': ?}", {"S": "1"}, {"S": "#"})["units"] == 3


def test_units_of_reads(tables: Tables) -> None:
    _put(tables, _item("1", body={"S": "x" * 5000}))
    asked = {"TableName": "t", "Key": _item("1"), "ReturnConsumedCapacity": "TOTAL"}
    assert _units(_ask(tables, "GetItem", **asked, ConsistentRead=True)) == 2
    assert _units(_ask(tables, "GetItem", **asked)) == 1
    both = {"t": {"Keys": [_item("1"), _item("2")], "ConsistentRead": True}}
    assert _units(_ask(tables, "BatchGetItem", RequestItems=both, ReturnConsumedCapacity="TOTAL")) == 3


def test_update_item_for_simple_expressions(tables: Tables) -> None:
    _ask(
        tables,
        "UpdateItem",
        TableName="t",
        Key=_item("1"),
        UpdateExpression="SET #a = :a, b = :b REMOVE c",
        ExpressionAttributeNames={"#a": "a"},
        ExpressionAttributeValues={":a": {"S": "A"}, ":b": {"S": "B"}},
    )
    found = _ask(tables, "GetItem", TableName="t", Key=_item("1"))["Item"]
    assert found == _item("1", a={"S": "A"}, b={"S": "B"})


def test_statistics_count_changes_refusals_and_calls(tables: Tables) -> None:
    _put(tables, _item("1"))
    _refused(tables, "PutItem", TableName="t", Item=_item("1"), ConditionExpression="attribute_not_exists(pk)")
    _ask(tables, "DeleteItem", TableName="t", Key=_item("2"))
    found = _ask(tables, "Statistics")
    assert found["tables"]["t"] == {"read_units": 0.0, "write_units": 3.0, "written": 1, "refused": 1, "items": 1}
    assert found["calls"]["PutItem"] == 2


def test_what_no_benchmark_needs_is_refused(tables: Tables) -> None:
    assert _refused(tables, "TransactWriteItems") == "UnknownOperationException"
    assert _refused(tables, "GetItem", TableName="none", Key=_item("1")) == "ResourceNotFoundException"
