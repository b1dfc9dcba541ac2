"""The JSON body of a request that something is to come of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from api_lambdas.declared import InvalidBody
from api_lambdas.http import JSON, Kind, Problem, Request
from api_lambdas.json_text import NotJson, loads

MAX_BODY_BYTES: Final = 64 * 1024

_T = TypeVar("_T")


def checked_body(request: Request, what: str, check: Callable[[Any], _T]) -> tuple[Any, _T]:
    """The body, and what `check` makes of it or refuses with InvalidBody; `what`: as `a command`. Raises Problem."""
    if len(request.body) > MAX_BODY_BYTES:
        raise Problem(Kind.BODY_TOO_LARGE, f"{what} has at most {MAX_BODY_BYTES} bytes")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"send the header Content-Type: {JSON}")
    try:
        body = loads(request.body)
        return body, check(body)
    except (NotJson, InvalidBody) as error:
        raise Problem(Kind.INVALID_BODY, str(error)) from error
