"""The strict tables refuse what DynamoDB refuses, and take what it takes; an embedded stand-in is kinder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.strict import StrictTables

KEY = {"pk": {"S": "a"}, "sk": {"S": "#"}}


def _tables() -> StrictTables:
    tables = StrictTables()
    tables.make("rows")
    return tables


def _put(item: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    return "PutItem", {"TableName": "rows", "Item": {**KEY, **item}, **more}


def _statement(text: str, *parameters: Any) -> dict[str, Any]:
    return {"Statement": text, "Parameters": list(parameters)}


def _batch(*statements: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "BatchExecuteStatement", {"Statements": list(statements)}


INSERT = _statement("""INSERT INTO "rows" VALUE {'pk': ?, 'sk': ?}""", {"S": "a"}, {"S": "#"})
UPDATE = _statement("""UPDATE "rows" SET "v" = ? WHERE "pk" = ? AND "sk" = ?""", {"S": "1"}, {"S": "a"}, {"S": "#"})
SELECT = _statement("""SELECT * FROM "rows" WHERE "pk" = ?""", {"S": "a"})


def _deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "x"}
    for _ in range(levels - 1):
        value = {"L": [value]}
    return value


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "an item twice in a batch of statements": _batch(INSERT, UPDATE),
    "an item twice in a batch of reads": ("BatchGetItem", {"RequestItems": {"rows": {"Keys": [KEY, KEY]}}}),
    "an item twice in a batch of puts": (
        "BatchWriteItem",
        {"RequestItems": {"rows": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]}},
    ),
    "reads mixed with writes": _batch(INSERT, SELECT),
    "26 statements": _batch(*[INSERT] * 26),
    "OR": _batch(_statement("""UPDATE "rows" SET "v" = ? WHERE "pk" = ? AND "sk" = ? OR "v" = ?""", *[{"S": "a"}] * 4)),
    "IS MISSING": _batch(_statement("""DELETE FROM "rows" WHERE "pk" = ? AND "sk" = ? AND "v" IS MISSING""")),
    "list_append": _batch(
        _statement(
            """UPDATE "rows" SET "l" = list_append("l", ?) WHERE "pk" = ? AND "sk" = ?""",
            *[{"L": []}, {"S": "a"}, {"S": "#"}],
        )
    ),
    "REMOVE": _batch(
        _statement("""UPDATE "rows" REMOVE "v" WHERE "pk" = ? AND "sk" = ?""", {"S": "a"}, {"S": "#"}),
    ),
    "an item over 400 KB": _put({"v": {"S": "x" * 409_600}}),
    "bytes over 400 KB": _put({"v": {"B": "AAAA" * 140_000}}),
    "39 digits": _put({"v": {"N": "1" * 39}}),
    "1e126": _put({"v": {"N": "1e126"}}),
    "1e-131": _put({"v": {"N": "1e-131"}}),
    "no number": _put({"v": {"N": "one"}}),
    "not a number": _put({"v": {"N": "NaN"}}),
    "33 levels": _put({"v": _deep(33)}),
    "an empty set": _put({"v": {"SS": []}}),
    "two types": _put({"v": {"S": "a", "N": "1"}}),
    "an empty key": ("PutItem", {"TableName": "rows", "Item": {"pk": {"S": ""}, "sk": {"S": "#"}}}),
    "a key over 2,048 bytes": ("PutItem", {"TableName": "rows", "Item": {"pk": {"S": "k" * 2049}, "sk": {"S": "#"}}}),
    "a value that no expression uses": _put({}, ExpressionAttributeValues={":v": {"S": "a"}}),
    "a name that no expression uses": _put(
        {}, ConditionExpression="attribute_exists(pk)", ExpressionAttributeNames={"#v": "v"}
    ),
    "a value that is not given": _put({}, ConditionExpression="pk = :v"),
    "an empty expression": _put({}, ConditionExpression=""),
    "a table that is not there": ("GetItem", {"TableName": "other", "Key": KEY}),
}

TAKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "38 digits": _put({"v": {"N": "1" * 38}}),
    "9.9e125": _put({"v": {"N": "9.9e125"}}),
    "1e-130": _put({"v": {"N": "1e-130"}}),
    "0": _put({"v": {"N": "0.000"}}),
    "32 levels": _put({"v": _deep(32)}),
    "an empty text": _put({"v": {"S": ""}}),
    "OR in a value and in a name": _batch(
        _statement("""INSERT INTO "rows" VALUE {'pk': ?, 'sk': ?, 'a OR b': ?}""", *[{"S": "REMOVE OR"}] * 3)
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_dynamodb_refuses_is_refused_and_changes_nothing(name: str) -> None:
    tables = _tables()
    status, answer = tables.call(*REFUSED[name])

    assert status == 400, answer
    assert answer["__type"].endswith(("ValidationException", "ResourceNotFoundException"))
    assert tables.items("rows") == []


@pytest.mark.parametrize("name", TAKEN)
def test_what_dynamodb_takes_is_taken(name: str) -> None:
    tables = _tables()
    status, answer = tables.call(*TAKEN[name])

    assert status == 200, answer
    assert len(tables.items("rows")) == 1


def test_more_than_16_mb_at_once_are_left_unprocessed() -> None:
    """The client asks again for the rest."""
    tables = _tables()
    keys = [{"pk": {"S": f"a{at}"}, "sk": {"S": "#"}} for at in range(60)]
    for key in keys:
        tables.call("PutItem", {"TableName": "rows", "Item": {**key, "v": {"S": "x" * 380_000}}})

    _, answer = tables.call("BatchGetItem", {"RequestItems": {"rows": {"Keys": keys}}})

    got, left = answer["Responses"]["rows"], answer["UnprocessedKeys"]["rows"]["Keys"]
    assert len(got) + len(left) == 60
    assert 0 < len(left) < 60


def test_every_change_is_told_before_anybody_sees_it() -> None:
    seen: list[tuple[str, bool, bool]] = []
    tables = StrictTables(lambda name, old, new: seen.append((name, old is not None, new is not None)))
    tables.make("rows")
    tables.call(*_put({}))
    tables.call(*_put({}))
    tables.call("DeleteItem", {"TableName": "rows", "Key": KEY})

    assert seen == [("rows", False, True), ("rows", True, True), ("rows", True, False)]
