"""The monolith's HTTP service: JSON in and out, one real transaction per command, errors as problem+json."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar

import psycopg2
import waitress
from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool
from werkzeug.exceptions import HTTPException

from local.monolith import bodies, catalogue, customers, orders
from local.monolith.commands import Answer
from local.monolith.errors import BusinessError, NotFoundError
from local.monolith.execution import LATER_THREADS, Behaviour, Executor

_THREADS = 8
_MOST_BODY_BYTES = 256 * 1024
# A command that waits longer than this is given up, rolled back and answered with 503.
_OPTIONS = "-c lock_timeout=5s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
_UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError)

T = TypeVar("T")

_log = logging.getLogger("monolith")


class Pool:
    """Connections for as many threads as the service has; broken ones are replaced when they are next needed."""

    def __init__(self, database_url: str) -> None:
        self._pool = ThreadedConnectionPool(
            0, _THREADS + LATER_THREADS, database_url, options=_OPTIONS, application_name="monolith"
        )

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection that answered just now. Raises psycopg2.OperationalError when the database does not."""
        connection = self._checked()
        try:
            yield connection
        finally:
            self._pool.putconn(connection, close=bool(connection.closed))

    def _checked(self) -> Any:
        while True:
            connection = self._pool.getconn()
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except _UNAVAILABLE:
                self._pool.putconn(connection, close=True)  # from before a restart of the database; the next is newer
            except BaseException:
                self._pool.putconn(connection, close=True)
                raise
            else:
                return connection

    def close(self) -> None:
        self._pool.closeall()


def create_app(pool: Pool, executor: Executor | None = None) -> Flask:
    """The WSGI application."""
    executor = executor or Executor(pool, Behaviour())
    app = Flask("monolith")
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BODY_BYTES
    app.url_map.merge_slashes = False  # a product's key may contain slashes

    _add_order_routes(app, executor)
    _add_other_routes(app, executor)
    _add_questions(app, pool, executor)
    app.register_error_handler(BusinessError, _refused)
    app.register_error_handler(HTTPException, lambda error: _problem(error.code or 500, error.name, ""))
    app.register_error_handler(psycopg2.Error, _database_error)
    return app


def _add_order_routes(app: Flask, executor: Executor) -> None:
    @app.post("/orders")
    def place_order() -> Response:
        work = partial(orders.place_order, order=bodies.new_order(request.get_data()))
        return _command(executor, work, lambda order_id: {"order_id": order_id}, 201)

    @app.post("/orders/<int:order_id>/change")
    def change_order(order_id: int) -> Response:
        change = bodies.order_change(request.get_data())
        work = partial(orders.change_order, order_id=_known("order", order_id), change=change)
        return _command(executor, work, lambda _: {"order_id": order_id})

    @app.post("/orders/<int:order_id>/cancel")
    def cancel_order(order_id: int) -> Response:
        bodies.nothing(request.get_data())
        work = partial(orders.cancel_order, order_id=_known("order", order_id))
        return _command(executor, work, lambda _: {"order_id": order_id})

    @app.post("/order-lines/move")
    def move_line() -> Response:
        order_id, line_no, to_order_id = bodies.line_move(request.get_data())
        work = partial(orders.move_line, order_id=order_id, line_no=line_no, to_order_id=to_order_id)
        return _command(executor, work, lambda moved: {"order_id": to_order_id, "line_no": moved})


def _add_other_routes(app: Flask, executor: Executor) -> None:
    @app.post("/products/<path:sku>/rename")
    def rename_product(sku: str) -> Response:
        work = partial(catalogue.rename_product, sku=sku, title=bodies.new_title(request.get_data()))
        return _command(executor, work, lambda _: {"sku": sku})

    @app.post("/customers/<int:customer_id>/correct")
    def correct_customer(customer_id: int) -> Response:
        correction = bodies.correction(request.get_data())
        known = _known("customer", customer_id)
        work = partial(customers.correct_customer, customer_id=known, correction=correction)
        return _command(executor, work, lambda _: {"customer_id": customer_id})


def _add_questions(app: Flask, pool: Pool, executor: Executor) -> None:
    @app.get("/executed-commands/<path:key>")
    def executed_command(key: str) -> Response:
        found = executor.look_up(key)
        if found is None:
            return _problem(404, "Not executed", "no command was executed with this key")
        return _answer(*found)

    @app.get("/healthz")
    def healthz() -> Response:
        with pool.connection():
            return _json(200, {"status": "ok"})


def serve(database_url: str, port: int, behaviour: Behaviour | None = None) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; commands in progress are finished first."""
    pool = Pool(database_url)
    executor = Executor(pool, behaviour or Behaviour())
    server = waitress.create_server(
        create_app(pool, executor), host="127.0.0.1", port=port, threads=_THREADS, ident=None
    )

    def stop(*_: object) -> NoReturn:
        raise SystemExit(0)  # waitress ends its loop and waits for its threads

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.run()
    finally:
        server.close()
        executor.close()
        pool.close()


def _command(
    executor: Executor, work: Callable[[Any], T], describe: Callable[[T], dict[str, Any]], status: int = 200
) -> Response:
    """Run a command and answer with a log position that its effect is not behind."""
    key = request.headers.get("Idempotency-Key")
    asked = hashlib.sha256(request.path.encode()).digest() + request.get_data()
    return _answer(*executor.run(key, asked, lambda cursor: Answer(status, describe(work(cursor)))))


def _answer(answer: Answer, position: str) -> Response:
    if answer.status >= 400:
        return _json(answer.status, answer.body, "application/problem+json")
    # while it is being executed, nobody knows where it will stand
    return _json(answer.status, answer.body if answer.status == 202 else answer.body | {"commit_position": position})


def _known(what: str, number: int) -> int:
    """The number of an address, unless it is larger than any that can exist."""
    if number > bodies.LARGEST_ID:
        raise NotFoundError(f"{what} {number} does not exist")
    return number


def _json(status: int, body: dict[str, Any], content_type: str = "application/json") -> Response:
    return Response(json.dumps(body), status, content_type=content_type)


def _problem(status: int, title: str, detail: str) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return _json(status, body, "application/problem+json")


def _refused(error: BusinessError) -> Response:
    return _problem(error.status, error.title, str(error))


def _database_error(error: psycopg2.Error) -> Response:
    """Values may stand in the text of a database error, so neither the log nor the answer repeats it."""
    _log.error(json.dumps({"event": "database_error", "path": str(request.url_rule), "code": error.pgcode}))
    if isinstance(error, psycopg2.IntegrityError):
        return _problem(409, "Not possible in the present state", "another command was there first")
    if isinstance(error, _UNAVAILABLE):
        response = _problem(503, "The database is not available or busy", "repeat with the same Idempotency-Key")
        response.headers["Retry-After"] = "1"
        return response
    return _problem(500, "Internal error", "")
