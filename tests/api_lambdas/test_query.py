"""The query Lambda on a real table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_lambdas import query
from api_lambdas.queries.consistency import Token, signed
from contract.keys import document_pk
from contract.values import to_item
from local.ministack import MiniStack
from tests.api_lambdas.support import ADDRESS, ORDER, READS, Tables, event, querying

Fresh = Callable[[str], str]
Get = Callable[..., dict[str, Any]]


@pytest.fixture
def get(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Get]:
    """Calls the handler as Lambda does; every request it sends to DynamoDB must be a keyed read."""
    with querying(ministack, tables, tmp_path, monkeypatch):
        yield lambda url, **options: query.handler(event(options.pop("method", "GET"), url, **options), None)
    assert set(tables.operations) <= READS


def problem_of(answer: dict[str, Any]) -> tuple[int, str]:
    assert answer["headers"]["content-type"] == "application/problem+json"
    body = json.loads(answer["body"])
    assert body["status"] == answer["statusCode"]
    return body["status"], body["type"].removeprefix("urn:nearview:problem:")


def items_of(answer: dict[str, Any]) -> list[Any]:
    assert answer["statusCode"] == 200, answer["body"]
    return list(json.loads(answer["body"])["items"])


def test_a_document_is_answered_without_its_own_attributes(get: Get, tables: Tables) -> None:
    """Body, entity tag, time and region are there; keys, versions and index attributes are not."""
    body = {"order_id": 42, "status": "paid", "lines": [{"sku": 'é\n"', "gift": True}], "note": None, "customer_id": 7}
    tables.put_document(ORDER, (42,), body, _rev=3)

    answer = get("/orders/42")

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == body
    assert answer["headers"] == {
        "content-type": "application/json",
        "etag": '"3-1-01234567"',
        "x-as-of": "2026-01-02T03:04:05.000006Z",
        "x-region": "eu-west-1",
        "cache-control": "no-cache",
    }


def test_numbers_lose_no_digit(get: Get, tables: Tables) -> None:
    """38 digits, a tiny number and a whole number come back as JSON numbers with the same value."""
    numbers = [Decimal("12345678901234567890.123456789012345678"), Decimal("1E-130"), 10**37, Decimal("-0.10"), 0]
    tables.put_document(ORDER, ("numbers",), {"numbers": numbers})

    answer = get("/orders/numbers")

    assert json.loads(answer["body"], parse_float=Decimal)["numbers"] == numbers


@pytest.mark.parametrize("header", ['"7-1-01234567"', 'W/"7-1-01234567"', '"x", "7-1-01234567"', "*"])
def test_an_unchanged_document_is_not_sent_again(get: Get, tables: Tables, header: str) -> None:
    """If-None-Match with the current entity tag gives 304 without a body."""
    tables.put_document(ORDER, ("tagged",), {"status": "paid"}, _rev=7)

    answer = get("/orders/tagged", headers={"If-None-Match": header})

    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"]["etag"] == '"7-1-01234567"'


def test_a_document_that_holds_its_row_has_another_tag_after_every_write(get: Get, tables: Tables) -> None:
    """Its version counts, not its revision, which stays."""
    tables.put_document(ORDER, ("flat",), {"status": "paid"}, _v="0001a")
    first = get("/orders/flat")
    tables.put_document(ORDER, ("flat",), {"status": "sent"}, _v="0001b")

    again = get("/orders/flat", headers={"if-none-match": first["headers"]["etag"]})

    assert (first["headers"]["etag"], again["statusCode"]) == ('"0001a-1"', 200)


def test_a_changed_document_is_sent(get: Get, tables: Tables) -> None:
    """An older entity tag does not match."""
    tables.put_document(ORDER, ("newer",), {"status": "paid"}, _rev=8)

    assert get("/orders/newer", headers={"If-None-Match": '"7-1-01234567"'})["statusCode"] == 200


def test_a_deleted_document_is_not_found(get: Get, tables: Tables) -> None:
    """A tombstone keeps its revision but is no document."""
    tables.put_document(ORDER, ("gone",), {}, _deleted=True)

    assert problem_of(get("/orders/gone")) == (404, "not-found")


def test_a_parked_document_shows_its_last_good_state(get: Get, tables: Tables) -> None:
    """It says that it is parked, not why, and claims no time: its `_as_of` is that of a newer state."""
    tables.put_document(ORDER, ("parked",), {"status": "old"}, _parked="total: not a number", _i0p="parked", _i0s="x")

    answer = get("/orders/parked")

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "old"})
    assert answer["headers"]["x-parked"] == "true"
    assert "x-as-of" not in answer["headers"]
    assert "not a number" not in json.dumps(answer)


def test_a_document_parked_before_it_ever_fitted_is_not_found(get: Get, tables: Tables) -> None:
    """There is no good state to show."""
    tables.put_document(ORDER, ("never",), {}, _parked="too large", _deleted=True)

    assert problem_of(get("/orders/never")) == (404, "not-found")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/nothing/1", (404, "not-found")),
        ("/nothing?status=paid", (404, "not-found")),
        ("/", (404, "not-found")),
        ("/orders/", (404, "not-found")),
        ("/addresses/1", (404, "not-found")),
        ("/addresses/1%7C2%7C3", (404, "not-found")),
        ("/orders/%25FF", (404, "not-found")),
        ("/orders/1?x=1", (400, "invalid-request")),
        ("/orders", (400, "invalid-request")),
        ("/orders?color=red", (400, "invalid-request")),
        ("/orders?_i1p=x", (400, "invalid-request")),
        ("/orders?status=paid&customer_id=1", (400, "invalid-request")),
        ("/orders?status=paid&status=new", (400, "invalid-request")),
        ("/orders?customer_id=1&index=by_status", (400, "invalid-request")),
        ("/addresses?city=Bonn", (400, "invalid-request")),
        ("/orders?status=%FF", (400, "invalid-request")),
        ("/orders?status=paid&order=newest", (400, "invalid-request")),
        *(
            (f"/orders?status=paid&limit={limit}", (400, "invalid-request"))
            for limit in ("0", "101", "-1", "x", "٣", "")
        ),
        ("/orders?" + "&".join(f"a{n}=1" for n in range(20)), (400, "invalid-request")),
        ("/orders?status=paid&cursor=", (400, "invalid-cursor")),
        ("/orders?status=paid&cursor=AAAA", (400, "invalid-cursor")),
        ("/orders?status=paid&cursor=" + "A" * 5000, (400, "invalid-cursor")),
        ("/orders?status=paid&cursor=%C3%A9", (400, "invalid-cursor")),
    ],
)
def test_what_is_not_declared_never_reaches_the_table(
    get: Get, tables: Tables, url: str, expected: tuple[int, str]
) -> None:
    """Unknown collections, attributes, parameters and impossible keys are refused by the mapping alone."""
    assert problem_of(get(url)) == expected
    assert tables.operations == []


def test_documents_are_only_read(get: Get, tables: Tables) -> None:
    """Another method is told which one works."""
    answer = get("/orders/1", method="DELETE")

    assert problem_of(answer) == (405, "method-not-allowed")
    assert answer["headers"]["allow"] == "GET"
    assert tables.operations == []


def test_a_composite_key_is_found(get: Get, tables: Tables) -> None:
    """Parts are joined by a vertical line, percent-encoded or not."""
    tables.put_document(ADDRESS, (5, 1), {"city": "Bonn"})

    assert get("/addresses/5%7C1")["statusCode"] == 200
    assert get("/addresses/5|1")["statusCode"] == 200


@pytest.mark.parametrize(
    "parts",
    [
        ("a/b", "?x=1"),
        ("50%", "%41"),
        ("a|b", "#"),
        ("é\u0001☃😀", " "),
        ("", "."),
        ("%7C", "+ &"),
        ("x" * 600, "%"),
    ],
)
def test_strange_keys_are_found(get: Get, tables: Tables, fresh: Fresh, parts: tuple[str, str]) -> None:
    """Each part encoded, joined, encoded again: reaches exactly this document."""
    parts = (parts[0], parts[1] + fresh(""))
    tables.put_document(ADDRESS, parts, {"parts": list(parts)})

    url = "/addresses/" + quote("|".join(quote(part, safe="") for part in parts), safe="")

    assert json.loads(get(url)["body"]) == {"parts": list(parts)}


@pytest.mark.parametrize("key", ["50%", "a b", "A-1_x.~", "é", "a+b"])
def test_a_plain_key_may_be_encoded_once(get: Get, tables: Tables, key: str) -> None:
    """Most callers encode once; only characters with a meaning in paths need the second time."""
    tables.put_document(ORDER, (key,), {"key": key})

    assert json.loads(get("/orders/" + quote(key, safe=""))["body"]) == {"key": key}


def test_a_list_is_ordered_by_the_index(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Oldest first, or newest first on demand; another partition's documents stay out."""
    customer = fresh("c")
    for key, month in (("b", 2), ("a", 3), ("c", 1)):
        placed = f"2026-0{month}-01T00:00:00Z"
        tables.put_document(ORDER, (customer + key,), {"customer_id": customer, "placed_at": placed, "key": key})
    tables.put_document(ORDER, (fresh("o"),), {"customer_id": fresh("c"), "placed_at": "2026-01-01T00:00:00Z"})

    ascending, descending = (get(f"/orders?customer_id={customer}&order={order}") for order in ("asc", "desc"))

    assert [item["key"] for item in items_of(ascending)] == ["c", "b", "a"]
    assert [item["key"] for item in items_of(descending)] == ["a", "b", "c"]
    assert json.loads(ascending["body"])["next"] is None


def test_the_index_can_be_chosen(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Two indexes on one attribute: the first declared answers unless another one is named."""
    status = fresh("s")
    for key, total in (("a", 30), ("b", 4)):
        tables.put_document(ORDER, (status + key,), {"status": status, "total": total, "key": key})

    assert [i["key"] for i in items_of(get(f"/orders?status={status}"))] == ["a", "b"]
    assert [i["key"] for i in items_of(get(f"/orders?status={status}&index=by_status_total"))] == ["b", "a"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_are_complete_and_without_repeats(get: Get, tables: Tables, fresh: Fresh, order: str) -> None:
    """Equal sort values do not matter; a full last page has no successor."""
    customer = fresh("c")
    for number in range(6):
        body = {"customer_id": customer, "placed_at": f"2026-01-0{1 + number // 3}T00:00:00Z", "number": number}
        tables.put_document(ORDER, (f"{customer}/%|#{number}",), body)

    seen: list[int] = []
    pages: int = 0
    cursor: str | None = ""
    while cursor is not None:
        parameter = f"&cursor={cursor}" if cursor else ""
        answer = get(f"/orders?customer_id={customer}&limit=2&order={order}{parameter}")
        seen += [item["number"] for item in items_of(answer)]
        pages += 1
        cursor = json.loads(answer["body"])["next"]

    assert seen == (list(range(6)) if order == "asc" else list(reversed(range(6))))
    assert pages == 3


def test_paging_goes_on_behind_a_document_that_is_gone(get: Get, tables: Tables, fresh: Fresh) -> None:
    """The cursor holds a place, not a document."""
    status = fresh("s")
    for key in "abc":
        tables.put_document(ORDER, (status + key,), {"status": status, "key": key})
    first = json.loads(get(f"/orders?status={status}&limit=1")["body"])
    tables.put_document(ORDER, (status + "a",), {}, _deleted=True)

    rest = get(f"/orders?status={status}&cursor={first['next']}")

    assert [item["key"] for item in items_of(rest)] == ["b", "c"]


def test_large_documents_make_short_pages(get: Get, tables: Tables, fresh: Fresh) -> None:
    """A page never grows beyond what a Lambda can return; `next` leads on."""
    status = fresh("s")
    for key in "abcd":
        tables.put_document(ORDER, (status + key,), {"status": status, "key": key, "text": "x" * 390_000})

    first = get(f"/orders?status={status}")
    rest = get(f"/orders?status={status}&cursor={json.loads(first['body'])['next']}")

    assert len(first["body"]) < 2_000_000
    assert [item["key"] for item in items_of(first) + items_of(rest)] == ["a", "b", "c", "d"]


def test_a_list_tells_that_a_document_in_it_is_parked(get: Get, tables: Tables, fresh: Fresh) -> None:
    """The header stands for any of the documents."""
    status = fresh("s")
    tables.put_document(ORDER, (status,), {"status": status}, _parked="reason", _i0p="parked", _i0s=status)

    assert get(f"/orders?status={status}")["headers"]["x-parked"] == "true"


def test_a_cursor_belongs_to_its_query(get: Get, tables: Tables, fresh: Fresh) -> None:
    """Another value, order, index or collection, or one changed character, and it is refused."""
    status = fresh("s")
    for key in "ab":
        tables.put_document(ORDER, (status + key,), {"status": status, "total": 1, "customer_id": status})
    cursor = json.loads(get(f"/orders?status={status}&limit=1")["body"])["next"]
    tables.operations.clear()

    middle = len(cursor) // 2
    tampered = cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]
    for url in (
        f"/orders?status={status}x&cursor={cursor}",
        f"/orders?status={status}&order=desc&cursor={cursor}",
        f"/orders?status={status}&index=by_status_total&cursor={cursor}",
        f"/orders?customer_id={status}&cursor={cursor}",
        f"/orders?status={status}&cursor={tampered}",
    ):
        assert problem_of(get(url)) == (400, "invalid-cursor")
    assert tables.operations == []


def test_a_failing_table_says_nothing_about_itself(
    get: Get, tables: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The caller gets a problem without names; the log has the operation and the code."""
    monkeypatch.setattr(query._composed()[1]._repository, "_table", "no-such-table")

    answer = get("/orders/1")

    assert problem_of(answer) == (500, "internal")
    assert "table" not in answer["body"].lower()
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {
        "level": "error",
        "event": "store_failed",
        "operation": "GetItem",
        "code": "ResourceNotFoundException",
    } in logged


def test_logs_hold_no_keys_and_no_values(get: Get, tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    """What a caller asks for and gets stays out of the log."""
    tables.put_document(ORDER, ("canary-key",), {"status": "canary-value"})

    get("/orders/canary-key")
    get("/orders?status=canary-value&cursor=canary")

    log = capsys.readouterr().err
    assert [json.loads(line)["status"] for line in log.splitlines()] == [200, 400]
    assert "canary" not in log


def put_mark(tables: Tables, position: int, **more: Any) -> None:
    """What the worker tells of the only table of these collections."""
    mark = {"commit_micros": SENT, "position": f"{position:032x}", "order": "postgresql", "since": 0, **more}
    for table in ("shop.orders", "shop.addresses"):
        item = {"pk": document_pk("~complete", table), "sk": "#", "region": "eu-west-1", **mark}
        tables.client.put_item(TableName=tables.documents, Item=to_item(item))


SENT = 1_767_323_045_000_006
WITH_TOKEN = {"x-consistency-token": signed(b"c" * 32, Token("postgresql", 500, SENT))}


@pytest.fixture
def marked(tables: Tables) -> Iterator[Callable[..., None]]:
    """Puts marks, and takes them away afterwards: other tests expect none."""
    yield lambda position, **more: put_mark(tables, position, **more)
    for table in ("shop.orders", "shop.addresses"):
        key = to_item({"pk": document_pk("~complete", table), "sk": "#"})
        tables.client.delete_item(TableName=tables.documents, Key=key)


def test_a_read_with_a_token_says_whether_it_shows_the_write(
    get: Get, tables: Tables, marked: Callable[..., None]
) -> None:
    """A document, one that is not there, several, a list; `304` too."""
    body = {"status": "tokens"}
    tables.put_document(ORDER, ("tokens",), body)
    tables.put_document(ORDER, ("tokens parked",), body, _parked="too large")
    urls = ["/orders/tokens", "/orders/no-tokens", "/orders?key=tokens", "/orders?status=tokens"]
    no_wait = {**WITH_TOKEN, "prefer": "wait=0"}

    def said(url: str, headers: dict[str, str]) -> tuple[Any, ...]:
        found = get(url, headers=headers)["headers"]
        return found.get("x-consistency"), found.get("x-behind"), found.get("x-complete-up-to", "")[:4]

    marked(499)
    assert [said(url, no_wait) for url in urls] == [("behind", "0", "2026")] * 4
    assert problem_of(get(urls[0], headers={**no_wait, "prefer": "wait=0, handling=strict"})) == (503, "not-consistent")
    marked(500)
    assert [said(url, WITH_TOKEN)[0] for url in urls] == ["reached", "reached", "reached", "unproven"]
    assert [said(url, {})[0] for url in urls] == [None] * 4
    tag = get(urls[0])["headers"]["etag"]
    assert said(urls[0], {**WITH_TOKEN, "if-none-match": tag})[0] == "reached"
    assert said("/orders/tokens%20parked", WITH_TOKEN)[0] == "unproven"
    assert said("/orders?key=tokens&key=tokens%20parked", WITH_TOKEN)[0] == "unproven"
    marked(500, region="us-east-1")
    assert [said(url, WITH_TOKEN)[0] for url in urls] == ["unproven"] * 4


def test_what_proves_a_write_is_read_consistently_and_after_the_mark(
    get: Get, tables: Tables, marked: Callable[..., None]
) -> None:
    """A read that may be older than the mark would prove nothing."""
    marked(500)
    tables.put_document(ORDER, ("tokens",), {"status": "tokens"})
    for url, operation in (("/orders/tokens", "GetItem"), ("/orders?key=tokens", "BatchGetItem")):
        before = len(tables.requests)
        get(url, headers=WITH_TOKEN)
        sent = tables.requests[before:]
        assert [name for name, _ in sent] == ["BatchGetItem", operation]
        (asked,) = [sent[1][1]] if operation == "GetItem" else sent[1][1]["RequestItems"].values()
        assert asked["ConsistentRead"] is True


@pytest.mark.parametrize(
    ("url", "headers", "expected"),
    [
        ("/orders/1", {"x-consistency-token": "made up"}, (400, "invalid-consistency-token")),
        ("/orders?key=1", {"x-consistency-token": "x" * 5000}, (400, "invalid-consistency-token")),
        ("/orders?status=paid", {"x-consistency-token": "made up"}, (400, "invalid-consistency-token")),
        ("/orders?status=paid", {**WITH_TOKEN, "prefer": "handling=strict"}, (400, "invalid-request")),
    ],
)
def test_a_wrong_token_is_refused_before_anything_is_read(
    get: Get, tables: Tables, url: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem_of(get(url, headers=headers)) == expected
    assert tables.operations == []


def test_a_token_of_before_a_restore_is_refused(get: Get, marked: Callable[..., None]) -> None:
    marked(500, since=SENT + 1_000_000)

    assert problem_of(get("/orders/1", headers=WITH_TOKEN)) == (400, "invalid-consistency-token")


def test_wrong_settings_are_logged_and_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each problem, no traceback; the caller learns only that something is wrong here."""
    for name in ("DOCUMENTS_TABLE", "CURSOR_SECRET", "MAPPING_FILE", "OPENAPI_FILE", "ACCESS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    query._composed.cache_clear()

    answer = query.handler(event("GET", "/orders/1"), None)

    assert problem_of(answer) == (500, "internal")
    problems = [json.loads(line)["problem"] for line in capsys.readouterr().err.splitlines()]
    assert problems == [
        "DOCUMENTS_TABLE is not set",
        "MAPPING_FILE must be the path of an existing file",
        "OPENAPI_FILE must be the path of an existing file",
        "ACCESS_FILE must be the path of an existing file",
        "CURSOR_SECRET is not set",
    ]


@given(st.text(max_size=30), st.binary(max_size=20).map(lambda data: quote(data)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_no_path_gives_a_server_error(get: Get, text: str, raw: str) -> None:
    """Whatever a client writes, the answer is one of those documented."""
    for path in (quote(text), quote(f"orders/{text}"), f"addresses/{raw}", f"orders?status={raw}"):
        assert get("/" + path.lstrip("/"))["statusCode"] in (200, 400, 404)


def test_items_of_the_fixture_have_their_contract_form() -> None:
    """The index attributes used here are those of the contract."""
    attributes = ORDER.index_attributes("k", {"status": "paid", "total": 5})
    assert set(to_item(attributes)) == {"_i2p", "_i2s", "_i3p", "_i3s"}
