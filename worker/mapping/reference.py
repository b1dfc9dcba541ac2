"""The reference of the mapping language as Markdown, from its definition."""

from __future__ import annotations

from worker.mapping.language import Place, keys

_HEAD = """\
# Reference of the mapping language

Every key at every place, printed by `nearview schema --markdown`. What they do together is told in
[the mapping language](mapping.md); what an editor needs is [its JSON Schema](../mappings/nearview.schema.json).
"""


def markdown() -> str:
    """The text of docs/mapping-reference.md."""
    return "\n".join([_HEAD, *(_section(place) for place in Place)])


def _section(place: Place) -> str:
    rows = [
        f"| `{key.name}` | {'yes' if key.needed else ''} | {key.shape.words} | {key.meaning} |" for key in keys(place)
    ]
    return "\n".join([f"## {place}", "", "| key | needed | value | meaning |", "|---|---|---|---|", *rows, ""])
