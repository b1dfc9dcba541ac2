"""The JSON body of a request that something is to come of, held to its JSON Schema. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar

import fastjsonschema

from api_lambdas.shared.http import JSON, Kind, Problem, Request
from api_lambdas.shared.json_text import NotJson, loads

MAX_BODY_BYTES: Final = 64 * 1024
MAX_REASON_CHARACTERS: Final = 300

_T = TypeVar("_T")


class InvalidBody(ValueError):
    """The body is not what its schema asks for; str() names the place and the rule, not the value."""


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


def check_body(schema: str, body: Any) -> None:
    """Hold a body to its JSON Schema. Raises InvalidBody."""
    try:
        _validator(schema)(_with_floats(body), name_prefix="body")
    except fastjsonschema.JsonSchemaValueException as error:
        raise InvalidBody(error.message[:MAX_REASON_CHARACTERS]) from error
    except ArithmeticError as error:
        raise InvalidBody("a number in the body is out of range") from error
    except RecursionError as error:
        raise InvalidBody("the body is nested too deeply") from error


@cache
def _validator(schema: str) -> Callable[..., Any]:
    """Compiled when it is first used: a start pays only for the commands and events it serves."""
    compiled: Callable[..., Any] = fastjsonschema.compile(json.loads(schema), use_default=False)
    return compiled


def _with_floats(value: Any) -> Any:
    """The body as the validator knows numbers: of a Decimal it compares no `enum` and fails at `multipleOf`."""
    if isinstance(value, dict):
        return {name: _with_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    if not isinstance(value, Decimal):
        return value
    number = float(value)
    if math.isinf(number):
        raise OverflowError
    return number
