"""Reads the declaration of events (YAML) where functions are packed; the functions get JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

import yaml

from api_lambdas.commands_file import NAME, body_problems
from api_lambdas.declared_events import DeclaredEvent
from api_lambdas.yaml_file import read_yaml

_MEMBERS: Final = ("body",)


def read_events(text: str, file: str) -> tuple[tuple[DeclaredEvent, ...], tuple[str, ...]]:
    """The declared events, and problems as `file:line: event: what is wrong`; no events if there is one."""
    read = read_yaml(text, file)
    if isinstance(read, str):
        return (), (read,)
    root, values = read
    if values is None:
        return (), ()
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        return (), (f"{file}:1: expected `event-name: {{body: ...}}`",)
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in root.value}
    twice = [name for name, count in Counter(key.value for key, _ in root.value).items() if count > 1]
    problems = [f"{file}:{lines[name]}: {name}: declared twice" for name in twice]
    for name, declaration in values.items():
        place = f"{file}:{lines.get(str(name), 1)}: {name}"
        problems += [f"{place}: {problem}" for problem in _problems(name, declaration)]
    if problems:
        return (), tuple(problems)
    return tuple(DeclaredEvent(name, json.dumps(found["body"], sort_keys=True)) for name, found in values.items()), ()


def _problems(name: object, declaration: object) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "a name has lower-case letters, digits and single hyphens, a letter first"
    if not isinstance(declaration, dict):
        yield "expected `body`"
        return
    for member in declaration:
        if member not in _MEMBERS:
            yield f"{member}: unknown key; known: {', '.join(_MEMBERS)}"
    yield from body_problems(declaration.get("body"), [])
