"""DMS's transformation rules: how a table and its columns are shown to the target."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.dms.tables import Column, Table

CHANGE_SEQUENCE, STREAM_POSITION, COMMIT_TIME = "$AR_H_CHANGE_SEQ", "$AR_H_STREAM_POSITION", "$AR_H_COMMIT_TIMESTAMP"
EXPRESSIONS = (CHANGE_SEQUENCE, STREAM_POSITION, COMMIT_TIME)
BEFORE_IMAGE_FILTERS = ("pk-only", "non-lob", "all")
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "schema": ("rename", "convert-uppercase", "convert-lowercase"),
    "table": ("rename", "convert-uppercase", "convert-lowercase"),
    "column": (
        *("rename", "convert-uppercase", "convert-lowercase"),
        *("add-column", "remove-column", "add-before-image-columns"),
    ),
}


@dataclass(frozen=True, slots=True)
class Locator:
    """A schema and a table pattern: `%` any characters, `_` one character, `[_]` a literal one."""

    schema: str
    table: str

    def matches(self, schema: str, table: str) -> bool:
        """Whether the table is one of those the patterns describe."""
        return like(self.schema, schema) and like(self.table, table)

    @property
    def is_literal(self) -> bool:
        """Whether the locator names one table; only `%` counts: `_` is in most table names."""
        return "%" not in self.schema + self.table

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class BeforeColumns:
    """The columns in `data` that hold old values: what their names begin and end with, and which have one."""

    prefix: str
    suffix: str
    column_filter: str


@dataclass(frozen=True, slots=True)
class Transformation:
    """One rule; what it does not use is empty."""

    locator: Locator
    column: str
    target: str
    action: str
    value: str = ""
    expression: str = ""
    before: BeforeColumns | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as the target sees it. `names`: source column to target column, without those that are removed."""

    schema: str
    name: str
    names: Mapping[str, str]
    added: tuple[tuple[str, str], ...] = ()
    before: BeforeColumns | None = None

    @property
    def full_name(self) -> str:
        """`schema.table` as records have it."""
        return f"{self.schema}.{self.name}"


def like(pattern: str, text: str) -> bool:
    """Whether the text is what DMS's pattern describes."""
    parts = re.split(r"(%|_|\[[^]]+\])", pattern)
    return re.fullmatch("".join(_regex(part) for part in parts), text, re.DOTALL) is not None


def _regex(part: str) -> str:
    if part == "%":
        return ".*"
    if part == "_":
        return "."
    if part.startswith("[") and part.endswith("]"):
        return re.escape(part[1:-1])
    return re.escape(part)


def shown(table: Table, rules: Iterable[Transformation]) -> Shown:
    """The table after all rules that match it, in their order."""
    schema, name = table.schema, table.name
    names = {column.name: column.name for column in table.columns}
    added: list[tuple[str, str]] = []
    before = None
    for rule in rules:
        if not rule.locator.matches(table.schema, table.name):
            continue
        if rule.target == "schema":
            schema = _renamed(schema, rule)
        elif rule.target == "table":
            name = _renamed(name, rule)
        elif rule.action == "add-column":
            added.append((rule.value, rule.expression))
        elif rule.action == "add-before-image-columns":
            before = rule.before
        else:
            names = _columns(names, rule)
    return Shown(schema, name, names, tuple(added), before)


def _columns(names: Mapping[str, str], rule: Transformation) -> dict[str, str]:
    if rule.action == "remove-column":
        return {source: target for source, target in names.items() if not like(rule.column, source)}
    return {source: _renamed(target, rule) if like(rule.column, source) else target for source, target in names.items()}


def _renamed(name: str, rule: Transformation) -> str:
    if rule.action == "rename":
        return rule.value
    return name.upper() if rule.action == "convert-uppercase" else name.lower()


def has_old_value(column: Column, table: Table, column_filter: str) -> bool:
    """Whether a before image of this filter may hold the column. Large objects never do, unless they are the key."""
    if column.name in table.key:
        return True
    return column_filter != "pk-only" and not column.is_lob


def read_transformation(rule: Mapping[str, Any], locator: Locator, place: str, problems: list[str]) -> Transformation:
    """The rule; appends one line to `problems` for each thing that the stand-in cannot do."""
    target, action = str(rule.get("rule-target")), str(rule.get("rule-action"))
    if target not in _ACTIONS:
        problems.append(f"{place}.rule-target: must be one of {', '.join(_ACTIONS)}")
    elif action not in _ACTIONS[target]:
        problems.append(f"{place}.rule-action: the stand-in knows {', '.join(_ACTIONS[target])} for a {target}")
    value, expression = rule.get("value", ""), rule.get("expression", "")
    if action in ("rename", "add-column") and not (isinstance(value, str) and value):
        problems.append(f"{place}.value: must be the new name")
    if action == "add-column" and expression not in EXPRESSIONS:
        problems.append(f"{place}.expression: the stand-in knows {', '.join(EXPRESSIONS)}")
    before = _before(rule, place, problems) if action == "add-before-image-columns" else None
    column = str(rule["object-locator"].get("column-name", "%"))
    return Transformation(locator, column, target, action, str(value), str(expression), before)


def _before(rule: Mapping[str, Any], place: str, problems: list[str]) -> BeforeColumns:
    given = rule.get("before-image-def")
    given = given if isinstance(given, dict) else {}
    prefix, suffix = str(given.get("column-prefix", "")), str(given.get("column-suffix", ""))
    kind = given.get("column-filter", "pk-only")
    if not prefix and not suffix:
        problems.append(f"{place}.before-image-def: needs column-prefix or column-suffix")
    if kind not in BEFORE_IMAGE_FILTERS:
        problems.append(f"{place}.before-image-def.column-filter: must be one of {', '.join(BEFORE_IMAGE_FILTERS)}")
    return BeforeColumns(prefix, suffix, str(kind))
