"""A command with an Idempotency-Key has its effect once."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

Query = Callable[..., list[Any]]
Problem = Callable[[TestResponse], tuple[int, str]]


@pytest.fixture
def key() -> dict[str, str]:
    """A new Idempotency-Key."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def test_a_repeated_key_answers_again_without_a_second_effect(
    client: FlaskClient, query: Query, key: dict[str, str], skus: list[str]
) -> None:
    body = {"customer_id": 1, "lines": [{"sku": skus[0], "quantity": 1}]}
    first = client.post("/orders", json=body, headers=key)
    count = query("SELECT count(*) FROM shop.orders")

    second = client.post("/orders", json=body, headers=key)

    assert (first.status_code, first.get_json()["order_id"]) == (second.status_code, second.get_json()["order_id"])
    assert query("SELECT count(*) FROM shop.orders") == count


def test_a_repeated_key_with_another_body_or_path_is_refused(
    client: FlaskClient, query: Query, key: dict[str, str], problem: Problem
) -> None:
    client.post("/products/42/rename", json={"title": "first"}, headers=key)

    other_body = client.post("/products/42/rename", json={"title": "second"}, headers=key)
    other_path = client.post("/products/042/rename", json={"title": "first"}, headers=key)

    assert problem(other_body)[0] == problem(other_path)[0] == 422
    assert query("SELECT title FROM shop.products WHERE sku IN ('42', '042') AND title = 'second'") == []


def test_a_refused_command_leaves_no_trace_and_may_succeed_when_repeated(
    client: FlaskClient, query: Query, order_id: int, key: dict[str, str]
) -> None:
    query("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = %s", order_id)
    refused = client.post(f"/orders/{order_id}/cancel", headers=key)
    query("UPDATE shop.orders SET status = 'placed' WHERE order_id = %s", order_id)

    repeated = client.post(f"/orders/{order_id}/cancel", headers=key)

    assert (refused.status_code, repeated.status_code) == (409, 200)


def test_the_same_key_at_the_same_time_has_one_effect(
    client: FlaskClient, query: Query, key: dict[str, str], skus: list[str]
) -> None:
    body = {"customer_id": 1, "lines": [{"sku": skus[0], "quantity": 1}]}
    before = query("SELECT count(*) FROM shop.orders")[0][0]
    answers: list[int] = []

    def post() -> None:
        response = client.application.test_client().post("/orders", json=body, headers=key)
        answers.append(response.get_json()["order_id"])

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert query("SELECT count(*) FROM shop.orders") == [(before + 1,)]


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_that_cannot_be_kept_is_a_bad_request(client: FlaskClient, key: str, problem: Problem) -> None:
    response = client.post("/products/42/rename", json={"title": "x"}, headers={"Idempotency-Key": key})

    assert problem(response)[0] == 400
