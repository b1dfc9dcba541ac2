"""Reads the declaration of events (YAML) where functions are packed; the functions get JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from api_lambdas.events.declared import DeclaredEvent
from api_lambdas.packing.commands_file import NAME, body_problems
from api_lambdas.packing.yaml_file import read_declarations

_MEMBERS: Final = ("body",)


def read_events(text: str, file: str) -> tuple[tuple[DeclaredEvent, ...], tuple[str, ...]]:
    """The declared events, and problems as `file:line: event: what is wrong`; no events if there is one."""
    declared, problems = read_declarations(text, file, "event-name: {body: ...}", _problems)
    events = (DeclaredEvent(name, json.dumps(found["body"], sort_keys=True)) for name, found in declared.items())
    return tuple(events), problems


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
