"""The templates of cloudformation/, and values of properties as far as parameters say them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudformation.deploy.template import parse as parse
from local.processes import REPOSITORY

FOLDER = REPOSITORY / "cloudformation"

Template = dict[str, Any]


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
