"""The project's templates as far as MiniStack's CloudFormation knows their resources; the rest is taken out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml
from botocore.exceptions import ClientError

from cloudformation.deploy import compose
from local import partial, templates
from local.ministack import MiniStack

_UNKNOWN: Final = re.compile(r"Unrecognized resource types: \[(.*)\]")


def trim(ministack: MiniStack, folder: Path) -> dict[str, dict[str, str]]:
    """Writes templates and layers into a folder; by layer what of it is left out and why. A layer may be empty then."""
    content: dict[str, Any] = yaml.safe_load((compose.FOLDER / "layers.yaml").read_text())
    left_out, outputs = {}, {}
    for layer in content["layers"]:
        path = compose.FOLDER / layer["file"]
        template, left_out[layer["name"]] = partial.without(templates.load(path), unknown(ministack, path))
        if template["Resources"]:
            (folder / layer["file"]).write_text(json.dumps(template))
            outputs[layer["name"]] = set(template.get("Outputs", {}))
    kept = [layer for layer in content["layers"] if layer["name"] in outputs]
    for layer in kept:
        layer["after"] = [name for name in layer["after"] if name in outputs]
        layer["parameters"] = {
            name: source
            for name, source in layer["parameters"].items()
            if all(output in outputs.get(producer, ()) for producer, output in _taken(source))
        }
    (folder / "layers.yaml").write_text(yaml.safe_dump({"layers": kept}, sort_keys=False))
    return left_out


def unknown(ministack: MiniStack, template: Path) -> list[str]:
    """Types of resources that it refuses."""
    try:
        ministack.client("cloudformation").validate_template(TemplateBody=template.read_text())
    except ClientError as error:
        found = _UNKNOWN.search(str(error))
        if found is None:
            raise
        return found[1].split(", ")
    return []


def _taken(source: dict[str, Any]) -> list[tuple[str, str]]:
    named = source.get("output", [])
    return [
        (layer, output)
        for layer, _, output in (name.partition(".") for name in (named if isinstance(named, list) else [named]))
    ]
