"""Operations to requests: the exact texts DynamoDB gets."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.projection.operations import (
    Condition,
    Delete,
    Get,
    Insert,
    InsertEdge,
    InsertImage,
    Query,
    Replace,
    TableName,
    Update,
    decoded,
    encoded,
    number,
    text,
)
from worker.store import requests

ROWS, DOCUMENTS = TableName.ROWS, TableName.DOCUMENTS
UNITS = {"ReturnConsumedCapacity": "TOTAL"}
RETURN_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_chunks_keep_order_and_size(count: int, sizes: list[int]) -> None:
    found = list(requests.chunks(range(count), 25))

    assert [len(chunk) for chunk in found] == sizes
    assert [part for chunk in found for part in chunk] == list(range(count))


def batch_get(table: str, *gets: Get) -> Any:
    return orjson.loads(requests.batch_get(table, gets))


def query(operation: Query, start: dict[str, Any] | None = None, limit: int = 0) -> Any:
    return orjson.loads(requests.query("t", operation, start, limit))


def alone(operation: Any) -> tuple[str, Any]:
    name, body = requests.alone("t", operation)
    return name, orjson.loads(body)


def statement(operation: Any) -> Any:
    made = requests.statement("t", operation)
    assert made is not None
    return orjson.loads(made)


def test_whole_items_are_read_strongly_consistent() -> None:
    assert batch_get("t", Get(ROWS, "a", "#"), Get(ROWS, "b", "#")) == {
        "RequestItems": {
            "t": {
                "Keys": [{"pk": text("a"), "sk": text("#")}, {"pk": text("b"), "sk": text("#")}],
                "ConsistentRead": True,
            }
        },
        **UNITS,
    }


def test_a_part_of_an_item_comes_with_its_key() -> None:
    request = batch_get("t", Get(DOCUMENTS, "a", "#", ("_rev", "_fp")))["RequestItems"]["t"]

    assert request["ProjectionExpression"] == "#0, #1, #2, #3"
    assert request["ExpressionAttributeNames"] == {"#0": "pk", "#1": "sk", "#2": "_rev", "#3": "_fp"}


@pytest.mark.parametrize("start", [None, {"pk": text("p"), "sk": text("x#1")}])
def test_a_query_lists_sort_keys_page_by_page(start: dict[str, Any] | None) -> None:
    request = query(Query(ROWS, "p", "x#"), start)

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
    request = query(Query(ROWS, "p", ""))

    assert request["KeyConditionExpression"] == "pk = :pk"
    assert request["ExpressionAttributeValues"] == {":pk": text("p")}


def test_a_replacement_is_a_put_that_never_creates() -> None:
    item = {"pk": text("p"), "sk": text("#"), "_rev": number(2)}
    when = (Condition("_rev", "=", number(1)), Condition("_gen", "<=", number(3)))

    assert alone(Replace(DOCUMENTS, "p", "#", item, when)) == (
        "PutItem",
        {
            "TableName": "t",
            "Item": item,
            "ConditionExpression": "attribute_exists(pk) AND #0 = :0 AND #1 <= :1",
            "ExpressionAttributeNames": {"#0": "_rev", "#1": "_gen"},
            "ExpressionAttributeValues": {":0": number(1), ":1": number(3)},
            **RETURN_OLD,
            **UNITS,
        },
    )
    _, bare = alone(Replace(DOCUMENTS, "p", "#", item, ()))
    assert bare["ConditionExpression"] == "attribute_exists(pk)"
    assert "ExpressionAttributeNames" not in bare


def test_an_insert_is_a_statement() -> None:
    item = {"pk": text("p"), "sk": text("#"), "v": text("1")}

    assert statement(Insert(ROWS, "p", "#", item)) == {
        "Statement": "INSERT INTO \"t\" VALUE {'pk': ?, 'sk': ?, 'v': ?}",
        "Parameters": [text("p"), text("#"), text("1")],
    }


@given(st.text(min_size=1), st.text(), st.text(), st.text(), st.integers(0, 3))
def test_edges_and_images_are_inserted_as_any_item_is(pk: str, one: str, two: str, three: str, large: int) -> None:
    """The short ways come to the same, also where the statement must go alone."""
    long = two * 100 ** min(large, 2) + "x" * 20_000 * large
    for short in (InsertEdge(pk, one, two), InsertImage(pk, one, long, three)):
        plain = Insert(short.table, short.pk, short.sk, short.item)

        assert requests.statement("t", short) == requests.statement("t", plain)
        assert requests.alone("t", short) == requests.alone("t", plain)


VALUES = st.one_of(
    st.text().map(text),
    st.integers().map(number),
    st.just({"NULL": True}),
    st.just({"L": [{"M": {"a": {"BOOL": True}}}]}),
)


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1), st.integers(0, 70_000))
def test_attributes_held_as_json_are_the_same_attributes(attributes: dict[str, Any], large: int) -> None:
    """Also where the statement must go alone."""
    attributes["x"] = text("x" * large)
    as_json = encoded(attributes)
    when = (Condition("v", "<", text("2")),)

    assert (decoded(as_json), as_json.names) == (attributes, tuple(attributes))
    for one, other in (
        (Insert(ROWS, "p", "#", attributes), Insert(ROWS, "p", "#", as_json)),
        (Update(ROWS, "p", "#", attributes, when), Update(ROWS, "p", "#", as_json, when)),
    ):
        assert requests.statement("t", one) == requests.statement("t", other)
        assert requests.alone("t", one) == requests.alone("t", other)
    found = requests.statement("t", Insert(ROWS, "p", "#", as_json))
    assert found is None or orjson.loads(found)["Parameters"] == list(attributes.values())


def test_an_update_names_the_whole_key_and_its_conditions() -> None:
    update = Update(ROWS, "p", "#", {"v": text("2"), "row": text("")}, (Condition("v", "<", text("2")),))

    assert statement(update) == {
        "Statement": 'UPDATE "t" SET "v" = ? SET "row" = ? WHERE "pk" = ? AND "sk" = ? AND "v" < ?',
        "Parameters": [text("2"), text(""), text("p"), text("#"), text("2")],
        **RETURN_OLD,
    }


def test_a_delete_names_the_whole_key_and_its_conditions() -> None:
    delete = Delete(ROWS, "p", "e", (Condition("v", "<", text("2")), Condition("w", "=", text("3"))))

    assert statement(delete) == {
        "Statement": 'DELETE FROM "t" WHERE "pk" = ? AND "sk" = ? AND "v" < ? AND "w" = ?',
        "Parameters": [text("p"), text("e"), text("2"), text("3")],
    }


def test_a_single_insert_is_a_put_that_never_replaces() -> None:
    item = {"pk": text("p"), "sk": text("#")}

    assert alone(Insert(ROWS, "p", "#", item)) == (
        "PutItem",
        {"TableName": "t", "Item": item, "ConditionExpression": "attribute_not_exists(pk)", **UNITS},
    )


def test_a_single_update_never_creates() -> None:
    update = Update(ROWS, "p", "#", {"v": text("2"), "row": text("")}, (Condition("v", "<", text("2")),))

    assert alone(update) == (
        "UpdateItem",
        {
            "TableName": "t",
            "Key": {"pk": text("p"), "sk": text("#")},
            "UpdateExpression": "SET #a0 = :a0, #a1 = :a1",
            "ConditionExpression": "attribute_exists(pk) AND #0 < :0",
            "ExpressionAttributeNames": {"#0": "v", "#a0": "v", "#a1": "row"},
            "ExpressionAttributeValues": {":0": text("2"), ":a0": text("2"), ":a1": text("")},
            **RETURN_OLD,
            **UNITS,
        },
    )


def test_a_single_delete_has_its_conditions() -> None:
    key = {"pk": text("p"), "sk": text("e")}
    name, request = alone(Delete(ROWS, "p", "e", (Condition("v", "<", text("2")),)))

    assert (name, request["Key"]) == ("DeleteItem", key)
    assert request["ConditionExpression"] == "attribute_exists(pk) AND #0 < :0"
    assert request["ExpressionAttributeValues"] == {":0": text("2")}
    _, bare = alone(Delete(ROWS, "p", "e", ()))
    assert bare == {"TableName": "t", "Key": key, "ConditionExpression": "attribute_exists(pk)", **UNITS}


def test_a_batch_is_its_statements() -> None:
    statements = [requests.statement("t", Delete(ROWS, str(i), "e", ())) for i in range(2)]
    made = orjson.loads(requests.batch_write([one for one in statements if one is not None]))

    assert [one["Parameters"][0] for one in made["Statements"]] == [text("0"), text("1")]
    assert made == {"Statements": made["Statements"], **UNITS}


NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = st.text(alphabet=st.characters(exclude_categories=["Cs"])).map(text) | st.integers().map(number)


@given(NAMES, st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), NAMES, VALUES)
def test_whatever_names_and_values_hold_a_statement_says_it(
    pk: str, assign: dict[str, Any], attribute: str, value: Any
) -> None:
    """Texts are put together from parts; they must be what they would be as a whole."""
    when = (Condition(attribute, "<", value), Condition("v", "=", value))
    sets = " ".join(f'SET "{name}" = ?' for name in assign)
    key = [text(pk), text("#"), value, value]
    found = statement(Update(ROWS, pk, "#", assign, when))

    assert found["Statement"] == f'UPDATE "t" {sets} WHERE "pk" = ? AND "sk" = ? AND "{attribute}" < ? AND "v" = ?'
    assert found["Parameters"] == [*assign.values(), *key]
    names = ", ".join(f"'{name}': ?" for name in assign)
    inserted = statement(Insert(ROWS, pk, "#", assign))
    assert inserted == {"Statement": f'INSERT INTO "t" VALUE {{{names}}}', "Parameters": list(assign.values())}


def test_what_is_wide_or_long_or_large_goes_alone() -> None:
    """A statement may have 8,192 characters, and 25 large ones would pass a request's size."""

    def fits(item: dict[str, Any]) -> bool:
        made = {
            requests.statement("t", write) is None
            for write in (Insert(ROWS, "p", "#", item), Update(ROWS, "p", "#", item, ()))
        }
        assert len(made) == 1
        return made == {False}

    assert fits({f"a{i}": text("x") for i in range(58)})
    assert not fits({f"a{i}": text("x") for i in range(61)})
    assert fits({f"a{i}" * 40: text("x") for i in range(40)})
    assert not fits({f"a{i}" * 60: text("x") for i in range(58)})
    assert fits({"large": text("x" * 63_000)})
    assert not fits({"large": text("x" * 64_000)})
