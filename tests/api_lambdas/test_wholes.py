"""Documents too large for one item, on a real table: answered whole, never torn, as cheap as others where they can be.

All but one are much smaller: their parts are.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import query
from api_lambdas.queries import wholes
from contract.keys import document_pk, key_text
from contract.parts import ELEMENTS, part_name, part_sk
from contract.values import Item, to_item
from local.ministack import MiniStack
from tests.api_lambdas.support import ORDER, Tables, event, querying
from worker.projection.overflow import Sizes, split

Fresh = Callable[[str], str]
Get = Callable[..., dict[str, Any]]


@pytest.fixture
def get(ministack: MiniStack, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Get]:
    """Calls the handler as Lambda does."""
    with querying(ministack, tables, tmp_path, monkeypatch):
        yield lambda url, **options: query.handler(event("GET", url, **options), None)


def lines(count: int, size: int = 100) -> list[dict[str, Any]]:
    return [{"line_no": number, "text": f"{number}-" + "x" * size} for number in range(count)]


SMALL = Sizes(left=1_000, least_part=2_000, part=8_000)


def items_of(key: str, body: dict[str, Any], revision: int = 1, sizes: Sizes = SMALL) -> tuple[Item, list[Item]]:
    """A document in parts as the worker writes it."""
    values = {
        "pk": document_pk("order", key_text([key])),
        "sk": "#",
        "_rev": revision,
        "_fp": f"{revision:032d}",
        "_gen": 1,
        "_as_of": "2026-01-02T03:04:05.000006Z",
        "order_id": key,
        **body,
        **ORDER.index_attributes(key_text([key]), {"order_id": key, **body}),
    }
    found = split(to_item(values), sizes)
    names = {digest: part_name(revision, digest) for digest in found.parts}
    parts = [
        {"pk": found.item["pk"], "sk": {"S": part_sk(names[digest])}, ELEMENTS: {"L": elements}}
        for digest, elements in found.parts.items()
    ]
    return found.named(names), parts


def put(tables: Tables, *items: Item) -> None:
    for item in items:
        tables.client.put_item(TableName=tables.documents, Item=item)


def body_of(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer["body"]
    if answer["isBase64Encoded"]:
        return json.loads(gzip.decompress(base64.b64decode(answer["body"])))
    return json.loads(answer["body"])


def test_a_document_of_3_mb_is_answered_whole(get: Get, tables: Tables, fresh: Fresh) -> None:
    key = fresh("large")
    body = {"status": "paid", "lines": lines(2_900, 1_100), "total": 7}
    item, parts = items_of(key, body, sizes=Sizes())
    put(tables, *parts, item)

    answer = get(f"/orders/{key}")

    assert body_of(answer) == {"order_id": key, **body}
    assert int(item["_parts"]["M"]["bytes"]["N"]) > 3_000_000
    assert "_parts" not in answer["body"]
    assert tables.operations[-2:] == ["GetItem", "BatchGetItem"]
    assert body_of(get(f"/orders/{key}", headers={"accept-encoding": "gzip"})) == {"order_id": key, **body}


def test_what_is_known_or_needs_no_list_costs_one_read(get: Get, tables: Tables, fresh: Fresh) -> None:
    key = fresh("large")
    item, parts = items_of(key, {"status": "paid", "lines": lines(200)})
    put(tables, *parts, item)
    tag = get(f"/orders/{key}")["headers"]["etag"]
    tables.operations.clear()

    assert get(f"/orders/{key}", headers={"if-none-match": tag})["statusCode"] == 304
    assert body_of(get(f"/orders/{key}?fields=status")) == {"status": "paid"}
    assert tables.operations == ["GetItem", "GetItem"]


def test_a_document_whose_parts_are_on_their_way_is_not_shown_without_them(
    get: Get, tables: Tables, fresh: Fresh
) -> None:
    """A replica gets items in any order."""
    key = fresh("early")
    item, parts = items_of(key, {"status": fresh("status"), "lines": lines(200)})
    put(tables, *parts[1:], item)

    answers = [get(f"/orders/{key}"), get(f"/orders?key={key}"), get(f"/orders?status={item['status']['S']}")]

    assert [(answer["statusCode"], answer["headers"]["retry-after"]) for answer in answers] == [(503, "1")] * 3
    put(tables, parts[0])
    assert len(body_of(get(f"/orders/{key}"))["lines"]) == 200


@pytest.mark.parametrize("there", [True, False], ids=["written", "deleted"])
def test_a_document_that_is_written_while_it_is_read_is_the_new_one(
    get: Get, tables: Tables, fresh: Fresh, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Its parts go once the new ones and the item are there."""
    key = fresh("moving")
    item, parts = items_of(key, {"status": "old", "lines": lines(200)})
    put(tables, *parts, item)
    newer, new_parts = items_of(key, {"status": "new", "lines": lines(250, 120)}, revision=2)
    read = wholes.read

    def meanwhile(item: Item, fetch: Any) -> Any:
        put(tables, *new_parts, newer if there else {**newer, "_deleted": {"BOOL": True}})
        for part in parts:
            tables.client.delete_item(TableName=tables.documents, Key={"pk": part["pk"], "sk": part["sk"]})
        return read(item, fetch)

    monkeypatch.setattr(wholes, "read", meanwhile)

    answer = get(f"/orders/{key}")

    if not there:
        assert answer["statusCode"] == 404
        return
    assert body_of(answer) == {"order_id": key, "status": "new", "lines": lines(250, 120)}
    assert answer["headers"]["etag"] == '"2-1-00000000"'


def test_lists_have_whole_documents_and_end_before_they_are_too_large(
    get: Get, tables: Tables, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wholes, "PAGE_BYTES", 60_000)
    status = fresh("status")
    bodies = {f"{status}-{number}": {"status": status, "lines": lines(200 + number)} for number in range(5)}
    for key, body in bodies.items():
        item, parts = items_of(key, body)
        put(tables, *parts, item)
    tables.put_document(ORDER, (f"{status}-9",), {"order_id": "small", "status": status})
    sizes, found, cursor = [], [], ""
    while True:
        page = body_of(get(f"/orders?status={status}&index=by_status{cursor}"))
        sizes.append(len(page["items"]))
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert sizes == [2, 2, 2]
    assert found[:5] == [{"order_id": key, **body} for key, body in bodies.items()]
    assert found[5]["order_id"] == "small"


def test_documents_by_keys_are_whole_and_refused_when_they_are_too_much(
    get: Get, tables: Tables, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [fresh("a"), fresh("b")]
    for key in keys:
        item, parts = items_of(key, {"status": key, "lines": lines(200)})
        put(tables, *parts, item)
    url = f"/orders?key={keys[0]}&key={fresh('absent')}&key={keys[1]}"

    found = body_of(get(url, headers={"accept-encoding": "gzip"}))["items"]

    assert [one and len(one["lines"]) for one in found] == [200, None, 200]
    monkeypatch.setattr(wholes, "MAX_BYTES", 30_000)
    answer = get(url)
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (400, "urn:nearview:problem:answer-too-large")
    assert len(body_of(get(url + "&fields=status"))["items"]) == 3
