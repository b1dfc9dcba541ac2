"""Reads the declaration of commands (YAML) where functions are packed; the Lambdas get JSON."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import fastjsonschema
import yaml

from api_lambdas.declared import PLACEHOLDER, Command
from api_lambdas.settings import MAX_DISPATCH_TIMEOUT_SECONDS
from api_lambdas.yaml_file import read_yaml

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ENDPOINT: Final = re.compile(r"(POST|PUT|PATCH|DELETE) (/\S*)")
_MEMBERS: Final = ("endpoint", "body", "timeout_seconds")
_SCHEMES: Final = ("http", "https", "ftp", "file", "data")
# what fastjsonschema lets out; the last is of one nested too deeply for the code it writes
_WRONG_SCHEMA: Final = (
    *(fastjsonschema.JsonSchemaDefinitionException, TypeError, ValueError, AttributeError, re.error),
    *(RecursionError, SyntaxError),
)


def read_commands(text: str, file: str) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """The declared commands, and problems as `file:line: command: what is wrong`; no commands if there is one."""
    read = read_yaml(text, file)
    if isinstance(read, str):
        return (), (read,)
    root, values = read
    if values is None:
        return (), ()
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        return (), (f"{file}:1: expected `command-name: {{endpoint: ..., body: ...}}`",)
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in root.value}
    twice = [name for name, count in Counter(key.value for key, _ in root.value).items() if count > 1]
    problems = [f"{file}:{lines[name]}: {name}: declared twice" for name in twice]
    for name, declaration in values.items():
        place = f"{file}:{lines.get(str(name), 1)}: {name}"
        problems += [f"{place}: {problem}" for problem in _problems(name, declaration)]
    return (() if problems else tuple(_command(*item) for item in values.items())), tuple(problems)


def _command(name: str, declaration: dict[str, Any]) -> Command:
    method, _, path = declaration["endpoint"].partition(" ")
    schema = json.dumps(declaration["body"], sort_keys=True)
    return Command(name, method, path, schema, declaration.get("timeout_seconds"))


def _problems(name: object, declaration: object) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
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
    yield from _timeout_problems(declaration.get("timeout_seconds"))
    yield from _body_problems(body, PLACEHOLDER.findall(path))


def _timeout_problems(seconds: object) -> Iterator[str]:
    if seconds is None:
        return
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 < float(str(seconds)) <= MAX_DISPATCH_TIMEOUT_SECONDS:
        yield f"timeout_seconds: expected a number above 0 and up to {MAX_DISPATCH_TIMEOUT_SECONDS:g}"


def _no_other_document(uri: str) -> NoReturn:
    raise fastjsonschema.JsonSchemaDefinitionException(f"$ref to another document: {uri}")


def _body_problems(body: object, in_path: list[str]) -> Iterator[str]:
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
