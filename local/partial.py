"""The part of a template that a stand-in can deploy: without types it lacks, and without what refers to these."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import yaml

from local.processes import REPOSITORY
from local.templates import Template

_FILE = REPOSITORY / "local" / "not_deployed.yaml"

_VARIABLE = re.compile(r"\$\{([^!.}]+)")


@cache
def not_deployed() -> dict[str, str]:
    """The types of resources that MiniStack's CloudFormation does not have, with what stands in for them."""
    found: dict[str, str] = yaml.safe_load(_FILE.read_text("utf-8"))
    return found


def without(template: Template, types: Collection[str]) -> tuple[Template, dict[str, str]]:
    """The template without resources of these types, and why each resource that is gone had to go, by its name.

    What refers to a resource that is gone goes too: another resource, an output. A part of a list or a map that refers
    to one behind an Fn::If is taken for the whole, for the condition is known to CloudFormation alone.
    """
    resources = dict(template["Resources"])
    gone = {name: body["Type"] for name, body in resources.items() if body["Type"] in types}
    while found := _followers(resources, gone):
        gone |= found
    outputs = {name: body for name, body in template.get("Outputs", {}).items() if not set(_names(body)) & set(gone)}
    kept = {name: body for name, body in resources.items() if name not in gone}
    return {**template, "Resources": kept, "Outputs": outputs}, gone


def _followers(resources: dict[str, Any], gone: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, body in resources.items():
        lost = sorted(set(_names(body)) & set(gone))
        if name not in gone and lost:
            found[name] = f"refers to {', '.join(lost)}"
    return found


def _names(value: Any) -> Iterator[str]:
    """All names of resources and parameters that a value refers to."""
    if isinstance(value, list):
        for entry in value:
            yield from _names(entry)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "Ref" and isinstance(inner, str):
            yield inner
        elif key == "Fn::GetAtt":
            yield inner[0] if isinstance(inner, list) else inner.split(".")[0]
        elif key == "Fn::Sub":
            text = inner if isinstance(inner, str) else inner[0]
            yield from (found.strip() for found in _VARIABLE.findall(text))
            yield from _names([] if isinstance(inner, str) else inner[1])
        elif key == "DependsOn":
            yield from [inner] if isinstance(inner, str) else inner
        else:
            yield from _names(inner)
