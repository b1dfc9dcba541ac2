"""What a rule says about a setting, and where the setting stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """error: loses data, or DMS refuses it. warning: loses, cuts or delays when something happens. info: to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` is a JSON path in `file`, `place` the part of it that leads to the settings object; `change` says what to
    set to what, empty where nothing can be set."""

    severity: Severity
    file: str
    path: str
    message: str
    change: str = ""
    place: str = ""

    @property
    def setting(self) -> str:
        """The path below the settings object."""
        return self.path.removeprefix(self.place).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Part:
    """One settings object: its values, and the file and JSON path where it stands."""

    file: str
    path: str
    values: Mapping[str, Any]

    def value(self, *names: str, default: Any = None) -> Any:
        """The value under these names; null counts as absent, as DMS prints null for what nobody set."""
        found: Any = self.values
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return default if found is None else found

    def finding(self, severity: Severity, names: str, message: str, change: str = "") -> Finding:
        """A finding about `names`, a path below this object."""
        path = f"{self.path}.{names}" if names else self.path
        return Finding(severity, self.file, path, message, change, self.path)
