"""A problem in a mapping file, and the yaml nodes it is read from. Reading never executes anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from worker.mapping.facts import Facts, Spot

MAX_YAML_DEPTH: Final = 100
"""Levels of YAML, each relation takes a few; far below where reading becomes slow or overflows the stack."""


_ELSEWHERE: Final = {
    "source": "table from",
    "key": "primary_key pk id",
    "join": "on foreign_key fk",
    "fields": "columns attributes select",
    "where": "filter",
    "order_by": "sort order",
    "text": "string str varchar char uuid",
    "integer": "int bigint smallint long",
    "decimal": "number numeric float double real money",
    "boolean": "bool bit",
    "timestamp": "datetime datetime2",
    "binary": "bytes bytea blob raw",
    "json": "jsonb object",
    "at_least": ">= gte ge from",
    "at_most": "<= lte le to",
    "above": "> gt",
    "below": "< lt",
    "not": "!= <> ne not_in",
}
"""What other languages call the same; each a suggestion only where ours can stand."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
QUOTED: Final = ", put it in quotes if that is its name"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong where; `str()` is the line a person reads."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return one_line(f"{self.path}:{self.line}:{self.column}: {self.message}")


def one_line(text: str) -> str:
    """The text with a question mark for whatever would break a line: names in a file may hold any character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


@dataclass(slots=True)
class File:
    """One YAML file being read as nodes: scalars stay text, so `no`, `012` and dates mean what they say."""

    path: str
    problems: list[Problem] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)

    def problem(self, node: yaml.Node | None, message: str) -> None:
        """Note a problem at a node (at the file's beginning without one)."""
        self.problems.append(Problem(*self.spot(node), message))

    def spot(self, node: yaml.Node | None) -> Spot:
        """Where a node begins (the file's beginning without one)."""
        mark = node.start_mark if node is not None else None
        return Spot(self.path, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)

    def compose(self, text: str) -> yaml.Node | None:
        """The root node, or None with the problem noted."""
        try:
            depth = 0
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_YAML_DEPTH:
                    self._at(event.start_mark, f"nested deeper than {MAX_YAML_DEPTH} levels")
                    return None
                if isinstance(event, yaml.ScalarEvent) and _LONE_SURROGATE.search(event.value):
                    self._at(event.start_mark, "a text that is not Unicode (a lone surrogate)")
                    return None
                if isinstance(event, yaml.AliasEvent):
                    self._at(event.start_mark, "aliases (*name) are not supported: write the part out")
                    return None
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            self._at(error.problem_mark or error.context_mark, f"not YAML: {error.problem or error.context}")
            return None
        except (yaml.YAMLError, ValueError) as error:
            self.problem(None, f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            return None
        if root is None:
            self.problem(None, "the file is empty")
        return root

    def _at(self, mark: Any, message: str) -> None:
        self.problems.append(Problem(self.path, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, message))

    def entries(self, node: yaml.Node, what: str) -> dict[str, tuple[yaml.ScalarNode, yaml.Node]]:
        """Name -> (key node, value node) of a YAML mapping; repeated names are problems."""
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"{what}: expected `name: value` entries")
            return {}
        found: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, f"{what}: a name must be plain text")
            elif key.value in found:
                self.problem(key, f"{what}: {key.value} is given twice")
            else:
                found[key.value] = (key, value)
        return found

    def known(self, node: yaml.Node, what: str, names: Iterable[str]) -> dict[str, yaml.Node]:
        """As `entries`, but only these names are allowed."""
        allowed = list(names)
        found = {}
        for name, (key, value) in self.entries(node, what).items():
            if name in allowed:
                found[name] = value
            else:
                self.unknown(key, what, allowed)
        return found

    def unknown(self, key: yaml.ScalarNode, what: str, allowed: Iterable[str]) -> None:
        """Note a name that nothing has there."""
        self.problem(key, f"{what}: unknown key {key.value}{suggestion(key.value, allowed)}")

    def text(self, node: yaml.Node, what: str) -> str | None:
        """A non-empty scalar's text."""
        if isinstance(node, yaml.ScalarNode) and node.value != "" and not is_null(node):
            return str(node.value)
        self.problem(node, f"{what}: expected a text{QUOTED if is_null(node) and node.value else ''}")
        return None

    def word(self, node: yaml.Node, what: str, words: Iterable[str]) -> str | None:
        """One of some words; `null` is one when it is listed."""
        allowed = [str(word) for word in words]
        text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if text in allowed:
            return text
        self.problem(node, f"{what}: unknown {text or 'value'}{suggestion(text, allowed)}")
        return None

    def whole(self, node: yaml.Node, what: str, low: int, high: int) -> int | None:
        """A whole number within bounds."""
        text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        self.problem(node, f"{what}: expected a whole number from {low} to {high}")
        return None

    def value(self, node: yaml.Node, what: str) -> tuple[str | None] | None:
        """A scalar's text, which may be empty, or None for null; as a tuple of one, nothing when it is no scalar."""
        if isinstance(node, yaml.ScalarNode):
            return (None if is_null(node) else str(node.value),)
        self.problem(node, f"{what}: expected a value")
        return None

    def values(self, node: yaml.Node, what: str) -> tuple[str | None, ...]:
        """One value or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not nodes:
            self.problem(node, f"{what}: the list is empty")
        return tuple(value for item in nodes for value in self.value(item, what) or ())

    def texts(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        """One text or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not nodes:
            self.problem(node, f"{what}: the list is empty")
        found = [self.text(item, what) for item in nodes]
        return tuple(item for item in found if item is not None)


def is_null(node: yaml.Node) -> bool:
    """Whether YAML reads a node as null: `null`, `~` or nothing, without quotes."""
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """`, did you mean X?`, or the allowed names."""
    options = list(allowed)
    elsewhere = [word for word in options if name.lower() in _ELSEWHERE.get(word, "").split()]
    close = elsewhere or difflib.get_close_matches(name, options, n=1)
    return f", did you mean {close[0]}?" if close else f" (known: {', '.join(options)})"
