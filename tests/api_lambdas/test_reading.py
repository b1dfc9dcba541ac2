"""More than one document, less than a whole one, a part of a list: the query Lambda on a real table."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from api_lambdas import query
from api_lambdas.queries.lists import MAX_KEYS
from api_lambdas.shared.dynamodb import DynamoDB, StoreError
from api_lambdas.shared.http import MAX_URL_CHARACTERS
from contract.keys import document_pk
from contract.mapping import Aggregate, Field, FieldType, Index, Kind, Mapping, Node
from contract.values import to_item
from local.ministack import MiniStack
from tests.api_lambdas.support import ADDRESS, READS, Tables, event, querying

ORDER = Aggregate(
    "order",
    "orders",
    Node(
        "order",
        Kind.ROOT,
        "shop.orders",
        ("order_id",),
        fields=(
            Field("order_id", "order_id"),
            Field("status", "status"),
            Field("total", "total", FieldType.DECIMAL),
            Field("placed_at", "placed_at", FieldType.TIMESTAMPTZ),
            Field("note", "note"),
        ),
        children=(
            Node("lines", Kind.MANY, "shop.lines", ("order_id", "line_no"), ("order_id",), (Field("sku", "sku"),)),
        ),
    ),
    (
        Index("by_total", 1, "status", ("total", "placed_at")),
        Index("by_time", 2, "status", ("placed_at",)),
        Index("by_note", 3, "status", ("note",)),
    ),
)
Get = Callable[..., dict[str, Any]]
Fresh = Callable[[str], str]


@pytest.fixture
def get(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Get]:
    with querying(ministack, tables, tmp_path, monkeypatch, Mapping((ORDER, ADDRESS))):
        yield lambda url, **headers: query.handler(event("GET", url, headers=headers), None)
    assert set(tables.operations) <= READS


def kind_of(answer: dict[str, Any]) -> tuple[int, str]:
    body = json.loads(answer["body"])
    return answer["statusCode"], body["type"].rpartition(":")[2]


def items(answer: dict[str, Any]) -> list[Any]:
    assert answer["statusCode"] == 200, answer["body"]
    return list(json.loads(answer["body"])["items"])


# several by their keys


def test_documents_come_in_the_order_of_their_keys(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Null for what is not there, is deleted, or cannot be a key; one asked for twice comes twice; one read for all."""
    mine = fresh("k")
    for name in "abc":
        tables.put_document(ORDER, (mine + name,), {"order_id": name}, **({"_deleted": True} if name == "b" else {}))
    keys = [mine + "c", "none", mine + "b", mine + "a", "", mine + "c", "%FF"]

    answer = get(
        "/orders?" + "&".join(f"key={quote(quote(key, safe='') if key != '%FF' else key, safe='')}" for key in keys)
    )

    assert [item and item["order_id"] for item in items(answer)] == ["c", None, None, "a", None, "c", None]
    assert tables.operations.count("BatchGetItem") <= 2  # and the marks of how far documents are complete
    assert tables.operations.count("GetItem") == 0


def test_keys_that_cannot_be_never_reach_the_table(get: Get, tables: Tables) -> None:
    assert items(get("/addresses?key=1&key=1|2|3&key=%25FF|1")) == [None, None, None]
    assert "GetItem" not in tables.operations


def test_there_is_a_most_of_keys(get: Get, tables: Tables) -> None:
    """As many at once fit, one more does not."""
    url = "/orders?" + "&".join(f"key=most-{n}" for n in range(MAX_KEYS))

    assert items(get(url)) == [None] * MAX_KEYS
    assert kind_of(get(f"{url}&key=x")) == (400, "invalid-request")


@pytest.mark.parametrize(
    "rest", ["limit=1", "status=x", "cursor=x", "fields=order_id&fields=note", "order=asc", "from=1"]
)
def test_keys_go_with_fields_only(get: Get, tables: Tables, rest: str) -> None:
    assert kind_of(get(f"/orders?key=1&{rest}")) == (400, "invalid-request")
    assert tables.operations == []


def test_several_documents_have_a_tag_of_their_own(get: Get, tables: Tables, fresh: Fresh) -> None:
    """It changes with each of them, also with one that comes or goes."""
    mine = fresh("k")
    url = f"/orders?key={mine}1&key={mine}2"
    tags = [get(url)["headers"]["etag"]]
    for change in (("1", 1), ("2", 1), ("1", 2)):
        tables.put_document(ORDER, (mine + change[0],), {"status": "x"}, _rev=change[1])
        tags.append(get(url)["headers"]["etag"])
    tables.put_document(ORDER, (f"{mine}2",), {}, _deleted=True)
    tags.append(get(url)["headers"]["etag"])

    assert len(set(tags)) == len(tags)
    again = get(url, **{"If-None-Match": tags[-1]})
    assert (again["statusCode"], again["body"]) == (304, "")


def test_what_a_busy_table_leaves_out_is_asked_for_again(
    get: Get, tables: Tables, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BatchGetItem succeeds with a part of what was asked for; nothing may be taken for absent because of that."""
    mine = fresh("k")
    for n in range(5):
        tables.put_document(ORDER, (f"{mine}{n}",), {"order_id": n})
    real, slow = DynamoDB.call, itertools.cycle([True, False])

    def partly(self: DynamoDB, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation != "BatchGetItem" or not next(slow):
            return real(self, operation, request)
        ((table, wanted),) = request["RequestItems"].items()
        answer = real(self, operation, {"RequestItems": {table: {"Keys": wanted["Keys"][:1]}}})
        rest = wanted["Keys"][1:]
        return {**answer, "UnprocessedKeys": {table: {"Keys": rest}} if rest else {}}

    monkeypatch.setattr(DynamoDB, "call", partly)

    answer = get("/orders?" + "&".join(f"key={mine}{n}" for n in range(5)))

    assert [item["order_id"] for item in items(answer)] == [0, 1, 2, 3, 4]


def test_a_table_that_stays_busy_is_429(get: Get, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a time to come again; never with documents missing."""

    def busy(self: DynamoDB, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "BatchGetItem":
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        raise StoreError(operation, "ProvisionedThroughputExceededException", retryable=True)

    monkeypatch.setattr(DynamoDB, "call", busy)

    for url in ("/orders?key=1&key=2", "/orders/1", "/orders?status=x"):
        answer = get(url)
        assert kind_of(answer) == (429, "too-many-requests")
        assert answer["headers"]["retry-after"] == "1"


# a part of a document


def test_only_the_attributes_asked_for_are_sent(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Of one, of several, of a list; headers are those of the whole."""
    mine = fresh("f")
    body = {"order_id": mine, "status": mine, "total": 5, "note": None, "lines": [{"sku": "a"}, {"sku": "b"}]}
    tables.put_document(ORDER, (mine,), {**body, "placed_at": "2026-01-01T00:00:00Z"})
    part = {"total": 5, "lines": [{"sku": "a"}, {"sku": "b"}]}

    one = get(f"/orders/{mine}?fields=lines.sku,total")
    assert json.loads(one["body"]) == part
    assert one["headers"]["etag"] == get(f"/orders/{mine}")["headers"]["etag"]
    assert items(get(f"/orders?key={mine}&fields=lines,total")) == [part]
    assert items(get(f"/orders?status={mine}&fields=note")) == [{"note": None}]


@pytest.mark.parametrize(
    "url", ["/orders/1?fields=nothing", "/orders?key=1&fields=_rev", "/orders?status=x&fields=pk", "/orders/1?fields="]
)
def test_attributes_that_documents_do_not_have_never_reach_the_table(get: Get, tables: Tables, url: str) -> None:
    assert kind_of(get(url)) == (400, "invalid-request")
    assert tables.operations == []


# a part of a list


def test_a_range_bounds_a_list(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Both ways, from page to page; the first sort attribute counts, equal values included or not."""
    status = fresh("s")
    for n, total in enumerate((-5, 0, 3, 3, 10, 200)):
        placed = f"2026-01-0{1 + n}T00:00:00Z"
        tables.put_document(
            ORDER, (f"{status}{n}",), {"order_id": n, "status": status, "total": total, "placed_at": placed}
        )

    def found(rest: str) -> list[int]:
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = get(f"/orders?status={status}&limit=2&{rest}" + (f"&cursor={cursor}" if cursor else ""))
            seen += [item["order_id"] for item in items(answer)]
            cursor = json.loads(answer["body"])["next"]
        return seen

    assert found("from=3") == [2, 3, 4, 5]
    assert found("after=3") == [4, 5]
    assert found("to=3") == [0, 1, 2, 3]
    assert found("before=3&order=desc") == [1, 0]
    assert found("from=-5&to=10.0&order=desc") == [4, 3, 2, 1, 0]
    assert found("after=10&before=3") == []
    assert found("after=3&before=3") == []
    assert found("index=by_time&from=2026-01-02T01:00:00%2B01:00&before=2026-01-04T00:00:00Z") == [1, 2]


def test_an_empty_range_never_reaches_the_table(get: Get, tables: Tables) -> None:
    """DynamoDB would refuse it."""
    answer = get("/orders?status=x&from=10&to=3")

    assert json.loads(answer["body"]) == {"items": [], "next": None}
    assert "Query" not in tables.operations


@pytest.mark.parametrize(
    "rest", ["from=x", "from=1&after=1", "index=by_note&from=1", "index=by_time&from=yesterday", "to="]
)
def test_bounds_that_cannot_be_compared_never_reach_the_table(get: Get, tables: Tables, rest: str) -> None:
    assert kind_of(get(f"/orders?status=x&{rest}")) == (400, "invalid-request")
    assert tables.operations == []


def test_a_cursor_belongs_to_its_range(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Another bound, another query; other fields and another limit are the same one."""
    status = fresh("s")
    for n in range(3):
        tables.put_document(
            ORDER, (f"{status}{n}",), {"status": status, "total": n, "placed_at": "2026-01-01T00:00:00Z"}
        )
    cursor = json.loads(get(f"/orders?status={status}&from=0&limit=1")["body"])["next"]

    for rest in ("", "&from=1", "&after=0", "&from=0&to=2", "&from=0&index=by_time", "&from=0&order=desc"):
        answer = get(f"/orders?status={status}{rest}&cursor={cursor}")
        assert kind_of(answer)[0] == 400
    assert len(items(get(f"/orders?status={status}&from=0&limit=5&fields=total&cursor={cursor}"))) == 2


# headers and limits


def test_a_large_answer_is_packed_for_those_who_take_it(get: Get, tables: Tables, fresh: Fresh) -> None:
    """And its weak tag is known again."""
    mine = fresh("g")
    tables.put_document(ORDER, (mine,), {"note": "x" * 5000})

    packed = get(f"/orders/{mine}", **{"Accept-Encoding": "br, gzip"})
    assert packed["isBase64Encoded"] is True
    assert json.loads(gzip.decompress(base64.b64decode(packed["body"]))) == json.loads(get(f"/orders/{mine}")["body"])
    assert get(f"/orders/{mine}", **{"If-None-Match": packed["headers"]["etag"]})["statusCode"] == 304


def test_an_answer_says_how_far_documents_are_complete(get: Get, tables: Tables) -> None:
    """By the marks of all tables that it shows something of, on whatever way it was asked for."""
    for table, micros in (("shop.orders", 1_767_323_045_000_006), ("shop.lines", 1_767_323_000_000_000)):
        mark = {"pk": document_pk("~complete", table), "sk": "#", "commit_micros": micros}
        tables.client.put_item(TableName=tables.documents, Item=to_item(mark))
    query._composed.cache_clear()

    for url in ("/orders/none", "/orders?key=none", "/orders?status=none"):
        headers = get(url)["headers"]
        assert headers["x-complete-up-to"] == "2026-01-02T03:03:20.000000Z"
        assert int(headers["x-staleness"]) > 0
    assert "x-complete-up-to" not in get("/addresses/1%7C2")["headers"]
    for table in ("shop.orders", "shop.lines"):
        key = {"pk": {"S": document_pk("~complete", table)}, "sk": {"S": "#"}}
        tables.client.delete_item(TableName=tables.documents, Key=key)


def test_marks_are_no_documents(get: Get, tables: Tables) -> None:
    """No path leads to them."""
    for url in ("/~complete/shop.orders", "/~complete?key=shop.orders"):
        assert kind_of(get(url)) == (404, "not-found")
    assert tables.operations == []


def test_a_url_has_an_end(get: Get, tables: Tables) -> None:
    assert kind_of(get("/orders/" + "x" * MAX_URL_CHARACTERS)) == (414, "url-too-long")
    assert kind_of(get("/orders?status=" + "x" * MAX_URL_CHARACTERS)) == (414, "url-too-long")
    assert tables.operations == []
