"""Operations to DynamoDB requests; pure. Writes go in batches of 25 conditional statements, whole documents as puts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from contract.values import AttributeValue, item_bytes
from worker.projection.operations import Condition, Delete, Get, Insert, Query, Replace, Update

GETS_PER_CALL: Final = 100
STATEMENTS_PER_CALL: Final = 25
WIDEST_STATEMENT: Final = 60
LARGEST_STATEMENT_BYTES: Final = 64_000
TELL_UNITS: Final = {"ReturnConsumedCapacity": "TOTAL"}

Statement = Insert | Update | Delete
Part = TypeVar("Part")


def chunks(parts: Iterable[Part], size: int) -> Iterable[list[Part]]:
    """The parts in lists of at most `size`."""
    iterator = iter(parts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def batch_get(table: str, operations: Sequence[Get]) -> dict[str, Any]:
    """BatchGetItem of one table; all operations ask for the same attributes and name distinct items."""
    request: dict[str, Any] = {
        "Keys": [{"pk": {"S": get.pk}, "sk": {"S": get.sk}} for get in operations],
        "ConsistentRead": True,
    }
    if operations[0].attributes:
        names = {f"#{at}": name for at, name in enumerate(("pk", "sk", *operations[0].attributes))}
        request["ProjectionExpression"] = ", ".join(names)
        request["ExpressionAttributeNames"] = names
    return {"RequestItems": {table: request}, **TELL_UNITS}


def query(table: str, operation: Query, start: dict[str, AttributeValue] | None, limit: int = 0) -> dict[str, Any]:
    """One page of a Query for sort keys, of at most `limit` (0: as many as a page holds)."""
    request: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": operation.pk}},
        "ProjectionExpression": "sk",
        **TELL_UNITS,
    }
    if operation.prefix:
        request["KeyConditionExpression"] = "pk = :pk AND begins_with(sk, :prefix)"
        request["ExpressionAttributeValues"][":prefix"] = {"S": operation.prefix}
    if limit:
        request["Limit"] = limit
    if operation.after and start is None:
        start = {"pk": {"S": operation.pk}, "sk": {"S": operation.after}}
    return {**request, "ExclusiveStartKey": start} if start else request


def put(table: str, operation: Replace | Insert) -> dict[str, Any]:
    """A conditional PutItem; the item that stands in the way comes back with the refusal."""
    if isinstance(operation, Insert):
        return {
            "TableName": table,
            "Item": operation.item,
            "ConditionExpression": "attribute_not_exists(pk)",
            **TELL_UNITS,
        }
    names = {f"#{at}": condition.attribute for at, condition in enumerate(operation.when)}
    values = {f":{at}": condition.value for at, condition in enumerate(operation.when)}
    terms = [f"#{at} {condition.operator} :{at}" for at, condition in enumerate(operation.when)]
    return {
        "TableName": table,
        "Item": operation.item,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **TELL_UNITS,
        "ConditionExpression": " AND ".join(["attribute_exists(pk)", *terms]),
        **({"ExpressionAttributeNames": names, "ExpressionAttributeValues": values} if names else {}),
    }


def batch_write(statements: list[dict[str, Any]]) -> dict[str, Any]:
    """BatchExecuteStatement of at most 25 statements."""
    return {"Statements": statements, **TELL_UNITS}


def statement(table: str, operation: Statement) -> dict[str, Any]:
    """A conditional PartiQL statement for BatchExecuteStatement."""
    parameters: list[AttributeValue]
    if isinstance(operation, Insert):
        names = ", ".join(f"'{name}': ?" for name in operation.item)
        text, parameters = f'INSERT INTO "{table}" VALUE {{{names}}}', list(operation.item.values())
    else:
        where = " AND ".join(['"pk" = ?', '"sk" = ?', *(_term(condition) for condition in operation.when)])
        key = [{"S": operation.pk}, {"S": operation.sk}, *(condition.value for condition in operation.when)]
        if isinstance(operation, Update):
            sets = " ".join(f'SET "{name}" = ?' for name in operation.assign)
            text, parameters = f'UPDATE "{table}" {sets} WHERE {where}', [*operation.assign.values(), *key]
        else:
            text, parameters = f'DELETE FROM "{table}" WHERE {where}', key  # noqa: S608  names are ours, values bound
    return {"Statement": text, "Parameters": parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def _term(condition: Condition) -> str:
    return f'"{condition.attribute}" {condition.operator} ?'


def goes_as_put(operation: Insert | Replace | Update | Delete) -> bool:
    """What goes alone. A whole replacement is no statement: PartiQL's UPDATE would leave what the new item lacks.

    A wide item would pass a statement's 8,192 characters, 25 large ones a request's size.
    """
    if isinstance(operation, Insert):
        return len(operation.item) > WIDEST_STATEMENT or item_bytes(operation.item) > LARGEST_STATEMENT_BYTES
    return isinstance(operation, Replace)
