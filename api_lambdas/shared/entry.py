"""The frame around every Lambda behind the gateway: event in, answer or problem out, one log line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.encoding import encoded
from api_lambdas.shared.http import Kind, Problem, Request, Response
from api_lambdas.shared.log import Event, Log, write_settings_problems
from api_lambdas.shared.settings import SettingsError


class Settings(Protocol):
    """What every function's settings say."""

    @property
    def log_level(self) -> str: ...


class Api(Protocol):
    """What answers."""

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem or StoreError."""


def handled(event: Mapping[str, Any], composed: Callable[[], tuple[Settings, Api]], region: str) -> dict[str, Any]:
    """The payload for the gateway; `composed` is asked with every event, and raises SettingsError until all is set."""
    try:
        settings, api = composed()
    except SettingsError as error:
        return _settings_problem(error, region)
    return respond(event, api.answer, region, Log(settings.log_level))


def respond(event: Mapping[str, Any], answer: Callable[[Request], Response], region: str, log: Log) -> dict[str, Any]:
    """The payload for the gateway; nothing is raised, so that every error is a problem and none a traceback."""
    started = time.perf_counter()
    try:
        request = Request.parse(event)
        response = encoded(answer(request), request.headers.get("accept-encoding"))
    except Problem as problem:
        response = problem.response()
    except StoreError as error:
        log.write(Event.STORE_FAILED, operation=error.operation, code=error.code)
        response = _store_problem(error).response()
    except Exception as error:  # noqa: BLE001  the gateway's own error would tell the caller nothing
        log.write(Event.FAILED, error=type(error).__name__, at=_place(error))
        response = Problem(Kind.INTERNAL, "the request could not be answered").response()
    log.write(
        Event.ANSWERED,
        route=event.get("routeKey", ""),
        status=response.status,
        millis=round((time.perf_counter() - started) * 1000, 1),
    )
    return response.payload(region)


def _settings_problem(error: SettingsError, region: str) -> dict[str, Any]:
    """The answer while settings are wrong; what is wrong stands in the log, not in the answer."""
    write_settings_problems(error.problems)
    return Problem(Kind.INTERNAL, "the service is not set up").response().payload(region)


def _store_problem(error: StoreError) -> Problem:
    if error.throttled:
        return Problem(Kind.TOO_MANY_REQUESTS, "try again in a moment", headers={"retry-after": "1"})
    if error.retryable:
        return Problem(Kind.STORE_UNAVAILABLE, "try again in a moment", headers={"retry-after": "1"})
    return Problem(Kind.INTERNAL, "the request could not be answered")


def _place(error: Exception) -> str:
    """Where it happened; an exception's own text may hold values and is not logged."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
