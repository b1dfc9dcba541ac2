"""Reads the declaration of who may call what (YAML) where functions are packed; the Lambdas get JSON."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

import yaml

from api_lambdas.access.rules import JWT, KINDS, Access, Rule
from api_lambdas.packing.yaml_file import read_yaml

TEMPLATES: Final = ("GET /{collection}", "GET /{collection}/{key}", "POST /commands/{name}", "POST /events/{name}")
_MEMBERS: Final = ("default", "routes")
_WANTED: Final = f"expected {', '.join(KINDS)} or `{{jwt: [scopes]}}`"


def read_access(text: str, file: str, routes: Collection[str]) -> tuple[Access | None, tuple[str, ...]]:
    """The declared rules, and problems as `file:line: what is wrong`; no rules if there is one.

    `routes`: those of the API, such as `GET /orders/{key}`; a rule for another one would protect nothing.
    """
    read = read_yaml(text, file)
    if isinstance(read, str):
        return None, (read,)
    root, values = read
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        return None, (f"{file}:1: expected `default: iam`, and `routes` where they differ",)
    lines = dict(_lines(root))
    problems = [f"{file}:{lines.get(place, 1)}: {problem}" for place, problem in _problems(root, values, routes)]
    if problems:
        return None, tuple(problems)
    declared = {route: _rule(value) for route, value in (values.get("routes") or {}).items()}
    return Access(_rule(values["default"]), declared), ()


def _lines(root: yaml.MappingNode) -> Iterator[tuple[str, int]]:
    for key, value in root.value:
        yield str(key.value), key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            for inner, _ in value.value:
                yield str(inner.value), inner.start_mark.line + 1


def _rule(value: Any) -> Rule:
    if isinstance(value, str):
        return Rule(value)
    return Rule(JWT, tuple(value[JWT]))


def _problems(root: yaml.MappingNode, values: dict[Any, Any], routes: Collection[str]) -> Iterator[tuple[str, str]]:
    """Where (a name in the file), and what is wrong there."""
    for name in values:
        if name not in _MEMBERS:
            yield str(name), f"{name}: unknown; known: {', '.join(_MEMBERS)}"
    if "default" not in values:
        yield "", "`default` is missing: the rule of every route without one of its own"
    elif not _is_rule(values["default"]):
        yield "default", f"default: {_WANTED}"
    declared = values.get("routes") or {}
    if not isinstance(declared, dict):
        yield "routes", "routes: expected `GET /orders/{key}: jwt`, a line for each"
        return
    known = [*routes, *TEMPLATES]
    for route, rule in declared.items():
        if route not in known:
            near = difflib.get_close_matches(str(route), known, 1)
            yield str(route), f"{route}: no such route" + (f", did you mean `{near[0]}`?" if near else "")
        elif not _is_rule(rule):
            yield route, f"{route}: {_WANTED}"
    for node in [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]:
        counts = Counter(str(key.value) for key, _ in node.value)
        yield from ((name, f"{name}: declared twice") for name, count in counts.items() if count > 1)


def _is_rule(value: Any) -> bool:
    if isinstance(value, str):
        return value in KINDS
    return isinstance(value, dict) and set(value) == {JWT} and _are_scopes(value[JWT])


def _are_scopes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and one.isprintable() and one.split() == [one] and '"' not in one for one in value
    )
