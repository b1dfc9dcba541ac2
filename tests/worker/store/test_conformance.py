"""One suite for every store that the engine may stand on: the one in memory, MiniStack, and any other endpoint.

Conditional writes go in batches and singly, by the worker's own client and by boto3, which checks what it is given.
`strict` are tables as strict as DynamoDB; `stormy` the same under every fault that leaves a write undone; `proxied` is
MiniStack behind the same faults. (Faults after a write may turn an outcome into a refusal: `tests/soak` has those.)

TEST_CONFORMANCE_ENDPOINT (with AWS_REGION and credentials in the environment) adds a further one: DynamoDB Local,
or AWS itself with `https://dynamodb.<region>.amazonaws.com`. It creates a table of its own and deletes it.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest
from botocore.session import Session

from local.ministack import MiniStack
from tests.faults.running import faulty_store
from tests.faults.weather import NOT_DONE, PARTLY_DONE, Fault, Weather, storm
from tests.worker.store.boto import BotoClient
from worker.log import Log
from worker.projection.operations import (
    APPLIED,
    Condition,
    Delete,
    Get,
    Insert,
    Operation,
    Query,
    Refused,
    Replace,
    TableName,
    Update,
    number,
    text,
)
from worker.store.dynamodb import Client, DynamoStore, dynamodb_client
from worker.store.lean import LeanDynamoDB
from worker.store.memory import MemoryStore

Run = Callable[[Sequence[Operation]], list[Any]]

ENDPOINT = os.environ.get("TEST_CONFORMANCE_ENDPOINT", "")
BATCHED = {"batched": True, "single": False}
WAYS = ("boto", "lean", "strict", "stormy", "proxied", *(["endpoint"] if ENDPOINT else []))
STORES = ["memory", *(f"{way} {mode}" for way in WAYS for mode in BATCHED)]
PASSING = (NOT_DONE | PARTLY_DONE) - {Fault.REVOKED}


def _create(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


@pytest.fixture(params=STORES, scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a group of operations and gives the replies."""
    if request.param == "memory":
        memory = MemoryStore()
        yield lambda group: [memory.apply(operation) for operation in group]
        return
    way, mode = request.param.split()
    if way in ("strict", "stormy", "proxied"):
        yield from _under_faults(
            Weather(7) if way == "strict" else storm(7, 0.3, PASSING),
            request.getfixturevalue("ministack").url if way == "proxied" else "",
            batched=BATCHED[mode],
        )
        return
    if way == "endpoint":
        client = boto3.client("dynamodb", endpoint_url=ENDPOINT)
    else:
        stack: MiniStack = request.getfixturevalue("ministack")
        client = stack.client("dynamodb")
    names = {table: f"conformance-{table.value}-{uuid.uuid4().hex[:8]}" for table in TableName}
    for name in names.values():
        _create(client, name)
    under: Client = BotoClient(client)
    if way == "lean":
        session = Session()
        session.set_credentials("test", "test")
        under = LeanDynamoDB("eu-west-1", stack.url, session)
    store = DynamoStore(under, names, Log("error"), batched=BATCHED[mode])
    yield store.run
    store.close()
    for name in names.values():
        client.delete_table(TableName=name)


def _under_faults(weather: Weather, upstream: str, *, batched: bool) -> Iterator[Run]:
    session = Session()
    session.set_credentials("test", "test")
    names = {table: f"conformance-{table.value}-{uuid.uuid4().hex[:8]}" for table in TableName}
    with faulty_store(weather, upstream=upstream) as server:
        weather.calm = True
        client = session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=server.url)
        for name in names.values():
            _create(client, name)
        weather.calm = False
        store = DynamoStore(
            LeanDynamoDB("eu-west-1", server.url, session), names, Log("error"), lambda _: None, batched=batched
        )
        yield store.run
        store.close()
        weather.calm = True
        for name in names.values():
            client.delete_table(TableName=name)


_numbers = itertools.count()


@pytest.fixture
def pk() -> str:
    """A partition that no other test touches."""
    return f"shop.orders#{next(_numbers)}|ключ %23 '\"🙂"


def _insert(pk: str, version: str, sk: str = "#", **more: Any) -> Insert:
    return Insert(TableName.ROWS, pk, sk, {"pk": text(pk), "sk": text(sk), "v": text(version), **more})


def test_an_item_is_inserted_once(run: Run, pk: str) -> None:
    """The second insert is refused and changes nothing."""
    assert run([_insert(pk, "1")]) == [APPLIED]
    assert isinstance(run([_insert(pk, "2")])[0], Refused)
    assert run([Get(TableName.ROWS, pk, "#")])[0]["v"] == text("1")


def test_missing_items_are_none(run: Run, pk: str) -> None:
    """A Get of nothing is None, a Query of nothing is empty."""
    assert run([Get(TableName.ROWS, pk, "#"), Query(TableName.ROWS, pk, "a")]) == [None, ()]


def test_update_needs_its_condition(run: Run, pk: str) -> None:
    """Equal versions are replaced, others are refused with the stored item."""
    run([_insert(pk, "1", row=text("{}"), former=text("[]"))])
    assign = {"v": text("3"), "row": text('{"a": "é\\u0000"}'), "former": text("[]")}
    assert run([Update(TableName.ROWS, pk, "#", assign, (Condition("v", "=", text("1")),))]) == [APPLIED]
    (refused,) = run([Update(TableName.ROWS, pk, "#", assign, (Condition("v", "=", text("1")),))])
    assert refused.item["v"] == text("3")
    assert run([Get(TableName.ROWS, pk, "#")])[0]["row"] == assign["row"]


def test_update_of_a_missing_item_is_refused_with_nothing(run: Run, pk: str) -> None:
    """No upsert: the engine tells `gone` from `newer` by it."""
    operation = Update(TableName.ROWS, pk, "#", {"v": text("3")}, (Condition("v", "<", text("9")),))
    assert run([operation]) == [Refused(None)]
    assert run([Get(TableName.ROWS, pk, "#")]) == [None]


@pytest.mark.parametrize(("stored", "ours", "wins"), [("1", "2", True), ("2", "2", False), ("3", "2", False)])
def test_raise_only_below(run: Run, pk: str, stored: str, ours: str, wins: bool) -> None:
    """An edge's version only rises."""
    run([_insert(pk, stored)])
    (reply,) = run([Update(TableName.ROWS, pk, "#", {"v": text(ours)}, (Condition("v", "<", text(ours)),))])
    assert (reply == APPLIED) is wins


def test_delete_needs_its_condition(run: Run, pk: str) -> None:
    """An edge that was raised meanwhile stays; a missing one is no error."""
    run([_insert(pk, "5")])
    (kept,) = run([Delete(TableName.ROWS, pk, "#", (Condition("v", "<", text("5")),))])
    assert isinstance(kept, Refused)
    assert run([Delete(TableName.ROWS, pk, "#", (Condition("v", "<", text("6")),))]) == [APPLIED]
    run([Delete(TableName.ROWS, pk, "#", (Condition("v", "<", text("6")),))])
    assert run([Get(TableName.ROWS, pk, "#")]) == [None]


def test_all_conditions_must_hold(run: Run, pk: str) -> None:
    """Version and former parents are compared together."""
    run([_insert(pk, "5", former=text('["a"]'))])
    clear = {"former": text("[]")}
    other = (Condition("v", "=", text("5")), Condition("former", "=", text('["b"]')))
    same = (Condition("v", "=", text("5")), Condition("former", "=", text('["a"]')))
    assert isinstance(run([Update(TableName.ROWS, pk, "#", clear, other)])[0], Refused)
    assert run([Update(TableName.ROWS, pk, "#", clear, same)]) == [APPLIED]


def test_a_document_is_replaced_as_a_whole(run: Run, pk: str) -> None:
    """Attributes that the new document lacks are gone; revisions and generations guard it, compared as numbers."""
    keys = {"pk": text(pk), "sk": text("#")}
    first = {**keys, "_rev": number(9), "_gen": number(2), "old": {"L": [{"M": {"a": {"NULL": True}}}]}}
    second = {**keys, "_rev": number(10), "_gen": number(10), "new": {"BOOL": True}}
    when = (Condition("_rev", "=", number(9)), Condition("_gen", "<=", number(10)))
    assert run([Insert(TableName.DOCUMENTS, pk, "#", first)]) == [APPLIED]
    assert isinstance(run([Insert(TableName.DOCUMENTS, pk, "#", first)])[0], Refused)
    assert run([Replace(TableName.DOCUMENTS, pk, "#", second, when)]) == [APPLIED]
    (refused,) = run([Replace(TableName.DOCUMENTS, pk, "#", second, when)])
    assert refused.item["_rev"] == number(10)
    assert run([Get(TableName.DOCUMENTS, pk, "#")]) == [second]


@pytest.mark.parametrize("attributes", [{f"a{i}" * 40: text("x") for i in range(150)}, {"large": text("x" * 390_000)}])
def test_a_wide_or_large_item_is_inserted_once_as_well(run: Run, pk: str, attributes: dict[str, Any]) -> None:
    """It goes by another request than its neighbours; nothing else differs."""
    item = {"pk": text(pk), "sk": text("#"), "_rev": number(1), **attributes}
    small = {"pk": text(pk), "sk": text("small"), "_rev": number(1)}
    group = [Insert(TableName.DOCUMENTS, pk, "#", item), Insert(TableName.DOCUMENTS, pk, "small", small)]
    assert run(group) == [APPLIED, APPLIED]
    assert all(isinstance(reply, Refused) for reply in run(group))
    assert run([Get(TableName.DOCUMENTS, pk, "#")]) == [item]


def test_replacing_a_missing_document_is_refused(run: Run, pk: str) -> None:
    """A replacement never creates."""
    item = {"pk": text(pk), "sk": text("#"), "_rev": number(2)}
    when = (Condition("_rev", "=", number(1)),)
    assert run([Replace(TableName.DOCUMENTS, pk, "#", item, when)]) == [Refused(None)]


def test_only_the_wanted_attributes_come_back(run: Run, pk: str) -> None:
    """A document's head is read without its body."""
    item = {"pk": text(pk), "sk": text("#"), "_rev": number(1), "_fp": text("f"), "body": text("long")}
    run([Insert(TableName.DOCUMENTS, pk, "#", item)])
    (head,) = run([Get(TableName.DOCUMENTS, pk, "#", ("_rev", "_fp"))])
    assert {name: head[name] for name in ("_rev", "_fp")} == {"_rev": number(1), "_fp": text("f")}
    assert "body" not in head


def test_a_query_lists_one_relation_completely(run: Run, pk: str) -> None:
    """Prefixes end with #, so one relation never shows another's edges; more than one page and call are no matter."""
    keys = [f"shop.lines#order_id#{i:03d}|é" for i in range(160)]
    others = ["shop.lines#order_id2#1", "shop.lines2#order_id#1", "#"]
    assert set(run([_insert(pk, "1", sk) for sk in [*keys, *others]])) == {APPLIED}
    (found,) = run([Query(TableName.ROWS, pk, "shop.lines#order_id#")])
    assert sorted(found) == keys


def test_a_query_lists_a_relation_in_parts(run: Run, pk: str) -> None:
    """In the order of UTF-8 bytes, from behind any text of the relation, there or not."""
    keys = [f"a#x#{end}" for end in ("0", "1", "10", "2", "\U0001f600", "é", "\uffff")]
    in_order = sorted(keys, key=str.encode)
    others = ["a#", "a#y#0", "a#x2#0", "#"]
    assert set(run([_insert(pk, "1", sk) for sk in [*keys, *others]])) == {APPLIED}

    found = run(
        [
            Query(TableName.ROWS, pk, "a#x#", limit, after)
            for limit, after in [
                (3, ""),
                (3, in_order[2]),
                (3, in_order[5]),
                (7, ""),
                (8, ""),
                (0, "a#x#11"),
                (1, "a#x#"),
            ]
        ]
    )

    assert [list(part) for part in found] == [
        *(in_order[:3], in_order[3:6], in_order[6:], in_order, in_order),
        *(in_order[3:], in_order[:1]),
    ]


def test_replies_come_in_the_order_asked(run: Run, pk: str) -> None:
    """More than a hundred reads and twenty-five writes share one group."""
    partitions = [f"{pk}/{i}" for i in range(130)]
    run([_insert(p, str(i)) for i, p in enumerate(partitions) if i % 2])
    found = run([Get(TableName.ROWS, p, "#") for p in partitions])
    assert [item and item["v"] for item in found] == [text(str(i)) if i % 2 else None for i in range(130)]


def test_the_worker_reaches_the_store_with_its_own_client(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The production client (no botocore retries, no validation) talks to the endpoint of the settings."""
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    client = dynamodb_client("eu-west-1", ministack.url)
    assert "TableNames" in client.list_tables()
