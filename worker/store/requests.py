"""Operations to DynamoDB requests, ready to be sent; pure. Texts that only depend on a shape are made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeVar

import orjson

from contract.keys import MOST_BYTES_OF_A_CHARACTER
from contract.values import AttributeValue
from worker.projection.operations import (
    INSERTS,
    AnyInsert,
    Condition,
    Delete,
    Get,
    InsertEdge,
    InsertImage,
    Query,
    Replace,
    Update,
    Write,
    decoded,
    encoded,
)

GETS_PER_CALL: Final = 100
STATEMENTS_PER_CALL: Final = 25
# what is wider or larger goes alone: a statement may have 8,192 characters, and 25 large ones pass a request's size
WIDEST_STATEMENT: Final = 60
LONGEST_STATEMENT: Final = 8_000
LARGEST_STATEMENT_BYTES: Final = 64_000
_FITS_CHARACTERS: Final = LARGEST_STATEMENT_BYTES // MOST_BYTES_OF_A_CHARACTER

_SHAPES: Final = 4_096
_EDGE: Final = b'%b","Parameters":[{"S":%b},{"S":%b},{"S":%b}]}'
_EDGE_NAMES: Final = ("pk", "sk", "v")
_IMAGE: Final = b'%b","Parameters":[{"S":%b},{"S":"#"},{"N":"1"},{"S":%b},{"S":%b},{"S":%b}]}'
_IMAGE_NAMES: Final = ("pk", "sk", "rev", "v", "row", "cov")
_END_RETURN_OLD: Final = b',"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}'
_RETURN_OLD: Final = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
_TELL_UNITS: Final = {"ReturnConsumedCapacity": "TOTAL"}

Statement = AnyInsert | Update | Delete
Part = TypeVar("Part")


def chunks(parts: Iterable[Part], size: int) -> Iterable[list[Part]]:
    """The parts in lists of at most `size`."""
    iterator = iter(parts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def batch_get(table: str, operations: Sequence[Get]) -> bytes:
    """BatchGetItem of one table; all operations ask for the same attributes and name distinct items."""
    request: dict[str, Any] = {
        "Keys": [{"pk": {"S": get.pk}, "sk": {"S": get.sk}} for get in operations],
        "ConsistentRead": True,
        **_projection(operations[0].attributes),
    }
    return orjson.dumps({"RequestItems": {table: request}, **_TELL_UNITS})


@lru_cache(_SHAPES)
def _projection(attributes: tuple[str, ...]) -> dict[str, Any]:
    if not attributes:
        return {}
    names = {f"#{at}": name for at, name in enumerate(("pk", "sk", *attributes))}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def query(table: str, operation: Query, start: dict[str, AttributeValue] | None, limit: int = 0) -> bytes:
    """One page of a Query for sort keys, of at most `limit` (0: as many as a page holds)."""
    request: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": operation.pk}},
        "ProjectionExpression": "sk",
        **_TELL_UNITS,
    }
    if operation.prefix:
        request["KeyConditionExpression"] = "pk = :pk AND begins_with(sk, :prefix)"
        request["ExpressionAttributeValues"][":prefix"] = {"S": operation.prefix}
    if limit:
        request["Limit"] = limit
    if operation.after and start is None:
        start = {"pk": {"S": operation.pk}, "sk": {"S": operation.after}}
    if start:
        request["ExclusiveStartKey"] = start
    return orjson.dumps(request)


def alone(table: str, operation: Write) -> tuple[str, bytes]:
    """Name and request of a single conditional write; what stands in the way comes back with a refused replacement."""
    request: dict[str, Any] = {"TableName": table, **_TELL_UNITS}
    if isinstance(operation, INSERTS):
        request |= {"Item": decoded(operation.item), "ConditionExpression": "attribute_not_exists(pk)"}
        return "PutItem", orjson.dumps(request)
    if isinstance(operation, Replace):
        request |= {"Item": operation.item, **_RETURN_OLD, **_conditions(operation.when)}
        return "PutItem", orjson.dumps(request)
    request["Key"] = {"pk": {"S": operation.pk}, "sk": {"S": operation.sk}}
    if isinstance(operation, Delete):
        return "DeleteItem", orjson.dumps(request | _conditions(operation.when))
    assign = decoded(operation.assign)
    request |= {**_RETURN_OLD, **_conditions(operation.when, tuple(assign))}
    request["ExpressionAttributeValues"] |= {f":a{at}": value for at, value in enumerate(assign.values())}
    return "UpdateItem", orjson.dumps(request)


def _conditions(when: tuple[Condition, ...], assigned: tuple[str, ...] = ()) -> dict[str, Any]:
    values = {f":{at}": condition.value for at, condition in enumerate(when)}
    texts = _expressions(tuple([(condition.attribute, condition.operator) for condition in when]), assigned)
    return {**texts, "ExpressionAttributeValues": values} if values or assigned else texts


@lru_cache(_SHAPES)
def _expressions(when: tuple[tuple[str, str], ...], assigned: tuple[str, ...]) -> dict[str, Any]:
    terms = ["attribute_exists(pk)", *(f"#{at} {operator} :{at}" for at, (_, operator) in enumerate(when))]
    names = {f"#{at}": name for at, (name, _) in enumerate(when)}
    names |= {f"#a{at}": name for at, name in enumerate(assigned)}
    found: dict[str, Any] = {"ConditionExpression": " AND ".join(terms)}
    if names:
        found["ExpressionAttributeNames"] = names
    if assigned:
        found["UpdateExpression"] = "SET " + ", ".join(f"#a{at} = :a{at}" for at in range(len(assigned)))
    return found


def batch_write(statements: Sequence[bytes]) -> bytes:
    """BatchExecuteStatement of at most 25 statements."""
    return b'{"Statements":[%b],"ReturnConsumedCapacity":"TOTAL"}' % b",".join(statements)


def statement(table: str, operation: Statement) -> bytes | None:
    """A conditional PartiQL statement for BatchExecuteStatement; None for a write that must go alone."""
    dumps = orjson.dumps
    if type(operation) is InsertEdge:
        return _EDGE % (_insert(table, _EDGE_NAMES), dumps(operation.pk), dumps(operation.sk), dumps(operation.version))
    if type(operation) is InsertImage and len(operation.body) < _FITS_CHARACTERS:
        return _IMAGE % (
            _insert(table, _IMAGE_NAMES),
            dumps(operation.pk),
            dumps(operation.version),
            dumps(operation.body),
            dumps(operation.covered),
        )
    if isinstance(operation, INSERTS):
        given = encoded(operation.item)
        start = _insert(table, given.names)
        if not start or len(given.values_json) > LARGEST_STATEMENT_BYTES:
            return None
        return b"".join((start, b'","Parameters":[', given.values_json, b"]}"))
    when = operation.when
    tested = tuple([(condition.attribute, condition.operator) for condition in when])
    there = dumps([{"S": operation.pk}, {"S": operation.sk}, *[condition.value for condition in when]])
    if isinstance(operation, Delete):
        return b"".join((_delete(table, tested), b'","Parameters":', there, b"}"))
    given = encoded(operation.assign)
    start = _update(table, given.names, tested)
    if not start or len(given.values_json) > LARGEST_STATEMENT_BYTES:
        return None
    return b"".join((start, b'","Parameters":[', given.values_json, b",", there[1:], _END_RETURN_OLD))


@lru_cache(_SHAPES)
def _insert(table: str, names: tuple[str, ...]) -> bytes:
    values = ", ".join(f"'{name}': ?" for name in names)
    return _narrow(_start(f'INSERT INTO "{table}" VALUE {{{values}}}'), len(names))


@lru_cache(_SHAPES)
def _update(table: str, names: tuple[str, ...], tested: tuple[tuple[str, str], ...]) -> bytes:
    sets = " ".join(f'SET "{name}" = ?' for name in names)
    return _narrow(_start(f'UPDATE "{table}" {sets} WHERE {_where(tested)}'), len(names) + 2 + len(tested))


@lru_cache(_SHAPES)
def _delete(table: str, tested: tuple[tuple[str, str], ...]) -> bytes:
    return _start(f'DELETE FROM "{table}" WHERE {_where(tested)}')  # noqa: S608  names are ours, values bound


def _where(tested: tuple[tuple[str, str], ...]) -> str:
    return " AND ".join(f'"{attribute}" {operator} ?' for attribute, operator in (("pk", "="), ("sk", "="), *tested))


def _start(text: str) -> bytes:
    """The request's JSON up to the end of the statement's text, whose quotation mark is to be closed."""
    return b'{"Statement":' + orjson.dumps(text)[:-1]


def _narrow(start: bytes, values: int) -> bytes:
    """The start of a statement with so many values, b"" if it is too wide for a batch."""
    return start if values <= WIDEST_STATEMENT and len(start) <= LONGEST_STATEMENT else b""
