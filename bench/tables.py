"""Tables in memory behind DynamoDB's own requests and answers, as strict as DynamoDB where a client could lean on less.

`Tables.call` is pure but for its state; `bench.table_server` puts it on a socket. What no benchmark needs is refused.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bench.expressions import Invalid, Names, compare, condition, key_condition, statement
from contract.values import AttributeValue, Item, item_bytes

MAX_ITEM_BYTES: Final = 409_600
MAX_KEY_BYTES: Final = {"pk": 2048, "sk": 1024}
PAGE_BYTES: Final = 1_048_576
ANSWER_BYTES: Final = 16 * 1_048_576
READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024
GETS: Final = 100
STATEMENTS: Final = 25
PUTS: Final = 25

Key = tuple[str, str]
Stored = tuple[Item, int]
"""An item and its size."""


class Refusal(Exception):
    """An answer of status 400."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more


def invalid(message: str) -> Refusal:
    """The refusal of a request that is wrong in itself."""
    return Refusal("ValidationException", message)


@dataclass(slots=True)
class Partition:
    """Items of one partition key; the order of sort keys is made when it is asked for."""

    items: dict[str, Stored] = field(default_factory=dict)
    ordered: list[str] | None = None

    def keys(self) -> list[str]:
        """The sort keys in order."""
        if self.ordered is None:
            self.ordered = sorted(self.items)
        return self.ordered


@dataclass(slots=True)
class Table:
    """One table with the keys pk and sk. `indexes`: partition and sort attribute of each, projecting everything."""

    name: str
    indexes: tuple[tuple[str, str], ...] = ()
    partitions: dict[str, Partition] = field(default_factory=dict)
    reads: float = 0.0
    writes: float = 0.0
    changed: int = 0
    refused: int = 0
    listed: dict[tuple[int, str], list[tuple[str, str, Stored]]] = field(default_factory=dict)

    def by_index(self, index: int, partition: str) -> list[tuple[str, str, Stored]]:
        """Sort value, partition key and item of all that an index has in a partition, in order; kept until a write."""
        found = self.listed.get((index, partition))
        if found is None:
            rows = (row for one in self.partitions.values() for row in one.items.values())
            keyed = ((_index_key(self.indexes[index], row), row) for row in rows)
            mine = [(key[1]["S"], row[0]["pk"]["S"], row) for key, row in keyed if key and key[0]["S"] == partition]
            found = self.listed[index, partition] = sorted(mine, key=lambda one: (one[0].encode(), one[1]))
        return found

    def get(self, key: Key) -> Stored | None:
        """The item with a key."""
        partition = self.partitions.get(key[0])
        return partition.items.get(key[1]) if partition is not None else None

    def put(self, item: Item) -> float:
        """Store an item over whatever is there; returns what it costs. Raises Refusal."""
        key = key_of(item)
        size = size_of(item)
        partition = self.partitions.get(key[0])
        if partition is None:
            partition = self.partitions[key[0]] = Partition()
        old = partition.items.get(key[1])
        if old is None:
            partition.ordered = None
        partition.items[key[1]] = (item, size)
        return self._changed(old, (item, size))

    def remove(self, key: Key) -> float:
        """Delete an item if it is there; returns what it costs."""
        partition = self.partitions.get(key[0])
        old = partition.items.pop(key[1], None) if partition is not None else None
        if partition is None or old is None:
            return self.write_units(None)
        partition.ordered = None
        if not partition.items:
            del self.partitions[key[0]]
        return self._changed(old, None)

    def _changed(self, old: Stored | None, new: Stored | None) -> float:
        self.changed += 1
        if self.listed:
            self.listed.clear()
        largest = max((stored for stored in (old, new) if stored is not None), key=lambda stored: stored[1])
        units = self.write_units(largest)
        for index in self.indexes:
            units += self._index_units(index, old, new)
        return units

    def _index_units(self, index: tuple[str, str], old: Stored | None, new: Stored | None) -> float:
        before, after = (_index_key(index, stored) for stored in (old, new))
        sides = [stored for key, stored in ((before, old), (after, new)) if key is not None and stored is not None]
        if len(sides) == 2 and before == after:
            sides = [] if sides[0][0] == sides[1][0] else [max(sides, key=lambda stored: stored[1])]
        return sum(self.write_units(stored) for stored in sides)

    def write_units(self, stored: Stored | None) -> float:
        """Count the cost of a write of an item of this size, applied or refused."""
        units = float(max(1, math.ceil(stored[1] / WRITE_UNIT_BYTES))) if stored is not None else 1.0
        self.writes += units
        return units

    def read_units(self, size: int, *, consistent: bool) -> float:
        """Count the cost of a read of so many bytes."""
        units = max(1, math.ceil(size / READ_UNIT_BYTES)) * (1.0 if consistent else 0.5)
        self.reads += units
        return units


def _index_key(index: tuple[str, str], stored: Stored | None) -> tuple[AttributeValue, AttributeValue] | None:
    if stored is None or index[0] not in stored[0] or index[1] not in stored[0]:
        return None
    return stored[0][index[0]], stored[0][index[1]]


def key_of(item: Item) -> Key:
    """The key of an item. Raises Refusal."""
    values = []
    for name, longest in MAX_KEY_BYTES.items():
        value = item.get(name)
        if value is None:
            raise invalid(f"One of the required keys was not given a value: {name}")
        text = value.get("S")
        if not isinstance(text, str):
            raise invalid(f"Type mismatch for key {name}")
        if not text or (len(text) * 4 > longest and len(text.encode()) > longest):
            raise invalid(f"the key attribute {name} is empty or longer than {longest} bytes")
        values.append(text)
    return values[0], values[1]


def exact_key(key: Item) -> Key:
    """A key in a request: the key's attributes and nothing else. Raises Refusal."""
    if key.keys() != MAX_KEY_BYTES.keys():
        raise invalid("The provided key element does not match the schema")
    return key_of(key)


def size_of(item: Item) -> int:
    """Size of an item. Raises Refusal for one that DynamoDB would not take."""
    try:
        size = item_bytes(item)
    except (ValueError, AttributeError, TypeError, UnicodeEncodeError):
        raise invalid("an attribute value is malformed") from None
    if size > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    return size


def projected(item: Item, expression: str | None, names: Names) -> Item:
    """The wanted attributes of an item."""
    if not expression:
        return item
    wanted = [names.get(name, name) for name in map(str.strip, expression.split(","))]
    return {name: item[name] for name in wanted if name in item}


class Tables:
    """All tables. For one thread."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.calls: Counter[str] = Counter()
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "BatchGetItem": self._batch_get,
            "BatchExecuteStatement": self._batch_execute,
            "Query": self._query,
            "GetItem": self._get,
            "PutItem": self._put,
            "DeleteItem": self._delete,
            "UpdateItem": self._update,
            "BatchWriteItem": self._batch_write,
            "Scan": self._scan,
            "CreateTable": self._create_table,
            "DeleteTable": self._delete_table,
            "DescribeTable": self._describe_table,
            "ListTables": lambda _: {"TableNames": sorted(self.tables)},
            "Statistics": self._statistics,
        }

    def call(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer of one request."""
        self.calls[action] += 1
        try:
            run = self._actions.get(action)
            if run is None:
                raise Refusal("UnknownOperationException", f"{action} is not supported here")
            return 200, run(request)
        except Invalid as problem:
            refusal = invalid(str(problem))
        except Refusal as problem:
            refusal = problem
        type_name = f"com.amazonaws.dynamodb.v20120810#{refusal.code}"
        return 400, {"__type": type_name, "message": refusal.message, **refusal.more}

    def _table(self, name: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise Refusal("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
        return table

    # --- reads ----------------------------------------------------------------------------------------------------

    def _batch_get(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["RequestItems"]
        if not 1 <= sum(len(one["Keys"]) for one in asked.values()) <= GETS:
            raise invalid(f"Too many items requested for the BatchGetItem call, or none; {GETS} are allowed")
        answers: dict[str, list[Item]] = {}
        left: dict[str, Any] = {}
        units: dict[str, float] = {}
        total = 0
        for name, one in asked.items():
            table = self._table(name)
            names, wanted = one.get("ExpressionAttributeNames") or {}, one.get("ProjectionExpression")
            consistent = bool(one.get("ConsistentRead"))
            keys = [exact_key(key) for key in one["Keys"]]
            if len(set(keys)) != len(keys):
                raise invalid("Provided list of item keys contains duplicates")
            found = answers[name] = []
            for at, key in enumerate(keys):
                stored = table.get(key)
                total += stored[1] if stored is not None else 0
                if total > ANSWER_BYTES:
                    left[name] = {**one, "Keys": one["Keys"][at:]}
                    break
                used = table.read_units(stored[1] if stored is not None else 0, consistent=consistent)
                units[name] = units.get(name, 0.0) + used
                if stored is not None:
                    found.append(projected(stored[0], wanted, names))
        return {"Responses": answers, "UnprocessedKeys": left, **_capacities(request, units)}

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        stored = table.get(exact_key(request["Key"]))
        consistent = bool(request.get("ConsistentRead"))
        units = table.read_units(stored[1] if stored is not None else 0, consistent=consistent)
        answer = _capacity(request, table, units)
        if stored is not None:
            names = request.get("ExpressionAttributeNames") or {}
            answer["Item"] = projected(stored[0], request.get("ProjectionExpression"), names)
        return answer

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        if request.get("FilterExpression"):
            raise invalid("filters are not supported here")
        if request.get("IndexName"):
            return self._index_query(request, table)
        names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
        keys = key_condition(request["KeyConditionExpression"])
        if names.get(keys.partition, keys.partition) != "pk" or names.get(keys.sort, keys.sort) not in ("", "sk"):
            raise invalid("Query condition missed key schema element")
        pk = values[keys.partition_value]["S"]
        partition = table.partitions.get(pk) or Partition()
        ordered = partition.keys()
        first, last = _range(ordered, keys.sign, values[keys.sort_value]["S"] if keys.sign else "")
        if start := request.get("ExclusiveStartKey"):
            after = exact_key(start)
            if after[0] != pk:
                raise invalid("The provided starting key is outside query boundaries based on provided conditions")
            first = max(first, bisect_right(ordered, after[1]))
        rows = (partition.items[sk] for sk in ordered[first:last])
        return self._page(request, table, rows)

    def _index_query(self, request: dict[str, Any], table: Table) -> dict[str, Any]:
        """All of one partition of `idxN`, either way round, from its beginning: what lists ask for first."""
        keys = key_condition(request["KeyConditionExpression"])
        index = int(request["IndexName"].removeprefix("idx"))
        if keys.sign or request.get("ExclusiveStartKey"):
            raise invalid("bounds and pages of indexes are not supported here")
        names, values = request.get("ExpressionAttributeNames") or {}, request["ExpressionAttributeValues"]
        if names.get(keys.partition, keys.partition) != table.indexes[index][0]:
            raise invalid("Query condition missed key schema element")
        found = table.by_index(index, values[keys.partition_value]["S"])
        rows = reversed(found) if request.get("ScanIndexForward") is False else iter(found)
        return self._page(request, table, (row for _, _, row in rows))

    def _scan(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        all_keys = sorted((pk, sk) for pk, partition in table.partitions.items() for sk in partition.items)
        if start := request.get("ExclusiveStartKey"):
            all_keys = all_keys[bisect_right(all_keys, exact_key(start)) :]
        return self._page(request, table, (table.partitions[pk].items[sk] for pk, sk in all_keys))

    def _page(self, request: dict[str, Any], table: Table, rows: Iterable[Stored]) -> dict[str, Any]:
        """As much as fits a page. Filters are applied to what was read, as DynamoDB does."""
        limit = request.get("Limit") or math.inf
        if limit < 1:
            raise invalid("Limit must be at least 1")
        names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
        wanted, kept = request.get("ProjectionExpression"), request.get("FilterExpression")
        holds = condition(kept) if kept else None
        items: list[Item] = []
        size = seen = 0
        last: Item | None = None
        for item, item_size in rows:
            if seen >= limit or (seen and size + item_size > PAGE_BYTES):
                break
            seen, size, last = seen + 1, size + item_size, item
            if holds is None or holds(item, names, values):
                items.append(projected(item, wanted, names))
        else:
            last = last if seen >= limit else None  # a full page names its last key even if nothing follows
        units = table.read_units(size, consistent=bool(request.get("ConsistentRead")))
        answer = {"Items": items, "Count": len(items), "ScannedCount": seen, **_capacity(request, table, units)}
        if last is not None:
            answer["LastEvaluatedKey"] = {name: last[name] for name in MAX_KEY_BYTES}
        if request.get("Select") == "COUNT":
            del answer["Items"]
        return answer

    # --- writes ---------------------------------------------------------------------------------------------------

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        table, item = self._table(request["TableName"]), request["Item"]
        old = table.get(key_of(item))
        size_of(item)
        self._check(request, table, old)
        return self._written(request, table, old, table.put(item))

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        table, key = self._table(request["TableName"]), exact_key(request["Key"])
        old = table.get(key)
        self._check(request, table, old)
        return self._written(request, table, old, table.remove(key))

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        """`SET a = :a, b = :b REMOVE c`; what else an update expression may say is refused."""
        table, key = self._table(request["TableName"]), exact_key(request["Key"])
        old = table.get(key)
        self._check(request, table, old)
        names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
        text = request.get("UpdateExpression", "").strip()
        sets, _, removes = text.partition("REMOVE ")
        item = {**(old[0] if old is not None else request["Key"])}
        for part in filter(None, map(str.strip, sets.removeprefix("SET ").split(","))):
            name, _, value = (word.strip() for word in part.partition("="))
            if value not in values:
                raise invalid(f"the update expression cannot be read: {text}")
            item[names.get(name, name)] = values[value]
        for name in filter(None, map(str.strip, removes.split(","))):
            item.pop(names.get(name, name), None)
        if exact_key({name: item[name] for name in MAX_KEY_BYTES}) != key:
            raise invalid("Cannot update attribute: it is part of the key")
        return self._written(request, table, old, table.put(item))

    def _check(self, request: dict[str, Any], table: Table, old: Stored | None) -> None:
        """Raises Refusal if the condition of a write does not hold; that costs as much as the write."""
        text = request.get("ConditionExpression")
        names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
        if text is None or condition(text)(old[0] if old is not None else {}, names, values):
            return
        table.write_units(old)
        table.refused += 1
        shown = old is not None and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        more = {"Item": old[0]} if shown and old is not None else {}
        raise Refusal("ConditionalCheckFailedException", "The conditional request failed", **more)

    @staticmethod
    def _written(request: dict[str, Any], table: Table, old: Stored | None, units: float) -> dict[str, Any]:
        answer = _capacity(request, table, units)
        if request.get("ReturnValues") == "ALL_OLD" and old is not None:
            answer["Attributes"] = old[0]
        return answer

    def _batch_write(self, request: dict[str, Any]) -> dict[str, Any]:
        writes: list[tuple[Table, Key, Item | None]] = []
        for name, entries in request["RequestItems"].items():
            table = self._table(name)
            for entry in entries:
                item = entry["PutRequest"]["Item"] if "PutRequest" in entry else None
                key = key_of(item) if item is not None else exact_key(entry["DeleteRequest"]["Key"])
                writes.append((table, key, item))
        if not 1 <= len(writes) <= PUTS:
            raise invalid(f"Too many items requested for the BatchWriteItem call, or none; {PUTS} are allowed")
        if len({(table.name, key) for table, key, _ in writes}) != len(writes):
            raise invalid("Provided list of item keys contains duplicates")
        for _, _, item in writes:
            size_of(item or {})
        units: dict[str, float] = {}
        for table, key, item in writes:
            used = table.put(item) if item is not None else table.remove(key)
            units[table.name] = units.get(table.name, 0.0) + used
        return {"UnprocessedItems": {}, **_capacities(request, units)}

    def _batch_execute(self, request: dict[str, Any]) -> dict[str, Any]:
        """Writes only. One item named twice refuses the whole call; else each statement succeeds or fails alone."""
        entries = request["Statements"]
        if not 1 <= len(entries) <= STATEMENTS:
            raise invalid(f"a batch takes 1 to {STATEMENTS} statements")
        runs = [self._prepared(entry) for entry in entries]
        named = [(table.name, key) for table, key, _ in runs]
        if len(set(named)) != len(named):
            raise invalid("Provided list of item keys contains duplicates")
        units: dict[str, float] = {}
        answers: list[dict[str, Any]] = []
        for table, _, run in runs:
            before = table.writes
            error = run()
            units[table.name] = units.get(table.name, 0.0) + table.writes - before
            answers.append({"TableName": table.name} if error is None else {"TableName": table.name, "Error": error})
        return {"Responses": answers, **_capacities(request, units)}

    def _prepared(self, entry: dict[str, Any]) -> tuple[Table, Key, Callable[[], dict[str, Any] | None]]:
        """A statement's table and key, and what runs it and returns its error."""
        parsed = statement(entry["Statement"])
        values = entry.get("Parameters") or []
        if len(values) != parsed.parameters:
            raise invalid(f"the statement takes {parsed.parameters} parameters, {len(values)} are given")
        table = self._table(parsed.table)
        assign = dict(zip(parsed.assign, values, strict=False))
        if parsed.kind == "INSERT":
            key = key_of(assign)
            return table, key, lambda: _insert(table, key, assign)
        terms = list(zip(parsed.where, values[len(assign) :], strict=True))
        keys = {name: value for (name, sign), value in terms if name in MAX_KEY_BYTES and sign == "="}
        key = exact_key(keys)
        if not MAX_KEY_BYTES.keys().isdisjoint((*assign, *parsed.remove)):
            raise invalid("Cannot update attribute: it is part of the key")
        all_old = entry.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"

        def run() -> dict[str, Any] | None:
            old = table.get(key)
            if old is None or not all(compare(sign, old[0].get(name), value) for (name, sign), value in terms):
                return _refused(table, old, all_old=all_old)
            try:
                if parsed.kind == "DELETE":
                    table.remove(key)
                else:
                    item = {**old[0], **assign}
                    for name in parsed.remove:
                        item.pop(name, None)
                    table.put(item)
            except Refusal as refusal:
                return {"Code": "ValidationError", "Message": refusal.message}
            return None

        return table, key, run

    # --- tables ---------------------------------------------------------------------------------------------------

    def _create_table(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["TableName"]
        if name in self.tables:
            raise Refusal("ResourceInUseException", f"Table already exists: {name}")
        if [key["AttributeName"] for key in request["KeySchema"]] != list(MAX_KEY_BYTES):
            raise invalid("tables have the keys pk and sk here")
        indexes = tuple(
            (keys[0]["AttributeName"], keys[-1]["AttributeName"])
            for keys in (index["KeySchema"] for index in request.get("GlobalSecondaryIndexes") or ())
        )
        self.tables[name] = Table(name, indexes)
        return {"TableDescription": _description(name)}

    def _delete_table(self, request: dict[str, Any]) -> dict[str, Any]:
        name = self._table(request["TableName"]).name
        del self.tables[name]
        return {"TableDescription": _description(name)}

    def _describe_table(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Table": _description(self._table(request["TableName"]).name)}

    def _statistics(self, _: dict[str, Any]) -> dict[str, Any]:
        """Not DynamoDB's: what the benchmarks ask beside the worker."""
        return {
            "calls": dict(self.calls),
            "tables": {
                table.name: {
                    "read_units": table.reads,
                    "write_units": table.writes,
                    "written": table.changed,
                    "refused": table.refused,
                    "items": sum(len(partition.items) for partition in table.partitions.values()),
                }
                for table in self.tables.values()
            },
        }


def _insert(table: Table, key: Key, item: Item) -> dict[str, Any] | None:
    old = table.get(key)
    if old is not None:
        table.write_units(old)
        table.refused += 1
        return {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    try:
        table.put(item)
    except Refusal as refusal:
        return {"Code": "ValidationError", "Message": refusal.message}
    return None


def _refused(table: Table, old: Stored | None, *, all_old: bool) -> dict[str, Any]:
    table.write_units(old)
    table.refused += 1
    error: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    if all_old and old is not None:
        error["Item"] = old[0]
    return error


def _range(ordered: list[str], sign: str, value: str) -> tuple[int, int]:
    """The part of ordered sort keys that fulfils a condition."""
    if sign == "begins_with":
        if not value:
            raise invalid("the prefix is empty")
        # code points sort as their UTF-8 does, so one behind all that begin with the prefix is found by its last one
        end = value[:-1] + chr(ord(value[-1]) + 1) if ord(value[-1]) < 0x10FFFF else value + "\U0010ffff" * 256
        return bisect_left(ordered, value), bisect_left(ordered, end)
    if sign == "=":
        return bisect_left(ordered, value), bisect_right(ordered, value)
    if sign in ("<", "<="):
        return 0, (bisect_left if sign == "<" else bisect_right)(ordered, value)
    if sign in (">", ">="):
        return (bisect_right if sign == ">" else bisect_left)(ordered, value), len(ordered)
    return 0, len(ordered)


def _capacity(request: dict[str, Any], table: Table, units: float) -> dict[str, Any]:
    if request.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return {}
    return {"ConsumedCapacity": {"TableName": table.name, "CapacityUnits": units}}


def _capacities(request: dict[str, Any], units: dict[str, float]) -> dict[str, Any]:
    if request.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return {}
    return {"ConsumedCapacity": [{"TableName": name, "CapacityUnits": used} for name, used in units.items()]}


def _description(name: str) -> dict[str, Any]:
    return {
        "TableName": name,
        "TableStatus": "ACTIVE",
        "TableArn": f"arn:aws:dynamodb:eu-west-1:000000000000:table/{name}",
        "KeySchema": [
            {"AttributeName": attribute, "KeyType": kind} for attribute, kind in (("pk", "HASH"), ("sk", "RANGE"))
        ],
    }
