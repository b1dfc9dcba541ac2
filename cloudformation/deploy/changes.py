"""What a change set will do, resource by resource, and which of it would lose data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudformation.deploy.template import HOLDS_DATA


@dataclass(frozen=True, slots=True)
class Change:
    """One resource. `replacement` is True, False or Conditional, as CloudFormation says it; empty for other actions."""

    action: str  # Add, Modify, Remove, Import, Dynamic
    resource: str
    type: str
    replacement: str = ""
    kept: bool = False  # what is removed or replaced stays, but no stack knows it any more
    what: tuple[str, ...] = ()  # properties that change, and whether CloudFormation must know more to say how

    @property
    def loses_data(self) -> bool:
        """Whether something that holds data leaves the stack. Kept or not: what uses it gets an empty one."""
        if self.type not in HOLDS_DATA:
            return False
        return self.action in ("Remove", "Dynamic") or self.replacement in ("True", "Conditional")

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the journal; no value of any property is in it."""
        return {
            "action": self.action,
            "resource": self.resource,
            "type": self.type,
            **({"replacement": self.replacement} if self.replacement else {}),
            **({"kept": True} if self.kept else {}),
            **({"changes": list(self.what)} if self.what else {}),
        }


def parse(listed: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The changes of DescribeChangeSet."""
    return [_change(entry["ResourceChange"]) for entry in listed if entry.get("ResourceChange")]


def _change(found: Mapping[str, Any]) -> Change:
    names = []
    for detail in found.get("Details", ()):
        target = detail.get("Target", {})
        name = str(target.get("Name") or target.get("Attribute") or "")
        if name and name not in names:
            names.append(name)
    action = str(found.get("Action", ""))
    return Change(
        action=action,
        resource=str(found.get("LogicalResourceId", "")),
        type=str(found.get("ResourceType", "")),
        replacement=str(found.get("Replacement") or "") if action == "Modify" else "",
        kept="Retain" in str(found.get("PolicyAction") or ""),
        what=tuple(names),
    )


def refused(layer: str, changes: Sequence[Change], allowed: Iterable[str]) -> list[str]:
    """A line for each change that loses data and that nobody has allowed."""
    permitted = set(allowed)
    lines = []
    for change in changes:
        name = f"{layer}.{change.resource}"
        if change.loses_data and name not in permitted:
            verb = "removed" if change.action in ("Remove", "Dynamic") else "replaced"
            left = ", and the old one left behind" if change.kept else " with what it holds"
            lines.append(
                f"{name} ({change.type}) would be {verb}{left}: back it up, then allow it with --allow-data-loss {name}"
            )
    return lines
