"""The page of the templates: `python -m tests.cloudformation.page > docs/templates.md`."""

from __future__ import annotations

from typing import Any, Final

import yaml

from local import partial, templates

WHERE: Final = {
    "each": "every region",
    "each-and-global": "every region and us-east-1",
    "primary": "primary",
    "not-primary": "every region but the primary",
    "global": "us-east-1",
    "pair": "one of each pair of regions",
    "pair-ends": "both of each pair of regions",
}
HEAD: Final = """# The templates

<!-- made by `python -m tests.cloudformation.page`; do not edit -->

One stack per layer and region, in this order; removal is the other way round. `nearview deploy` does it
([deploying.md](deploying.md)); where each parameter's value comes from stands in `cloudformation/layers.yaml`.
*Retained* outlives its stack. What each role may do is in [rights.md](rights.md). Which region executes commands is no
parameter: it stands in the table of regions, and only `nearview failover` changes it.
"""


def markdown() -> str:
    """The whole document."""
    layers = yaml.safe_load((templates.FOLDER / "layers.yaml").read_text("utf-8"))["layers"]
    parts = [HEAD, "| layer | where | what | retained |", "|---|---|---|---|"]
    parts += [_row(layer, templates.load(templates.FOLDER / layer["file"])) for layer in layers]
    parts += [
        "",
        "## Parameters",
        "",
        "Without a default, a value has to come from another stack or the environment's file.",
        "",
    ]
    for layer in layers:
        parts += _parameters(layer, templates.load(templates.FOLDER / layer["file"]))
    parts += ["## What the local stack does not deploy", ""]
    parts += ["| type | instead |", "|---|---|"]
    parts += [f"| `{kind}` | {text} |" for kind, text in sorted(partial.not_deployed().items())]
    return "\n".join(parts) + "\n"


def _row(layer: dict[str, Any], template: templates.Template) -> str:
    kept = [name for name, body in template["Resources"].items() if body.get("DeletionPolicy") == "Retain"]
    where = WHERE[layer["where"]] + (", optional" if layer.get("optional") else "")
    what = " ".join(template["Description"].removeprefix("nearview ").split())
    return f"| [{layer['file'].removesuffix('.yaml')}](#{layer['name']}) | {where} | {what} | {', '.join(kept)} |"


def _parameters(layer: dict[str, Any], template: templates.Template) -> list[str]:
    lines = [f"### {layer['name']}", "", "| parameter | default | comes from | meaning |", "|---|---|---|---|"]
    for name, parameter in template["Parameters"].items():
        default = (
            f"`{parameter['Default']}`"
            if parameter.get("Default", "") != ""
            else "empty"
            if "Default" in parameter
            else ""
        )
        meaning = " ".join(parameter["Description"].split()).replace("|", "\\|")
        lines.append(f"| {name} | {default} | {_source(layer['parameters'].get(name, {}))} | {meaning} |")
    return [*lines, ""]


def _source(source: dict[str, Any]) -> str:
    if "fact" in source:
        return str(source["fact"])
    named = source.get("output", [])
    return " or ".join(named if isinstance(named, list) else [named])


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  its output is the document
