"""A monolith that offers less against a second execution, is slow, or answers before it executes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask.testing import FlaskClient

from local.monolith.execution import Behaviour, Executor, Offer
from local.monolith.service import Pool, create_app
from local.processes import wait_until

Query = Callable[..., list[Any]]


@contextmanager
def serving(shop: str, behaviour: Behaviour) -> Iterator[FlaskClient]:
    pool = Pool(shop)
    executor = Executor(pool, behaviour)
    try:
        yield create_app(pool, executor).test_client()
    finally:
        executor.close()
        pool.close()


def place(client: FlaskClient, key: str, customer_id: int = 1) -> Any:
    body = {"customer_id": customer_id, "lines": [{"sku": "SKU-00001", "quantity": 1}], "note": key}
    return client.post("/orders", json=body, headers={"Idempotency-Key": key})


def placed(query: Query, key: str) -> int:
    count: int = query("SELECT count(*) FROM shop.orders WHERE note = %s", key)[0][0]
    return count


def asked(client: FlaskClient, key: str) -> tuple[int, Any]:
    answer = client.get(f"/executed-commands/{key}")
    return answer.status_code, answer.get_json()


def test_who_recognises_keys_can_be_asked_as_well(module_shop: str, query: Query) -> None:
    """The very answer of then, with a position that the effect is not behind."""
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour()) as client:
        assert asked(client, key)[0] == 404
        first = place(client, key).get_json()
        status, found = asked(client, key)

    assert (status, found["order_id"]) == (201, first["order_id"])
    positions = (first["commit_position"], found["commit_position"])
    assert query("SELECT %s::pg_lsn <= %s::pg_lsn", *positions) == [(True,)]


def test_who_can_only_be_asked_executes_again(module_shop: str, query: Query) -> None:
    """And tells of the first."""
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour(Offer.LOOKUP)) as client:
        numbers = [place(client, key).get_json()["order_id"] for _ in range(2)]
        status, found = asked(client, key)

    assert placed(query, key) == 2
    assert (status, found["order_id"]) == (201, numbers[0])


def test_a_refused_command_was_not_executed(module_shop: str) -> None:
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour(Offer.LOOKUP)) as client:
        assert place(client, key, customer_id=10**9).status_code >= 400
        assert asked(client, key)[0] == 404


def test_who_offers_nothing_knows_nothing(module_shop: str, query: Query) -> None:
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour(Offer.NONE)) as client:
        assert [place(client, key).status_code for _ in range(2)] == [201, 201]
        assert asked(client, key)[0] == 404

    assert placed(query, key) == 2


def test_who_accepts_executes_afterwards(module_shop: str, query: Query) -> None:
    """Once, however often it is asked; 202 until then."""
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour(seconds=0.3, accepts=True)) as client:
        assert [place(client, key).status_code for _ in range(2)] == [202, 202]
        assert asked(client, key) == (202, {})
        wait_until(lambda: asked(client, key)[0] == 201, 30, "the order is placed")
        assert place(client, key).get_json()["order_id"] == asked(client, key)[1]["order_id"]

    assert placed(query, key) == 1


def test_what_is_refused_afterwards_is_told_as_a_refusal(module_shop: str, query: Query) -> None:
    """Not as something that is not there."""
    key = uuid.uuid4().hex
    with serving(module_shop, Behaviour(accepts=True)) as client:
        assert place(client, key, customer_id=10**9).status_code == 202
        wait_until(lambda: asked(client, key)[0] == 409, 30, "the order is refused")

    assert placed(query, key) == 0
