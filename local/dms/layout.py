"""The two text layouts of a DMS record: tabbed (`json`) and one line (`json-unformatted`)."""

import json
from collections.abc import Iterable
from typing import Any


class Compact:
    """One line that ends with a newline."""

    def key(self, name: str) -> str:
        """The text before a member's value."""
        return json.dumps(name, ensure_ascii=False) + ":"

    def object(self, members: Iterable[str], depth: int) -> str:  # noqa: ARG002  the other layout needs it
        """An object of members that are already `key + value`."""
        return "{" + ",".join(members) + "}"

    def record(self, members: Iterable[str]) -> bytes:
        """The whole record."""
        return ("{" + ",".join(members) + "}\n").encode()


class Tabbed:
    """One member a line, indented by tabs, a tab after each colon, no newline at the end."""

    def key(self, name: str) -> str:
        """The text before a member's value."""
        return json.dumps(name, ensure_ascii=False) + ":\t"

    def object(self, members: Iterable[str], depth: int) -> str:
        """An object of members that are already `key + value`; `depth` is that of its members."""
        lines = ",\n".join("\t" * depth + member for member in members)
        return "{\n" + (lines + "\n" if lines else "") + "\t" * (depth - 1) + "}"

    def record(self, members: Iterable[str]) -> bytes:
        """The whole record."""
        return self.object(members, 1).encode()


Layout = Compact | Tabbed


def layout(*, tabbed: bool) -> Layout:
    """The layout that MessageFormat asks for."""
    return Tabbed() if tabbed else Compact()


def render(value: Any, form: Layout, depth: int) -> str:
    """JSON text of a nested value; for control records, where speed does not matter."""
    if isinstance(value, dict):
        return form.object((form.key(name) + render(item, form, depth + 1) for name, item in value.items()), depth)
    separators = (", " if isinstance(form, Tabbed) else ",", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators)
