"""Tables in memory as strict as DynamoDB where stand-ins are kinder, under the faults of tests.

What `bench.tables` already refuses: an item named twice in a batch, a batch over its size, items over 400 KB, long or
empty keys, keys that are not the table's; BatchGetItem leaves what is beyond 16 MB unprocessed. Here beside it:
reads mixed with writes in a batch of statements; OR, IS MISSING, list_append and REMOVE in statements; numbers beyond
38 digits or their range; nesting beyond 32 levels; names and values that an expression does not use, or that it uses
and that are not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bench.tables import MAX_ITEM_BYTES, Refusal, Stored, Table, Tables, invalid
from contract.values import AttributeValue, Item

MAX_DIGITS: Final = 38
SMALLEST: Final = -130
LARGEST: Final = 125
MAX_DEPTH: Final = 32

_NOT_IN_STATEMENTS: Final = re.compile(r"\bOR\b|\bIS\s+(NOT\s+)?MISSING\b|\blist_append\b|\bREMOVE\b", re.IGNORECASE)
_EXPRESSIONS: Final = (
    *("ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression"),
    "UpdateExpression",
)
_PLACEHOLDER: Final = re.compile(r"[#:][\w]+")
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")

OnChange = Callable[[str, Item | None, Item | None], None]
"""Told a table's name, what was there and what is there now."""


@dataclass(slots=True)
class WatchedTable(Table):
    """Tells every change of an item, before anybody can see it."""

    on_change: OnChange | None = None

    def _changed(self, old: Stored | None, new: Stored | None) -> float:
        if self.on_change is not None:
            self.on_change(self.name, old[0] if old else None, new[0] if new else None)
        return Table._changed(self, old, new)


class StrictTables(Tables):
    """Refuses what DynamoDB refuses."""

    def __init__(self, on_change: OnChange | None = None) -> None:
        super().__init__()
        self._on_change = on_change

    def call(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer of one request."""
        try:
            _check(action, request)
        except Refusal as refusal:
            name = f"com.amazonaws.dynamodb.v20120810#{refusal.code}"
            return 400, {"__type": name, "message": refusal.message, **refusal.more}
        return super().call(action, request)

    def make(self, *names: str, indexes: int = 0) -> None:
        """Empty tables."""
        keys = [{"KeySchema": [{"AttributeName": f"_i{at}{part}"} for part in "ps"]} for at in range(indexes)]
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        for name in names:
            self.call("CreateTable", {"TableName": name, "KeySchema": schema, "GlobalSecondaryIndexes": keys})

    def items(self, name: str) -> list[Item]:
        """Everything in a table."""
        return [stored[0] for partition in self.tables[name].partitions.values() for stored in partition.items.values()]

    def _create_table(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = super()._create_table(request)
        name = request["TableName"]
        self.tables[name] = WatchedTable(name, self.tables[name].indexes, on_change=self._on_change)
        return answer


def _check(action: str, request: dict[str, Any]) -> None:
    """Raises Refusal."""
    if action == "BatchExecuteStatement":
        _check_statements(request.get("Statements", ()))
    else:
        _check_expressions(request)
    for value in _values(action, request):
        check_value(value)
    if _binary_bytes(request.get("Item", {}).values()) > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")


def _binary_bytes(values: Iterable[AttributeValue]) -> int:
    """What base64 stands for; `contract.values` does not count it, as no document holds any."""
    return sum(len(value["B"]) * 3 // 4 for value in values if isinstance(value.get("B"), str))


def _check_statements(entries: Any) -> None:
    texts = [_QUOTED.sub("''", entry["Statement"]) for entry in entries]
    reads = [text.lstrip().upper().startswith("SELECT") for text in texts]
    if any(reads) and not all(reads):
        raise invalid("Unable to mix read and write operations in one batch")
    for text in texts:
        if found := _NOT_IN_STATEMENTS.search(text):
            raise invalid(f"Statement wasn't well formed, can't be processed: {found[0]}")


def _check_expressions(request: dict[str, Any]) -> None:
    """Every name and value that is given is used, and every one that is used is given."""
    used = set()
    for expression in _EXPRESSIONS:
        text = request.get(expression)
        if text == "":
            raise invalid(f"Invalid {expression}: The expression can not be empty;")
        used |= set(_PLACEHOLDER.findall(text or ""))
    for member in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        given = request.get(member)
        if given is not None and not given:
            raise invalid(f"{member} must not be empty")
        if extra := set(given or ()) - used:
            raise invalid(f"Value provided in {member} unused in expressions: keys: {sorted(extra)}")
        sign = "#" if member.endswith("Names") else ":"
        if missing := {name for name in used if name.startswith(sign)} - set(given or ()):
            raise invalid(f"An expression attribute used in expression is not defined: {sorted(missing)}")


def _values(action: str, request: dict[str, Any]) -> list[AttributeValue]:
    found = [*request.get("Item", {}).values(), *(request.get("ExpressionAttributeValues") or {}).values()]
    if action == "BatchExecuteStatement":
        found += [value for entry in request.get("Statements", ()) for value in entry.get("Parameters") or ()]
    if action == "BatchWriteItem":
        entries = [entry for entries in request["RequestItems"].values() for entry in entries]
        found += [value for entry in entries for value in entry.get("PutRequest", {}).get("Item", {}).values()]
    return found


def check_value(value: AttributeValue, depth: int = 1) -> None:
    """Raises Refusal for a value that DynamoDB does not take."""
    if not isinstance(value, dict) or len(value) != 1:
        raise invalid("Supplied AttributeValue must have exactly one of the supported datatypes set")
    if depth > MAX_DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits")
    ((kind, content),) = value.items()
    if kind == "N":
        _check_number(content)
    elif kind == "NULL" and content is not True:
        raise invalid("Null attribute value types must have the value of true")
    elif kind == "L":
        for one in content:
            check_value(one, depth + 1)
    elif kind == "M":
        for one in content.values():
            check_value(one, depth + 1)
    elif kind in ("SS", "NS", "BS"):
        if not content or len(set(content)) != len(content):
            raise invalid("an attribute value set is empty or holds a value twice")
    elif kind not in ("S", "B", "BOOL", "NULL"):
        raise invalid(f"{kind} is no datatype")


def _check_number(content: Any) -> None:
    try:
        number = Decimal(content)
    except (InvalidOperation, TypeError, ValueError):
        raise invalid("The parameter cannot be converted to a numeric value") from None
    if not number.is_finite():
        raise invalid("The parameter cannot be converted to a numeric value")
    if len("".join(map(str, number.as_tuple().digits)).strip("0")) > MAX_DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number and not SMALLEST <= number.adjusted() <= LARGEST:
        raise invalid("Number overflow or underflow. Attempting to store a number beyond its supported range")
