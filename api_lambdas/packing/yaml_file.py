"""A declared file as YAML, with the places of what stands in it. Used when the functions are packed, not by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import yaml

# what PyYAML lets out for a 13th month, a text under a number's tag, and a file nested too deeply
_WRONG_SCALAR: Final = (ValueError, AttributeError, RecursionError)


def read_yaml(text: str, file: str) -> tuple[Any, Any] | str:
    """The nodes and the values of a file; a line `file:line: what is wrong` of one that is no YAML."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, *_WRONG_SCALAR) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        return f"{file}{line}: not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"


def read_declarations(
    text: str, file: str, expected: str, problems_of: Callable[[object, object], Iterable[str]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a file declares by name, and problems as `file:line: name: what is wrong`; nothing if there is one.

    `expected`: what a file looks like. `problems_of` says what is wrong with a name and its declaration.
    """
    read = read_yaml(text, file)
    if isinstance(read, str):
        return {}, (read,)
    root, values = read
    if values is None:
        return {}, ()
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        return {}, (f"{file}:1: expected `{expected}`",)
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in root.value}
    twice = [name for name, count in Counter(key.value for key, _ in root.value).items() if count > 1]
    problems = [f"{file}:{lines[name]}: {name}: declared twice" for name in twice]
    for name, declaration in values.items():
        place = f"{file}:{lines.get(str(name), 1)}: {name}"
        problems += [f"{place}: {problem}" for problem in problems_of(name, declaration)]
    return ({} if problems else values), tuple(problems)
