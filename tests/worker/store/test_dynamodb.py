"""The store's own part: batches, retry of every item on its own, what ends it. A fake client injects the faults."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from worker import pulse
from worker.errors import FatalError
from worker.log import Log
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Query,
    Refused,
    Replace,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.store.dynamodb import CALLS_IN_FLIGHT, DynamoStore
from worker.store.failures import LONGEST_DELAY_SECONDS

ROWS = TableName.ROWS
CANARY = "canary-7F3A"
Fault = Callable[[dict[str, Any]], Any]


def _items(request: dict[str, Any]) -> dict[str, Any]:
    ((table, asked),) = request["RequestItems"].items()
    return {"Responses": {table: [{**key, "v": text("1")} for key in asked["Keys"]]}, "UnprocessedKeys": {}}


ANSWERS: dict[str, Fault] = {
    "BatchGetItem": _items,
    "BatchExecuteStatement": lambda request: {"Responses": [{} for _ in request["Statements"]]},
    "Query": lambda _: {"Items": [{"sk": text("x#1")}]},
    "PutItem": lambda _: {},
    "UpdateItem": lambda _: {},
    "DeleteItem": lambda _: {},
}


class Client:
    """Answers every call with success unless a fault stands in the queue; a fault may also return an answer."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.abandoned = 0
        self.closed = False

    def send(self, operation: str, body: bytes) -> tuple[str, dict[str, Any]]:
        self.calls.append((operation, json.loads(body)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        return self.calls[-1]

    def receive(self, exchange: tuple[str, dict[str, Any]]) -> Any:
        name, request = exchange
        self.under_way -= 1
        return self.faults.pop(0)(request) if self.faults else ANSWERS[name](request)

    def abandon(self, _: Any) -> None:
        self.under_way -= 1
        self.abandoned += 1

    def close(self) -> None:
        self.closed = True

    def count(self) -> Counter[str]:
        """Calls by name."""
        return Counter(name for name, _ in self.calls)


class Harness:
    """A store on a fake client; it notes its sleeps instead of sleeping."""

    def __init__(self, *faults: Fault, jitter: float = 1.0, batched: bool = True) -> None:
        self.client = Client(*faults)
        self.slept: list[float] = []
        self.log = io.StringIO()
        names = {ROWS: "rows", TableName.DOCUMENTS: "documents"}
        self.store = DynamoStore(
            self.client, names, Log("debug", self.log), self.slept.append, lambda: jitter, batched=batched
        )

    def run(self, *group: Any) -> list[Any]:
        try:
            return self.store.run(group)
        finally:
            self.store.close()


def raises(error: Exception) -> Fault:
    def fault(_: dict[str, Any]) -> Any:
        raise error

    return fault


def coded(code: str, **more: Any) -> Fault:
    response: Any = {"Error": {"Code": code, "Message": CANARY}, **more}
    return raises(ClientError(response, "AnyCall"))


def statements(*answers: dict[str, Any]) -> Fault:
    return lambda _: {"Responses": list(answers)}


def insert(key: str) -> Insert:
    return Insert(ROWS, key, "#", {"pk": text(key), "sk": text("#"), "v": text("1")})


def get(key: str) -> Get:
    return Get(ROWS, key, "#")


def _item(key: str) -> dict[str, Any]:
    return {"pk": text(key), "sk": text("#"), "v": text("1")}


TRANSIENT: dict[str, Fault] = {
    "throttling": coded("ThrottlingException"),
    "a server error": coded("InternalServerError"),
    "a time-out": raises(ReadTimeoutError(endpoint_url="http://127.0.0.1:1")),
    "a reset connection": raises(ConnectionClosedError(endpoint_url="http://127.0.0.1:1")),
}


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize(
    ("operation", "reply"),
    [
        (get("a"), _item("a")),
        (Query(ROWS, "a", "x#"), ("x#1",)),
        (insert("a"), APPLIED),
        (Replace(ROWS, "a", "#", _item("a"), (Condition("v", "=", text("0")),)), APPLIED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_call_that_fails_for_a_while_is_repeated_until_it_succeeds(fault: str, operation: Any, reply: Any) -> None:
    harness = Harness(*[TRANSIENT[fault]] * 4)

    assert harness.run(operation) == [reply]
    assert len(harness.client.calls) == 5
    assert harness.store.retries == 4
    assert CANARY not in harness.log.getvalue()


@pytest.mark.parametrize(
    "fault", [raises(ResponseParserError(CANARY)), lambda _: {}], ids=["not to be parsed", "without its members"]
)
@pytest.mark.parametrize("operation", [get("a"), Query(ROWS, "a", "x#"), insert("a")], ids=lambda op: type(op).__name__)
def test_a_garbled_reply_is_asked_for_again(fault: Fault, operation: Any) -> None:
    """A proxy's page instead of DynamoDB's answer must not end a worker."""
    assert Harness(fault).run(operation) == Harness().run(operation)


def test_keys_that_were_not_processed_are_asked_for_again_alone() -> None:
    def half(request: dict[str, Any]) -> Any:
        keys = request["RequestItems"]["rows"]["Keys"]
        return {
            "Responses": {"rows": [{**key, "v": text("1")} for key in keys[:2]]},
            "UnprocessedKeys": {"rows": {"Keys": keys[2:], "ConsistentRead": True}},
        }

    harness = Harness(half)

    assert harness.run(get("a"), get("b"), get("c"), get("d")) == [_item(key) for key in "abcd"]
    asked = [[key["pk"]["S"] for key in request["RequestItems"]["rows"]["Keys"]] for _, request in harness.client.calls]
    assert asked == [["a", "b", "c", "d"], ["c", "d"]]
    assert harness.store.retries == 2


def test_an_item_that_is_not_there_is_none_and_not_asked_for_again() -> None:
    harness = Harness(lambda _: {"Responses": {"rows": [_item("b")]}})

    assert harness.run(get("a"), get("b")) == [None, _item("b")]
    assert len(harness.client.calls) == 1


def test_each_statement_has_a_fate_of_its_own() -> None:
    """Applied and refused ones are done; only the throttled one is sent again."""
    there = {"pk": text("b"), "v": text("9")}
    harness = Harness(
        statements(
            {},
            {"Error": {"Code": "ConditionalCheckFailed", "Message": CANARY, "Item": there}},
            {"Error": {"Code": "ThrottlingError", "Message": CANARY}},
            {"Error": {"Code": "DuplicateItem"}},
            {"Error": {"Code": "ConditionalCheckFailed"}},
        )
    )
    group = [
        insert("a"),
        Update(ROWS, "b", "#", {"v": text("2")}, ()),
        insert("c"),
        insert("d"),
        Delete(ROWS, "e", "#", ()),
    ]

    assert harness.run(*group) == [APPLIED, Refused(there), APPLIED, Refused(None), Refused(None)]
    assert [item.item for item in [Refused(there)]] == [there]
    assert [len(request["Statements"]) for _, request in harness.client.calls] == [5, 1]
    assert harness.client.calls[1][1]["Statements"][0]["Parameters"][0] == text("c")
    assert harness.store.retries == 1


def test_a_refused_put_brings_what_stands_there() -> None:
    there = {"_rev": number(7)}
    replace = Replace(TableName.DOCUMENTS, "a", "#", _item("a"), (Condition("_rev", "=", number(6)),))
    (reply,) = Harness(coded("ConditionalCheckFailedException", Item=there)).run(replace)

    assert isinstance(reply, Refused)
    assert reply.item == there


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
@pytest.mark.parametrize(
    "operation", [get("a"), Query(ROWS, "a", ""), insert("a")], ids=lambda value: type(value).__name__
)
def test_what_no_repetition_mends_ends_it(code: str, operation: Any) -> None:
    harness = Harness(coded(code))

    with pytest.raises(FatalError, match=f"^DynamoDB refused .*: {code}: check the tables' names") as caught:
        harness.run(operation)

    assert CANARY not in str(caught.value)
    assert harness.slept == []


def test_a_window_of_calls_is_under_way() -> None:
    harness = Harness()
    harness.run(*(Query(ROWS, f"q{i}", "") for i in range(30)))

    assert harness.client.most_under_way == CALLS_IN_FLIGHT
    assert (harness.client.under_way, harness.client.abandoned) == (0, 0)
    assert harness.client.closed


def test_every_call_that_times_out_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(pulse, "beat", lambda: seen.append("beat"))

    def time_out(_: dict[str, Any]) -> Any:
        seen.append("time-out")
        raise ReadTimeoutError(endpoint_url="http://x")

    harness = Harness(*[time_out] * CALLS_IN_FLIGHT)
    harness.run(*[Query(ROWS, str(number), "", 1) for number in range(CALLS_IN_FLIGHT)])

    waits = seen[: 2 * CALLS_IN_FLIGHT]
    assert waits == ["time-out", "beat"] * CALLS_IN_FLIGHT, "one after the other they take longer than a hang is given"


def test_what_is_under_way_is_abandoned_at_the_end() -> None:
    """Nobody takes those answers for others."""
    harness = Harness(coded("AccessDeniedException"))
    with pytest.raises(FatalError):
        harness.run(*(Query(ROWS, f"q{i}", "") for i in range(30)))

    assert harness.client.abandoned == CALLS_IN_FLIGHT - 1
    assert harness.client.under_way == 0


def test_units_are_counted_by_table_and_way() -> None:
    """As DynamoDB tells them, whatever becomes of single statements."""
    units = [{"TableName": "rows", "CapacityUnits": 3.0}, {"TableName": "documents", "CapacityUnits": 2.0}]
    harness = Harness(
        lambda _: {"Responses": [{}, {"Error": {"Code": "DuplicateItem"}}], "ConsumedCapacity": units},
        lambda _: {"Items": [], "ConsumedCapacity": {"TableName": "rows", "CapacityUnits": 0.5}},
    )
    harness.store.run([insert("a"), insert("b")])
    harness.run(Query(ROWS, "q", ""))

    assert harness.store.usage.write_units == {ROWS: 3.0, TableName.DOCUMENTS: 2.0}
    assert harness.store.usage.read_units == {ROWS: 0.5, TableName.DOCUMENTS: 0.0}


def test_single_writes_go_in_calls_of_their_own() -> None:
    harness = Harness(batched=False)
    update, delete = Update(ROWS, "b", "#", {"v": text("2")}, ()), Delete(ROWS, "c", "#", ())

    assert harness.run(insert("a"), update, delete) == [APPLIED] * 3
    assert harness.client.count() == {"PutItem": 1, "UpdateItem": 1, "DeleteItem": 1}


def test_one_statement_without_the_right_ends_it() -> None:
    harness = Harness(statements({}, {"Error": {"Code": "AccessDenied", "Message": CANARY}}))

    with pytest.raises(FatalError, match="AccessDenied"):
        harness.run(insert("a"), insert("b"))


def test_a_query_reads_all_pages() -> None:
    key = {"pk": text("a"), "sk": text("x#2")}
    harness = Harness(
        lambda _: {"Items": [{"sk": text("x#1")}, {"sk": text("x#2")}], "LastEvaluatedKey": key},
        lambda _: {"Items": [], "LastEvaluatedKey": key},
    )

    assert harness.run(Query(ROWS, "a", "x#")) == [("x#1", "x#2", "x#1")]
    assert [request.get("ExclusiveStartKey") for _, request in harness.client.calls] == [None, key, key]


def test_a_query_ends_with_as_many_as_were_asked_for() -> None:
    """What a page may hold is what is still wanted."""
    key = {"pk": text("a"), "sk": text("x#2")}
    harness = Harness(
        lambda _: {"Items": [{"sk": text("x#1")}, {"sk": text("x#2")}], "LastEvaluatedKey": key},
        lambda _: {"Items": [{"sk": text("x#3")}], "LastEvaluatedKey": {"pk": text("a"), "sk": text("x#3")}},
    )

    assert harness.run(Query(ROWS, "a", "x#", 3, "x#0")) == [("x#1", "x#2", "x#3")]
    calls = [request for _, request in harness.client.calls]
    assert [request["Limit"] for request in calls] == [3, 1]
    assert [request["ExclusiveStartKey"] for request in calls] == [{"pk": text("a"), "sk": text("x#0")}, key]


def test_a_query_that_fails_on_a_later_page_starts_over() -> None:
    """Nothing of the first try is counted twice."""
    key = {"pk": text("a"), "sk": text("x#2")}
    harness = Harness(lambda _: {"Items": [{"sk": text("x#1")}], "LastEvaluatedKey": key}, coded("ThrottlingException"))

    assert harness.run(Query(ROWS, "a", "x#")) == [("x#1",)]


def test_large_groups_go_in_full_batches_and_replies_keep_the_order() -> None:
    harness = Harness()
    group = [get(f"g{i}") if i % 2 else Query(ROWS, f"q{i}", "x#") for i in range(420)]

    replies = harness.run(*group)

    assert harness.client.count() == {"BatchGetItem": 3, "Query": 210}
    assert replies[1] == _item("g1")
    assert replies[419] == _item("g419")
    assert replies[0] == ("x#1",)


def test_writes_go_as_statements_by_25_and_whole_documents_as_puts() -> None:
    harness = Harness()
    writes = [insert(f"i{i}") for i in range(60)]
    puts = [Replace(TableName.DOCUMENTS, f"d{i}", "#", _item(f"d{i}"), ()) for i in range(3)]

    assert harness.run(*writes, *puts) == [APPLIED] * 63
    assert harness.client.count() == {"BatchExecuteStatement": 3, "PutItem": 3}


def test_whole_items_and_heads_are_asked_for_in_calls_of_their_own() -> None:
    """One call has one projection."""
    harness = Harness()
    harness.run(get("a"), Get(ROWS, "b", "#", ("_rev",)), Get(TableName.DOCUMENTS, "c", "#"))

    assert harness.client.count() == {"BatchGetItem": 3}


def test_nothing_to_do_asks_nothing() -> None:
    harness = Harness()

    assert harness.run() == []
    assert harness.client.calls == []


def test_pauses_grow_are_jittered_and_bounded() -> None:
    slow, quick = Harness(*[TRANSIENT["throttling"]] * 20), Harness(*[TRANSIENT["throttling"]] * 20, jitter=0.0)
    slow.run(get("a"))
    quick.run(get("a"))

    assert slow.slept[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(slow.slept) == slow.slept[-1] == LONGEST_DELAY_SECONDS
    assert quick.slept == pytest.approx([pause * 0.1 for pause in slow.slept])


def test_a_short_hiccup_is_silent_a_long_one_is_told_with_its_cause() -> None:
    brief, long = Harness(*[TRANSIENT["throttling"]] * 2), Harness(*[TRANSIENT["a time-out"]] * 4)
    brief.run(get("a"))
    long.run(get("a"))

    assert brief.log.getvalue() == ""
    lines = [json.loads(line) for line in long.log.getvalue().splitlines()]
    assert [(line["event"], line["attempt"], line["count"], line["error"]) for line in lines] == [
        ("store_retried", 3, 1, "BatchGetItem: ReadTimeoutError"),
        ("store_retried", 4, 1, "BatchGetItem: ReadTimeoutError"),
    ]


def test_a_generator_is_driven_to_its_end() -> None:
    def steps() -> Steps[str]:
        (item,) = yield [get("a")]
        replies = yield [insert("b"), insert("c")]
        return f"{item['v']['S']} {len(replies)}"

    harness = Harness()

    assert harness.store.drive(steps()) == "1 2"
    harness.store.close()


def test_a_generator_that_asks_for_nothing_ends_at_once() -> None:
    def steps() -> Steps[int]:
        yield from ()
        return 7

    harness = Harness()

    assert harness.store.drive(steps()) == 7
    harness.store.close()
