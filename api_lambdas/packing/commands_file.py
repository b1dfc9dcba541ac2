"""Reads the declaration of commands (YAML) where functions are packed; the Lambdas get JSON."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import fastjsonschema

from api_lambdas.commands.declared import KEY_PLACEHOLDER, PLACEHOLDER, Command, Idempotency
from api_lambdas.commands.settings import MAX_DISPATCH_TIMEOUT_SECONDS
from api_lambdas.packing.yaml_file import read_declarations

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ENDPOINT: Final = re.compile(r"(POST|PUT|PATCH|DELETE) (/\S*)")
_LOOKUP: Final = re.compile(r"/[^\s#]*")
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)+")
_MEMBERS: Final = (
    *("endpoint", "body", "timeout_seconds", "idempotency", "lookup", "settle_seconds"),
    *("answer_within_seconds", "position"),
)
MAX_SETTLE_SECONDS: Final = 3600.0
_SCHEMES: Final = ("http", "https", "ftp", "file", "data")
# what fastjsonschema lets out; the last is of one nested too deeply for the code it writes
_WRONG_SCHEMA: Final = (
    *(fastjsonschema.JsonSchemaDefinitionException, TypeError, ValueError, AttributeError, re.error),
    *(RecursionError, SyntaxError),
)


def read_commands(text: str, file: str) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """The declared commands, and problems as `file:line: command: what is wrong`; no commands if there is one."""
    declared, problems = read_declarations(text, file, "command-name: {endpoint: ..., body: ...}", _problems)
    return tuple(_command(*item) for item in declared.items()), problems


def _command(name: str, declaration: dict[str, Any]) -> Command:
    method, _, path = declaration["endpoint"].partition(" ")
    schema = json.dumps(declaration["body"], sort_keys=True)
    return Command(
        name,
        method,
        path,
        schema,
        declaration.get("timeout_seconds"),
        idempotency=Idempotency(declaration["idempotency"]),
        lookup=declaration.get("lookup"),
        settle_seconds=declaration.get("settle_seconds", 0.0),
        answer_within_seconds=declaration.get("answer_within_seconds"),
        position=declaration.get("position"),
    )


def _problems(name: object, declaration: object) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "a name has lower-case letters, digits and single hyphens, a letter first"
    if not isinstance(declaration, dict):
        yield "expected `endpoint` and `body`"
        return
    for member in declaration:
        if member not in _MEMBERS:
            near = difflib.get_close_matches(str(member), _MEMBERS, 1)
            yield f"{member}: unknown key" + (f", did you mean '{near[0]}'?" if near else f"; known: {_MEMBERS}")
    endpoint, body = declaration.get("endpoint"), declaration.get("body")
    if not isinstance(endpoint, str) or not (found := _ENDPOINT.fullmatch(endpoint)):
        yield "endpoint: expected a method and a path such as `POST /orders/{order_id}/cancel`"
        path = ""
    else:
        path = found[2]
    for member in ("timeout_seconds", "answer_within_seconds"):
        if not _is_number(seconds := declaration.get(member, 1), MAX_DISPATCH_TIMEOUT_SECONDS) or not seconds:
            yield f"{member}: expected a number above 0 and up to {MAX_DISPATCH_TIMEOUT_SECONDS:g}"
    if not _is_number(declaration.get("settle_seconds", 0), MAX_SETTLE_SECONDS):
        yield f"settle_seconds: expected a number from 0 to {MAX_SETTLE_SECONDS:g}"
    yield from _idempotency_problems(declaration)
    position = declaration.get("position")
    if position is not None and not (isinstance(position, str) and _POINTER.fullmatch(position)):
        yield "position: expected a JSON Pointer into the monolith's answer such as `/commit_position`"
    yield from body_problems(body, PLACEHOLDER.findall(path))


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _idempotency_problems(declaration: dict[str, Any]) -> Iterator[str]:
    kind, lookup = declaration.get("idempotency"), declaration.get("lookup")
    if kind not in tuple(Idempotency):
        yield (
            "idempotency: expected what the monolith offers against a second execution: `header` (it recognises our "
            "Idempotency-Key), `lookup` (it can be asked) or `none`"
        )
        return
    if lookup is not None and not (
        isinstance(lookup, str) and _LOOKUP.fullmatch(lookup) and PLACEHOLDER.findall(lookup) == [KEY_PLACEHOLDER[1:-1]]
    ):
        yield f"lookup: expected a path with the key in it once, such as `/executed-commands/{KEY_PLACEHOLDER}`"
    if kind == Idempotency.LOOKUP:
        for member in ("lookup", "settle_seconds"):
            if declaration.get(member) is None:
                yield f"{member}: needed with `idempotency: lookup`"
    elif kind == Idempotency.NONE and lookup is not None:
        yield "lookup: not with `idempotency: none`; say `idempotency: lookup`"
    if declaration.get("answer_within_seconds") is not None and lookup is None:
        yield "answer_within_seconds: needs `lookup`, else nobody could learn how it went on"
    if declaration.get("settle_seconds") is not None and kind != Idempotency.LOOKUP:
        yield "settle_seconds: only with `idempotency: lookup`"


def _no_other_document(uri: str) -> NoReturn:
    raise fastjsonschema.JsonSchemaDefinitionException(f"$ref to another document: {uri}")


def body_problems(body: object, in_path: list[str]) -> Iterator[str]:
    """What is wrong with the JSON Schema of a body whose members `in_path` must be there."""
    if not isinstance(body, dict) or body.get("type") != "object":
        yield "body: expected a JSON Schema with `type: object`"
        return
    try:
        json.dumps(body, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        yield "body: holds what JSON cannot: put dates in quotes, and let all names be text"
        return
    try:
        fastjsonschema.compile(body, handlers=dict.fromkeys(_SCHEMES, _no_other_document))
    except _WRONG_SCHEMA as error:
        reason = "nested too deeply" if isinstance(error, (RecursionError, SyntaxError)) else error
        yield f"body: not a JSON Schema: {reason}"
    required = body.get("required", [])
    for member in in_path:
        if not isinstance(required, list) or member not in required:
            yield f"body: `required` must list '{member}', because the endpoint's path names it"
