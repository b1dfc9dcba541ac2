"""Declared commands: what a body must look like and which request to the monolith it becomes. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import fastjsonschema

from api_lambdas.json_text import NotJson, dumps, loads
from contract.keys import scalar_text

KEY_PLACEHOLDER: Final = "{idempotency_key}"
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


class Idempotency(StrEnum):
    """What the monolith offers against executing a command twice."""

    HEADER = "header"
    """It recognises our Idempotency-Key: a repeat has no second effect and gets the same answer."""

    LOOKUP = "lookup"
    """It can be asked whether a key was executed."""

    NONE = "none"
    """Nothing: whoever sends a request again may execute it again."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `schema` holds the JSON Schema of its body as text.

    `lookup`: the monolith's path that says whether a key was executed, with `{idempotency_key}` in it.
    `settle_seconds`: after our last byte, so long may a request that we gave up still be executed.
    `answer_within_seconds`: then the caller gets 202, and the status of the command says how it went on.
    `position`: JSON Pointer to the commit position in the monolith's answer.
    """

    name: str
    method: str
    path: str
    schema: str
    timeout_seconds: float | None = None
    idempotency: Idempotency = Idempotency.NONE
    lookup: str | None = None
    settle_seconds: float = 0.0
    answer_within_seconds: float | None = None
    position: str | None = None

    def dispatch(self, body: Any) -> Dispatch:
        """The monolith's request for a body. Raises InvalidBody."""
        check_body(self.schema, body)
        in_path = PLACEHOLDER.findall(self.path)
        path = PLACEHOLDER.sub(lambda found: _segment(found[1], body[found[1]]), self.path)
        rest = {name: value for name, value in body.items() if name not in in_path}
        return Dispatch(self.method, path, dumps(rest, sort_keys=True).encode())

    def lookup_path(self, key: str) -> str:
        """Where the monolith says whether a key was executed; the command has a lookup."""
        return (self.lookup or "").replace(KEY_PLACEHOLDER, quote(key, safe=""))

    def position_in(self, answer: str) -> str | int | None:
        """The commit position in the text of the monolith's answer; None if it is not declared or not there."""
        if self.position is None or not answer:
            return None
        try:
            found = loads(answer.encode())
        except NotJson:
            return None
        for token in self.position.split("/")[1:]:
            name = token.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def to_json(commands: Iterable[Command]) -> str:
    """Text for `from_json`; packed into the Lambda, which then needs no YAML."""
    return json.dumps([asdict(command) for command in commands], indent=1, sort_keys=True)


def from_json(text: str) -> dict[str, Command]:
    """The commands that `to_json` wrote, by name."""
    return {document["name"]: _command(document) for document in json.loads(text)}


def _command(document: dict[str, Any]) -> Command:
    return Command(**{**document, "idempotency": Idempotency(document["idempotency"])})


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
