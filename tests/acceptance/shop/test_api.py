"""The API in front of the whole system: documents by key, lists in pages, commands that come back as documents."""

import uuid
from typing import Any

from tests.acceptance.live import Answer, Live, wait_for


def test_a_document_is_read_by_its_key_with_all_that_belongs_to_it(shop: Live) -> None:
    number = shop.one("SELECT min(order_id) FROM shop.order_lines")
    ((lines, customer),) = shop.rows(
        "SELECT count(*), min(c.name) FROM shop.orders JOIN shop.customers c USING (customer_id)"
        " JOIN shop.order_lines USING (order_id) WHERE order_id = %s",
        number,
    )
    answer = shop.request("GET", f"/orders/{number}")
    assert answer.status == 200
    assert len(answer.body["lines"]) == lines > 0
    assert answer.body["customer"]["name"] == customer
    assert answer.body["lines"][0]["product"]["title"]
    assert not [name for name in answer.body if name.startswith("_")]
    assert answer.headers["x-as-of"]
    assert shop.request("GET", f"/orders/{number}").headers["etag"] == answer.headers["etag"]


def test_a_list_by_an_index_gives_every_document_once_in_order_over_all_its_pages(shop: Live) -> None:
    expected = shop.rows("SELECT order_id FROM shop.orders WHERE status = 'placed'")
    found: list[dict[str, Any]] = []
    path, pages = "/orders?status=placed&limit=7", 0
    cursor = ""
    while True:
        answer = shop.request("GET", path + cursor)
        assert answer.status == 200
        assert len(answer.body["items"]) <= 7
        found += answer.body["items"]
        pages += 1
        if answer.body["next"] is None:
            break
        cursor = f"&cursor={answer.body['next']}"
    assert pages > 2
    assert sorted(order["order_id"] for order in found) == sorted(order_id for (order_id,) in expected)
    moments = [order["placed_at"].rstrip("Z") for order in found]
    assert moments == sorted(moments)


def test_what_is_not_there_is_404_and_what_is_asked_wrongly_400(shop: Live) -> None:
    wrong = [
        ("GET", "/orders/999999999", 404, "not-found"),
        ("GET", "/invoices/1", 404, "not-found"),
        ("GET", "/orders", 400, "invalid-request"),
        ("GET", "/orders?note=x", 400, "invalid-request"),
        ("GET", "/orders?status=placed&limit=0", 400, "invalid-request"),
        ("GET", "/orders?status=placed&cursor=made-up", 400, "invalid-cursor"),
    ]
    for method, path, status, kind in wrong:
        answer = shop.request(method, path)
        assert (answer.status, answer.body["type"]) == (status, f"urn:nearview:problem:{kind}"), path
    lines = [{"sku": "none", "quantity": 1}]
    for body, key, kind in [
        ({"customer_id": 1, "lines": lines}, None, "idempotency-key-missing"),
        ({"customer_id": 1, "lines": []}, "key-1", "invalid-body"),
    ]:
        answer = shop.request("POST", "/commands/place-order", body, key)
        assert (answer.status, answer.body["type"]) == (400, f"urn:nearview:problem:{kind}")
    assert shop.request("POST", "/commands/burn-down", {}, "key-2").status == 404


def test_a_repeated_command_has_one_effect_and_one_answer_and_shows_in_a_later_read(shop: Live) -> None:
    customer = shop.one("SELECT min(customer_id) FROM shop.customers")
    sku = shop.one("SELECT min(sku) FROM shop.products WHERE active")
    note, key = f"placed by {uuid.uuid4()}", str(uuid.uuid4())
    body = {"customer_id": customer, "note": note, "lines": [{"sku": sku, "quantity": 3}]}
    first = shop.request("POST", "/commands/place-order", body, key)
    again = shop.request("POST", "/commands/place-order", body, key)
    assert first.status == again.status == 201
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert shop.rows("SELECT order_id FROM shop.orders WHERE note = %s", note) == [(first.body["order_id"],)]
    other = shop.request("POST", "/commands/place-order", {**body, "note": None}, key)
    assert (other.status, other.body["type"]) == (422, "urn:nearview:problem:idempotency-key-reused")

    path = f"/orders/{first.body['order_id']}"
    # order and lines are one transaction, but several records: for a moment the document may show a part
    document = read_until(shop, path, lambda answer: answer.status == 200 and answer.body["lines"]).body
    assert document["note"] == note
    assert [(line["product"]["sku"], line["quantity"]) for line in document["lines"]] == [(sku, 3)]


def test_a_command_on_a_product_reaches_every_order_that_shows_it(shop: Live) -> None:
    ((sku, order_id),) = shop.rows("SELECT sku, order_id FROM shop.order_lines ORDER BY order_id, line_no LIMIT 1")
    title = f"Renamed {uuid.uuid4()}"
    answer = shop.request("POST", "/commands/rename-product", {"sku": sku, "title": title}, str(uuid.uuid4()))
    assert answer.status == 200

    def shows(order: Answer) -> bool:
        return title in [line["product"]["title"] for line in order.body["lines"] if line["product"]["sku"] == sku]

    read_until(shop, f"/orders/{order_id}", shows)


def test_a_read_with_a_commands_token_shows_its_effect(shop: Live) -> None:
    """At once or after some waiting, never an older state as reached; of each of several tables of the document."""
    ((sku, order_id),) = shop.rows("SELECT sku, order_id FROM shop.order_lines ORDER BY order_id, line_no LIMIT 1")
    for turn in range(3):
        title, note = f"Renamed {turn} {uuid.uuid4()}", f"noted {turn} {uuid.uuid4()}"
        renamed = shop.request("POST", "/commands/rename-product", {"sku": sku, "title": title}, str(uuid.uuid4()))
        noted = shop.request("POST", "/commands/change-order", {"order_id": order_id, "note": note}, str(uuid.uuid4()))
        assert (renamed.status, noted.status) == (200, 200)
        for answer in (renamed, noted):
            found = reached(shop, f"/orders/{order_id}", answer.headers["x-consistency-token"])
            titles = [line["product"]["title"] for line in found.body["lines"] if line["product"]["sku"] == sku]
            assert set(titles) == {title}
            assert answer is renamed or found.body["note"] == note


def reached(shop: Live, path: str, token: str) -> Answer:
    """The first answer that says that it shows the command's effect."""
    found: list[Answer] = []

    def look() -> bool:
        headers = {"X-Consistency-Token": token, "Prefer": "wait=5"}
        found[:] = [shop.request("GET", path, headers=headers)]
        assert found[0].headers["x-consistency"] in ("reached", "behind"), found[0]
        return found[0].headers["x-consistency"] == "reached"

    wait_for(f"the command's effect in GET {path}", look)
    return found[0]


def read_until(shop: Live, path: str, is_so: Any) -> Answer:
    """Read a path until its answer is as wanted, and return it."""
    found: list[Answer] = []

    def look() -> bool:
        found[:] = [shop.request("GET", path)]
        return bool(is_so(found[0]))

    wait_for(f"the wanted answer of GET {path}", look)
    return found[0]
