"""The key `examples` of a mapping file, read as YAML nodes; every problem is noted, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import orjson
import yaml

from contract.mapping import Mapping, Table
from worker.examples.model import Change, Example, Expectation, Position, Scalar, Wanted
from worker.mapping.problems import File, suggestion
from worker.records.envelope import Operation
from worker.records.rows import raw_number

NEEDED_KEYS: Final = ("name", "changes", "expect")
EXAMPLE_KEYS: Final = (*NEEDED_KEYS, "in_order")
CHANGE_KEYS: Final = (*(str(operation) for operation in Operation), "row", "before", "unchanged")
PARKED: Final = "parked"

# JSON's own grammar: `012` is text, as everywhere in a mapping
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_PLAIN: Final[dict[str, Scalar]] = {"": None, "~": None, "null": None, "true": True, "false": False}


def read_examples(text: str, file: File, mapping: Mapping) -> list[Example]:
    """The examples in a mapping file's text; problems go to `file`. The mapping itself has been read before."""
    root = file.compose(text)
    if not isinstance(root, yaml.MappingNode):
        return []
    found = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
    aggregate, examples = found.get("aggregate"), found.get("examples")
    if aggregate is None or examples is None:
        return []
    if not isinstance(examples, yaml.SequenceNode):
        file.problem(examples, "examples: expected a list")
        return []
    reader = _Reader(file, mapping, str(aggregate.value))
    read = [reader.example(node) for node in examples.value]
    for name in sorted({e.name for e in read if e and sum(o is not None and o.name == e.name for o in read) > 1}):
        file.problem(examples, f"examples: {name} is given twice")
    return [example for example in read if example is not None]


class _Reader:
    """One file's examples."""

    def __init__(self, file: File, mapping: Mapping, aggregate: str) -> None:
        self.file = file
        self.mapping = mapping
        self.aggregate = aggregate

    def example(self, node: yaml.Node) -> Example | None:
        before = len(self.file.problems)
        entries = self.file.known(node, "example", EXAMPLE_KEYS)
        if missing := [key for key in NEEDED_KEYS if key not in entries]:
            if len(self.file.problems) == before:
                self.file.problem(node, f"example: {', '.join(missing)} is missing")
            return None
        name = self.file.text(entries["name"], "example: name") or "?"
        changes = tuple(self.changes(entries["changes"], name))
        expected = tuple(self.expectations(entries["expect"], name))
        in_order = "in_order" in entries and self.boolean(entries["in_order"], f"example {name}: in_order")
        if len(self.file.problems) > before:
            return None
        return Example(self.aggregate, name, changes, expected, self.at(node), in_order)

    def boolean(self, node: yaml.Node, what: str) -> bool:
        value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            self.file.problem(node, f"{what}: expected true or false")
        return value is True

    def at(self, node: yaml.Node) -> Position:
        return Position(self.file.path, node.start_mark.line + 1, node.start_mark.column + 1)

    def changes(self, node: yaml.Node, name: str) -> Iterator[Change]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.file.problem(node, f"example {name}: changes: expected a list of changes")
            return
        for item in node.value:
            change = self.change(item, name)
            if change is not None:
                yield change

    def change(self, node: yaml.Node, name: str) -> Change | None:
        what = f"example {name}: change"
        entries = self.file.known(node, what, CHANGE_KEYS)
        operations = [operation for operation in Operation if operation in entries]
        if len(operations) != 1 or "row" not in entries:
            self.file.problem(
                node,
                f"{what}: expected one of {', '.join(Operation)} with a schema.table, and a row: {{column: value}}",
            )
            return None
        (operation,) = operations
        table = self.table(entries[operation], what)
        if table is None:
            return None
        for key in ("before", "unchanged"):
            if key in entries and operation is not Operation.UPDATE:
                self.file.problem(entries[key], f"{what}: {key} belongs to an update")
        row = self.row(entries["row"], table, f"{what}: row")
        before = self.row(entries["before"], table, f"{what}: before") if "before" in entries else {}
        unchanged = self.columns(entries["unchanged"], table, f"{what}: unchanged") if "unchanged" in entries else ()
        return Change(operation, table.name, row, before, unchanged, self.at(node))

    def table(self, node: yaml.Node, what: str) -> Table | None:
        name = self.file.text(node, f"{what}: table")
        if name is None:
            return None
        tables = self.mapping.tables
        if name not in tables:
            self.file.problem(node, f"{what}: no mapping uses table {name}{suggestion(name, tables)}")
        return tables.get(name)

    def row(self, node: yaml.Node, table: Table, what: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column, (at, value) in self.file.entries(node, what).items():
            if self.known_column(at, column, table, what):
                found[column] = _delivered(value)
        return found

    def columns(self, node: yaml.Node, table: Table, what: str) -> tuple[str, ...]:
        names = self.file.texts(node, what)
        return tuple(name for name in names if self.known_column(node, name, table, what))

    def known_column(self, at: yaml.Node, column: str, table: Table, what: str) -> bool:
        if column in table.columns or column in self.mapping.policies.get(table.name, {}):
            return True
        close = suggestion(column, table.columns)
        self.file.problem(at, f"{what}: no mapping uses column {column} of {table.name}: leave it out{close}")
        return False

    def expectations(self, node: yaml.Node, name: str) -> Iterator[Expectation]:
        entries = self.file.entries(node, f"example {name}: expect")
        if isinstance(node, yaml.MappingNode) and not node.value:
            self.file.problem(node, f"example {name}: expect: name at least one document")
        for key, (_, value) in entries.items():
            wanted = self.wanted(value, f"example {name}: expect {key}")
            if wanted is None:
                continue
            nothing, parked = wanted.value is None, wanted.value == PARKED
            if not nothing and not parked and not isinstance(wanted.value, dict):
                self.file.problem(
                    value, f"example {name}: expect {key}: a document is an object; null for none, or {PARKED}"
                )
                continue
            yield Expectation(key, wanted if isinstance(wanted.value, dict) else None, parked, wanted.at)

    def wanted(self, node: yaml.Node, what: str) -> Wanted | None:
        if isinstance(node, yaml.MappingNode):
            inner = {n: self.wanted(value, what) for n, (_, value) in self.file.entries(node, what).items()}
            return Wanted({n: value for n, value in inner.items() if value is not None}, self.at(node))
        if isinstance(node, yaml.SequenceNode):
            items = [self.wanted(item, what) for item in node.value]
            return Wanted(tuple(item for item in items if item is not None), self.at(node))
        return Wanted(_scalar(node), self.at(node)) if isinstance(node, yaml.ScalarNode) else None


def _scalar(node: yaml.ScalarNode) -> Scalar:
    """A plain number, boolean or null is one; whatever is quoted, and all other text, is text."""
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _PLAIN:
        return _PLAIN[text]
    if _WHOLE.fullmatch(text) and _NUMBER.fullmatch(text):
        return int(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def _delivered(node: yaml.Node) -> Any:
    """A column's value as DMS delivers it: objects and lists come as JSON text."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    return orjson.dumps(_plain(node), default=raw_number).decode()


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return _scalar(node) if isinstance(node, yaml.ScalarNode) else None
