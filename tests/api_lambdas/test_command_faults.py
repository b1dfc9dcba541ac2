"""The real monolith stand-in behind a way with faults: every key has one effect and one answer, whatever it offers."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg2
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from api_lambdas.access.rules import PUBLIC, Access, Gate, Rule
from api_lambdas.command import CommandApi
from api_lambdas.commands import execution
from api_lambdas.commands.declared import Command, Dispatch
from api_lambdas.commands.execution import Executions
from api_lambdas.commands.idempotency import IdempotencyRecords
from api_lambdas.commands.issuing import Issuer
from api_lambdas.commands.monolith import Monolith
from api_lambdas.commands.verdict import NoVerdict, verdict
from api_lambdas.packing.commands_file import read_commands
from api_lambdas.shared.http import JSON, Kind, Problem, Request
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import Access as Store
from api_lambdas.shared.sigv4 import Credentials
from local.ministack import MiniStack
from local.monolith.execution import Behaviour, Executor, Offer
from local.monolith.seed import create_schema, insert_seed
from local.monolith.service import Pool, create_app
from local.postgres import Postgres
from local.processes import wait_until
from tests.api_lambdas.fault_proxy import FAULTS, faulty
from tests.api_lambdas.support import Tables

KEYS: Final = 4
CALLERS: Final = 2
LATE_SECONDS: Final = 0.8
PATIENCE_SECONDS: Final = 90.0
DECLARED: Final = """
place-order:
  endpoint: POST /orders
  position: /commit_position
  body: {type: object}
"""
LOOKUP: Final = "lookup: '/executed-commands/{idempotency_key}'"
SECONDS: Final = 0.4
HASTY: Final = "answer_within_seconds: 0.25"
PATIENT: Final = "timeout_seconds: 0.6"
OFFERED: Final[dict[str, tuple[Behaviour, tuple[str, ...]]]] = {
    "header": (Behaviour(Offer.HEADER), (PATIENT, "idempotency: header")),
    "header, slow": (Behaviour(Offer.HEADER, SECONDS), (HASTY, "idempotency: header", LOOKUP)),
    "header, accepting": (Behaviour(Offer.HEADER, SECONDS, accepts=True), (PATIENT, "idempotency: header", LOOKUP)),
    "lookup": (Behaviour(Offer.LOOKUP), (PATIENT, "idempotency: lookup", LOOKUP, "settle_seconds: 3")),
    "lookup, slow": (
        Behaviour(Offer.LOOKUP, SECONDS),
        (HASTY, "idempotency: lookup", LOOKUP, "settle_seconds: 4"),
    ),
    "none": (Behaviour(Offer.NONE), (PATIENT, "idempotency: none")),
}


class Silent(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing."""


class Died(BaseException):
    """The function was killed here."""


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> Iterator[str]:
    name = f"commands_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name)
    with closing(psycopg2.connect(postgres.url(name))) as connection, connection, connection.cursor() as cursor:
        create_schema(cursor)
        insert_seed(cursor, orders=5)
    yield postgres.url(name)
    postgres.drop_database(name)


@contextmanager
def served(shop: str, behaviour: Behaviour) -> Iterator[int]:
    """The port of a monolith; at the end it has finished everything."""
    pool = Pool(shop)
    executor = Executor(pool, behaviour)
    server = make_server("127.0.0.1", 0, create_app(pool, executor), threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        executor.close()
        pool.close()


def declared(*offered: str) -> Mapping[str, Command]:
    commands, problems = read_commands(DECLARED + "".join(f"  {line}\n" for line in offered), "commands.yaml")
    assert problems == ()
    return {command.name: command for command in commands}


def mortal(call: Callable[..., Any], chance: random.Random) -> Callable[..., Any]:
    """Before and after a step, a function may die."""

    def maybe(*arguments: Any, **options: Any) -> Any:
        if chance.random() < 0.04:
            raise Died
        result = call(*arguments, **options)
        if chance.random() < 0.04:
            raise Died
        return result

    return maybe


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if "," in name else ()) for name in OFFERED]
)
def test_each_key_has_one_effect_and_one_answer(
    ministack: MiniStack, tables: Tables, shop: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no help of the monolith's: at most one effect, and the truth about the rest."""
    behaviour, offered = OFFERED[name]
    chance = random.Random(name)
    monkeypatch.setattr(execution, "CLAIM_MARGIN_SECONDS", 0.5)
    keys = [uuid.uuid4().hex for _ in range(KEYS)]
    told: dict[str, set[tuple[int, Any]]] = {key: set() for key in keys}
    client = tables.watched(Store("eu-west-1", ministack.url, Credentials("test", "test", "")))
    with served(shop, behaviour) as port, faulty(port, 7, 0.45, LATE_SECONDS) as proxy:
        records = IdempotencyRecords(client, tables.commands, time.time)
        monolith = Monolith(proxy.url)
        for owner, method in ((records, "claim"), (records, "begin"), (records, "store"), (monolith, "send")):
            monkeypatch.setattr(owner, method, mortal(getattr(owner, method), chance))
        executions = Executions(records, monolith, 5.0, Log("error"), Issuer(None, Log("error")))
        gate = Gate(Access(Rule(PUBLIC), {}), lambda: pytest.fail("no tokens here"))
        api = CommandApi(declared(*offered), records, executions, gate)
        threads = [
            threading.Thread(target=call_until_told, args=(api, key, told[key])) for key in keys for _ in range(CALLERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: proxy.on_the_way == 0, 30, "the monolith has answered everything")
        met = proxy.met
    effects = orders(shop, keys)

    assert sum(count for fault, count in met.items() if fault) >= KEYS // 2
    assert {key: ends for key, ends in told.items() if len(ends) != 1} == {}
    for key in keys:
        ((status, order_id),) = told[key]
        found = effects.get(key, [])
        if status == 201:
            assert found == [order_id], key
        else:
            assert (status, behaviour.offer) == (502, Offer.NONE), key
            assert len(found) <= 1, key


def call_until_told(api: CommandApi, key: str, told: set[tuple[int, Any]]) -> None:
    """Repeat until there is a final answer; the status of the command has to say the same."""
    body = {"customer_id": 1, "lines": [{"sku": "SKU-00001", "quantity": 1}], "note": key}
    headers = {"idempotency-key": key, "content-type": JSON}
    sent = Request("POST", "/commands/place-order", (), headers, json.dumps(body).encode())
    asked = Request("GET", f"/commands/place-order/{key}", (), {}, b"")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for request in (asked, sent):
            try:
                answered = api.answer(request)
            except (Problem, Died) as problem:
                if isinstance(problem, Problem) and problem.kind is Kind.OUTCOME_UNKNOWN:
                    told.add((502, None))
                    return
                continue
            found = json.loads(answered.body)
            if request is sent and answered.status != 202:
                told.add((answered.status, found["order_id"]))
                return
            if found["state"] == "finished":
                told.add((found["status"], found["answer"]["order_id"]))
        time.sleep(0.4)


def orders(shop: str, keys: list[str]) -> dict[str, list[int]]:
    """The orders that were placed for each key."""
    with closing(psycopg2.connect(shop)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT note, array_agg(order_id) FROM shop.orders WHERE note = ANY(%s) GROUP BY note", (keys,))
        return dict(cursor.fetchall())


def test_faults_reach_the_caller(shop: str) -> None:
    """Else the test above shows nothing: each of them is met, and is no verdict."""
    with served(shop, Behaviour()) as port, faulty(port, 1, 1.0, LATE_SECONDS) as proxy:
        monolith = Monolith(proxy.url)
        command = declared("idempotency: header")["place-order"]
        dispatch = command.dispatch({"customer_id": 0})
        for number in range(60):
            if len(proxy.met) < len(FAULTS):
                assert not is_answer(monolith, dispatch, number)
        assert set(proxy.met) == set(FAULTS)


def is_answer(monolith: Monolith, dispatch: Dispatch, number: int) -> bool:
    """Whether a reply is taken for the monolith's."""
    try:
        reply = monolith.send(dispatch, f"key-{number}", 0.3)
        return bool(verdict(reply))
    except NoVerdict:
        return False
