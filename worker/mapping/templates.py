"""The text of a template to its parts."""

from __future__ import annotations

import re
from typing import Final

import yaml

from contract.mapping import Template
from worker.mapping.facts import Use
from worker.mapping.problems import File

_PART: Final = re.compile(r"(?P<escape>\{\{|\}\})|\{(?P<path>[^{}]*)\}|(?P<text>[^{}]+)|(?P<stray>.)", re.DOTALL)


def read_template(file: File, attribute: str, node: yaml.Node, table: str | None) -> Template | None:
    """The template of an attribute, its texts joined; None with a problem noted."""
    what = f"field {attribute}: template"
    text = file.text(node, what)
    if text is None:
        return None
    parts: list[str | tuple[str, ...]] = []
    for match in _PART.finditer(text):
        if match["stray"]:
            file.problem(node, f"{what}: a single {match['stray']}: write it twice to have it in the text")
            return None
        if match["path"] is not None:
            path = tuple(match["path"].split("."))
            if any(name != name.strip() or not name for name in path):
                file.problem(node, f"{what}: {match[0]} must be {{column}} or {{one.attribute}}, without blanks")
                return None
            parts.append(path)
            if len(path) == 1 and table is not None:
                file.facts.uses.append(Use(table, path[0], file.spot(node)))
        else:
            _append(parts, match["text"] or match["escape"][0])
    if all(isinstance(part, str) for part in parts):
        file.problem(node, f"{what}: it has no {{column}}: use constant")
        return None
    return Template(attribute, tuple(parts))


def _append(parts: list[str | tuple[str, ...]], text: str) -> None:
    """Texts that follow each other are one part, so that a template has one form only."""
    last = parts[-1] if parts else None
    if isinstance(last, str):
        parts[-1] = last + text
    else:
        parts.append(text)
