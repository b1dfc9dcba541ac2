"""Reads CloudFormation templates: short tags such as !Ref become the mappings they stand for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.processes import REPOSITORY

FOLDER = REPOSITORY / "cloudformation"

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML as CloudFormation reads it; dates stay text, as in `Version: 2012-10-17`."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_tag(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has three kinds of nodes
        value = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_tag)


def parse(text: str) -> Template:
    """The template of this text. Raises yaml.YAMLError."""
    template: Template = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with tags that make dicts only
    return template


def load(path: Path) -> Template:
    """The template in this file. Raises OSError and yaml.YAMLError."""
    return parse(path.read_text())


def resolve(value: Any, template: Template, parameters: Mapping[str, str]) -> Any:
    """A property's value with references to parameters replaced; None for what only CloudFormation can know."""
    if not isinstance(value, dict):
        return value
    name = value.get("Ref")
    if name in template.get("Parameters", {}):
        return parameters.get(str(name), template["Parameters"][name].get("Default"))
    return None
