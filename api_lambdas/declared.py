"""Declared commands: what a body must look like and which request to the monolith it becomes. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import fastjsonschema

from api_lambdas.json_text import dumps
from contract.keys import scalar_text

PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_REASON_CHARACTERS: Final = 300


class InvalidBody(ValueError):
    """The body is not what the command's schema asks for; str() names the place and the rule, not the value."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A request for the monolith; equal commands give equal bytes, so that it can compare repeats as well."""

    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `schema` holds the JSON Schema of its body as text."""

    name: str
    method: str
    path: str
    schema: str
    timeout_seconds: float | None = None

    def dispatch(self, body: Any) -> Dispatch:
        """The monolith's request for a body. Raises InvalidBody."""
        try:
            _validator(self.schema)(_with_floats(body), name_prefix="body")
        except fastjsonschema.JsonSchemaValueException as error:
            raise InvalidBody(error.message[:MAX_REASON_CHARACTERS]) from error
        except ArithmeticError as error:
            raise InvalidBody("a number in the body is out of range") from error
        except RecursionError as error:
            raise InvalidBody("the body is nested too deeply") from error
        in_path = PLACEHOLDER.findall(self.path)
        path = PLACEHOLDER.sub(lambda found: _segment(found[1], body[found[1]]), self.path)
        rest = {name: value for name, value in body.items() if name not in in_path}
        return Dispatch(self.method, path, dumps(rest, sort_keys=True).encode())


def to_json(commands: Iterable[Command]) -> str:
    """Text for `from_json`; packed into the Lambda, which then needs no YAML."""
    return json.dumps([asdict(command) for command in commands], indent=1, sort_keys=True)


def from_json(text: str) -> dict[str, Command]:
    """The commands that `to_json` wrote, by name."""
    return {document["name"]: Command(**document) for document in json.loads(text)}


@cache
def _validator(schema: str) -> Callable[..., Any]:
    """Compiled at a command's first use: a start pays only for the commands it serves."""
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


def _segment(name: str, value: Any) -> str:
    text = scalar_text(value) if isinstance(value, (str, bool, int, Decimal)) else dumps(value)
    if text in ("", ".", ".."):  # would name another path: clients and proxies resolve dot segments
        raise InvalidBody(f"body.{name} cannot be part of a path")
    return quote(text, safe="")
