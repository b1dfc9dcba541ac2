"""The HTTP service: real transactions, refusals as problem+json, commands that run once."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from local.monolith.service import Pool, create_app
from local.processes import free_port

Query = Callable[..., list[Any]]
Problem = Callable[[TestResponse], tuple[int, str]]


def test_an_order_is_placed_at_present_prices_with_its_total(
    client: FlaskClient, query: Query, skus: list[str]
) -> None:
    lines = [{"sku": skus[0], "quantity": 2}, {"sku": skus[1], "quantity": 10}]

    response = client.post("/orders", json={"customer_id": 1, "shipping_address_no": 1, "note": "hé", "lines": lines})

    assert response.status_code == 201
    order_id = response.get_json()["order_id"]
    assert query(
        "SELECT customer_id, status, shipping_address_no, note FROM shop.orders WHERE order_id = %s", order_id
    ) == [(1, "placed", 1, "hé")]
    expected = query(
        "SELECT round(2 * a.price, 2) + round(10 * b.price * 0.95, 2) FROM shop.products a, shop.products b"
        " WHERE a.sku = %s AND b.sku = %s",
        *skus,
    )
    assert query("SELECT total FROM shop.orders WHERE order_id = %s", order_id) == expected


def test_the_answer_holds_a_position_of_the_log_that_the_effect_is_not_behind(
    client: FlaskClient, query: Query
) -> None:
    before = query("SELECT pg_current_wal_insert_lsn()")[0][0]

    position = client.post("/products/SKU-00001/rename", json={"title": "new"}).get_json()["commit_position"]

    comparison = "SELECT %s::pg_lsn < %s::pg_lsn AND %s::pg_lsn <= pg_current_wal_insert_lsn()"
    assert query(comparison, before, position, position) == [(True,)]


def test_a_change_sets_what_is_given_and_recomputes_the_total(
    client: FlaskClient, query: Query, order_id: int, wrong_totals: Callable[[], list[Any]]
) -> None:
    query("UPDATE shop.orders SET note = 'kept' WHERE order_id = %s", order_id)
    body = {"shipping_address_no": None, "lines": [{"line_no": 1, "quantity": 7}, {"line_no": 2, "quantity": 0}]}

    response = client.post(f"/orders/{order_id}/change", json=body)

    assert response.status_code == 200
    assert query("SELECT note, shipping_address_no FROM shop.orders WHERE order_id = %s", order_id) == [("kept", None)]
    lines = query("SELECT line_no, quantity FROM shop.order_lines WHERE order_id = %s AND line_no < 3", order_id)
    assert lines == [(1, 7)]
    assert wrong_totals() == []


def test_a_moved_line_becomes_the_last_of_the_other_order_and_both_totals_follow(
    client: FlaskClient, query: Query, order_id: int, other_id: int, wrong_totals: Callable[[], list[Any]]
) -> None:
    last = query("SELECT max(line_no) FROM shop.order_lines WHERE order_id = %s", other_id)[0][0]
    moved = query("SELECT sku, quantity FROM shop.order_lines WHERE order_id = %s AND line_no = 1", order_id)

    response = client.post("/order-lines/move", json={"order_id": order_id, "line_no": 1, "to_order_id": other_id})

    assert response.get_json()["line_no"] == last + 1
    found = query("SELECT sku, quantity FROM shop.order_lines WHERE order_id = %s AND line_no = %s", other_id, last + 1)
    assert found == moved
    assert wrong_totals() == []


@pytest.mark.parametrize("sku", ["a#b", "a/b", "a%23b", "é-1", "🪑-1", "'quoted\""])
def test_a_product_with_any_key_is_renamed(client: FlaskClient, query: Query, sku: str) -> None:
    response = client.post(f"/products/{quote(sku)}/rename", json={"title": "größer 🎨"})

    assert response.get_json()["sku"] == sku
    assert query("SELECT title FROM shop.products WHERE sku = %s", sku) == [("größer 🎨",)]


def test_a_correction_sets_what_is_given_and_clears_what_is_null(client: FlaskClient, query: Query) -> None:
    query("UPDATE shop.customers SET email = 'kept', country_code = 'DE' WHERE customer_id = 1")

    response = client.post("/customers/1/correct", json={"name": "Renée\n", "country_code": None})

    assert response.status_code == 200
    found = query("SELECT name, email, country_code FROM shop.customers WHERE customer_id = 1")
    assert found == [("Renée\n", "kept", None)]


def test_a_cancelled_order_refuses_every_change(
    client: FlaskClient, query: Query, order_id: int, other_id: int, problem: Problem
) -> None:
    assert client.post(f"/orders/{order_id}/cancel").status_code == 200
    before = query("SELECT * FROM shop.orders WHERE order_id IN (%s, %s)", order_id, other_id)

    refused = [
        client.post(f"/orders/{order_id}/cancel"),
        client.post(f"/orders/{order_id}/change", json={"note": "late"}),
        client.post("/order-lines/move", json={"order_id": order_id, "line_no": 1, "to_order_id": other_id}),
        client.post("/order-lines/move", json={"order_id": other_id, "line_no": 1, "to_order_id": order_id}),
    ]

    assert [problem(response)[0] for response in refused] == [409] * 4
    assert query("SELECT * FROM shop.orders WHERE order_id IN (%s, %s)", order_id, other_id) == before


def test_the_last_line_can_neither_be_removed_nor_moved_away(
    client: FlaskClient, query: Query, order_id: int, other_id: int, problem: Problem
) -> None:
    query("DELETE FROM shop.order_lines WHERE order_id = %s AND line_no > 1", order_id)

    removed = client.post(f"/orders/{order_id}/change", json={"lines": [{"line_no": 1, "quantity": 0}]})
    moved = client.post("/order-lines/move", json={"order_id": order_id, "line_no": 1, "to_order_id": other_id})

    assert problem(removed)[0] == problem(moved)[0] == 409
    assert query("SELECT count(*) FROM shop.order_lines WHERE order_id = %s", order_id) == [(1,)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orders/999999/cancel", {}),
        ("/orders/99999999999999999999999/cancel", {}),
        ("/orders/1/change", {"lines": [{"line_no": 99, "quantity": 1}]}),
        ("/orders", {"customer_id": 999999, "lines": [{"sku": "42", "quantity": 1}]}),
        ("/orders", {"customer_id": 1, "lines": [{"sku": "no such", "quantity": 1}]}),
        ("/orders", {"customer_id": 1, "shipping_address_no": 99, "lines": [{"sku": "42", "quantity": 1}]}),
        ("/order-lines/move", {"order_id": 1, "line_no": 99, "to_order_id": 2}),
        ("/products/no such/rename", {"title": "x"}),
        ("/customers/999999/correct", {"name": "x"}),
        ("/customers/999999/correct", {}),
        ("/customers/1/correct", {"country_code": "XX"}),
        ("/nothing/here", {}),
    ],
)
def test_what_does_not_exist_is_not_found(
    client: FlaskClient, query: Query, path: str, body: dict[str, Any], problem: Problem
) -> None:
    query("UPDATE shop.orders SET status = 'placed'")

    assert problem(client.post(path, json=body))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/orders", {}, "lines"),
        ("/orders", {"customer_id": 1, "lines": []}, "lines"),
        ("/orders", {"customer_id": "1", "lines": [{"sku": "42", "quantity": 1}]}, "customer_id"),
        ("/orders", {"customer_id": 1, "lines": [{"sku": "42", "quantity": 0}]}, "quantity"),
        ("/orders", {"customer_id": 1, "lines": [{"sku": "42", "quantity": True}]}, "quantity"),
        ("/orders", {"customer_id": 1, "lines": [{"sku": "42", "quantity": 1, "price": 1}]}, "price"),
        ("/orders", {"customer_id": 1, "lines": [7]}, "line"),
        ("/orders", [], "object"),
        ("/orders/1/change", {"note": 5}, "note"),
        ("/orders/1/change", {"lines": [{"line_no": 1, "quantity": -1}]}, "quantity"),
        ("/orders/1/change", {"notes": "x"}, "notes"),
        ("/orders/1/cancel", {"reason": "x"}, "reason"),
        ("/order-lines/move", {"order_id": 1, "line_no": 1, "to_order_id": 1}, "order"),
        ("/products/42/rename", {"title": ""}, "title"),
        ("/products/42/rename", {"title": "zero \0"}, "title"),
        ("/products/42/rename", {"title": "half \ud83d"}, "title"),
        ("/customers/1/correct", {"name": None}, "name"),
        ("/customers/1/correct", {"country_code": "X" * 21}, "country_code"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(
    client: FlaskClient, path: str, body: Any, named: str, problem: Problem
) -> None:
    status, detail = problem(client.post(path, data=json.dumps(body)))

    assert status == 422
    assert named in detail


def test_a_body_that_is_not_json_is_a_bad_request(client: FlaskClient, problem: Problem) -> None:
    assert problem(client.post("/orders", data=b"\xff{")) == (400, "the body is not JSON")


def test_a_total_that_does_not_fit_is_refused(client: FlaskClient, query: Query, problem: Problem) -> None:
    query("UPDATE shop.products SET price = 9999999999.99, active = true WHERE sku = '42'")
    body = {"customer_id": 1, "lines": [{"sku": "42", "quantity": 2_000_000_000}]}

    assert problem(client.post("/orders", json=body))[0] == 422


def test_connections_that_a_restart_has_ended_are_replaced(client: FlaskClient, query: Query) -> None:
    assert client.get("/healthz").status_code == 200
    query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'monolith'")

    assert client.get("/healthz").status_code == 200


def test_a_database_that_is_not_there_is_unavailable_and_asks_to_repeat(problem: Problem) -> None:
    pool = Pool(f"postgresql://nobody@127.0.0.1:{free_port()}/shop")
    client = create_app(pool).test_client()

    response = client.post("/products/42/rename", json={"title": "x"})

    assert problem(response)[0] == 503
    assert response.headers["Retry-After"] == "1"
    assert client.get("/healthz").status_code == 503


def test_a_row_that_stays_locked_makes_the_command_unavailable_and_has_no_effect(
    module_shop: str, query: Query, monkeypatch: pytest.MonkeyPatch, problem: Problem
) -> None:
    monkeypatch.setattr("local.monolith.service._OPTIONS", "-c lock_timeout=100ms")
    pool = Pool(module_shop)
    with closing(psycopg2.connect(module_shop)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM shop.products WHERE sku = '42' FOR UPDATE")

        response = create_app(pool).test_client().post("/products/42/rename", json={"title": "waits"})

    pool.close()
    assert problem(response)[0] == 503
    assert query("SELECT count(*) FROM shop.products WHERE title = 'waits'") == [(0,)]
