"""DMS's table mappings as values: which tables a rule matches, and what their records call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.dms.findings import Finding, Part, Severity

CHANGE_SEQUENCE = "$AR_H_CHANGE_SEQ"


@dataclass(frozen=True, slots=True)
class TableRule:
    """One rule; `path` is its place below the mappings."""

    part: Part
    number: int
    values: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`rule-type`."""
        return str(self.values.get("rule-type"))

    @property
    def action(self) -> str:
        """`rule-action`."""
        return str(self.values.get("rule-action"))

    @property
    def target(self) -> str:
        """`rule-target` of a transformation."""
        return str(self.values.get("rule-target"))

    @property
    def value(self) -> str:
        """The new name, the column to add, the prefix: what the action calls `value`."""
        return str(self.values.get("value") or "")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """`mapping-parameters` of an object mapping."""
        found = self.values.get("mapping-parameters")
        return found if isinstance(found, Mapping) else {}

    @property
    def locator(self) -> Mapping[str, Any]:
        """`object-locator`."""
        found = self.values.get("object-locator")
        return found if isinstance(found, Mapping) else {}

    def matches(self, table: str, *, any_case: bool = False) -> bool:
        """Whether the rule is about `schema.table`."""
        schema, _, name = table.partition(".")
        return like(str(self.locator.get("schema-name", "%")), schema, any_case=any_case) and like(
            str(self.locator.get("table-name", "%")), name, any_case=any_case
        )

    def matches_column(self, column: str, *, any_case: bool = False) -> bool:
        """Whether the rule is about the column of a table that it matches."""
        return like(str(self.locator.get("column-name", "%")), column, any_case=any_case)

    def finding(self, severity: Severity, name: str, message: str, change: str = "") -> Finding:
        """A finding about something in this rule."""
        path = f"rules[{self.number}].{name}" if name else f"rules[{self.number}]"
        return self.part.finding(severity, path, message, change)


def like(pattern: str, text: str, *, any_case: bool = False) -> bool:
    """Whether the text is what DMS's pattern describes: `%` any characters, `_` one, `[_]` a literal one."""
    parts = re.split(r"(%|_|\[[^]]+\])", pattern)
    expression = "".join({"%": ".*", "_": "."}.get(part) or re.escape(_literal(part)) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if any_case else 0)) is not None


def _literal(part: str) -> str:
    return part[1:-1] if part.startswith("[") and part.endswith("]") else part


def table_rules(part: Part) -> list[TableRule]:
    """All rules that are objects, in their order."""
    rules = part.value("rules", default=[])
    if not isinstance(rules, list):
        return []
    return [TableRule(part, number, rule) for number, rule in enumerate(rules) if isinstance(rule, dict)]


def is_selected(table: str, rules: list[TableRule], *, any_case: bool = False) -> bool:
    """Whether the task captures the source table of this name."""
    selections = [rule for rule in rules if rule.kind == "selection" and rule.matches(table, any_case=any_case)]
    actions = {rule.action for rule in selections}
    return bool(actions & {"include", "explicit"}) and "exclude" not in actions


def shown_as(name: str, rule: TableRule) -> str:
    """What a transformation makes of a name; unchanged for actions that do not rename."""
    action, value = rule.action, rule.value
    old = str(rule.values.get("old-value") or "")
    if action == "rename":
        return value
    if action == "convert-uppercase":
        return name.upper()
    if action == "convert-lowercase":
        return name.lower()
    if action == "add-prefix":
        return value + name
    if action == "add-suffix":
        return name + value
    if action in ("remove-prefix", "replace-prefix") and name.startswith(value if action == "remove-prefix" else old):
        return name[len(value) :] if action == "remove-prefix" else value + name[len(old) :]
    if action in ("remove-suffix", "replace-suffix") and name.endswith(value if action == "remove-suffix" else old):
        cut = len(value if action == "remove-suffix" else old)
        return name[: len(name) - cut] + ("" if action == "remove-suffix" else value)
    return name
