"""The reference of the worker's settings, for programs and as docs/settings.md."""

from __future__ import annotations

from typing import Any

from worker.settings import specs


def reference() -> list[dict[str, Any]]:
    """The reference of all settings that users may set, ready for JSON."""
    return [
        {
            "name": spec.name,
            "values": spec.values,
            "default": spec.default,
            "required": spec.required,
            "secret": spec.secret,
            "description": spec.description,
        }
        for _, spec in specs()
        if not spec.internal
    ]


def markdown() -> str:
    """The reference as the text of docs/settings.md."""
    lines = [
        "# Settings of the worker",
        "",
        "<!-- made by `nearview settings --markdown`; do not edit -->",
        "",
        "All settings are environment variables. An empty value counts as not set. All problems are reported at once;",
        "a name that begins with `NEARVIEW_` but is no setting is a problem too. `nearview worker check` lists them.",
        "",
        "| setting | values | default | meaning |",
        "|---|---|---|---|",
    ]
    for entry in reference():
        default = "**required**" if entry["required"] else f"`{entry['default']}`" if entry["default"] != "" else ""
        lines.append(f"| `{entry['name']}` | {entry['values']} | {default} | {entry['description']} |")
    return "\n".join(lines) + "\n"
