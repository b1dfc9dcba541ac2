"""Declared commands: what a body must look like and which request to the monolith it becomes. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from api_lambdas.shared.bodies import InvalidBody, check_body
from api_lambdas.shared.json_text import NotJson, dumps, loads
from contract.keys import scalar_text

KEY_PLACEHOLDER: Final = "{idempotency_key}"
PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


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


def _segment(name: str, value: Any) -> str:
    text = scalar_text(value) if isinstance(value, (str, bool, int, Decimal)) else dumps(value)
    if text in ("", ".", ".."):  # would name another path: clients and proxies resolve dot segments
        raise InvalidBody(f"body.{name} cannot be part of a path")
    return quote(text, safe="")
