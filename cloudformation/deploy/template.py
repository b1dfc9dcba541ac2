"""Reads CloudFormation templates: short tags such as !Ref become the mappings they stand for. Checks parameters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

try:
    from yaml import CSafeLoader as _Fast  # several times as fast; a PyYAML that was built without libyaml has none
except ImportError:
    from yaml import SafeLoader as _Fast  # type: ignore[assignment]

# What is lost when one of these is deleted or replaced cannot be made again by a deployment.
HOLDS_DATA: Final = frozenset(
    {
        *("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Kinesis::Stream", "AWS::S3::Bucket"),
        *("AWS::KMS::Key", "AWS::KMS::ReplicaKey", "AWS::SecretsManager::Secret", "AWS::SQS::Queue"),
        *("AWS::DMS::ReplicationTask", "AWS::DMS::ReplicationConfig", "AWS::ECR::Repository", "AWS::Events::Archive"),
        *("AWS::Route53::HostedZone", "AWS::EFS::FileSystem", "AWS::RDS::DBInstance", "AWS::RDS::DBCluster"),
        "AWS::Cognito::UserPool",
    }
)
_KEPT: Final = ("Retain", "RetainExceptOnCreate", "Snapshot")
_LISTS: Final = ("CommaDelimitedList", "List<")


class _Loader(_Fast):
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


def parse(text: str) -> dict[str, Any]:
    """The template of this text. Raises yaml.YAMLError."""
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with tags that make dicts only
    return template


@dataclass(frozen=True, slots=True)
class Template:
    """A template's text and what it says; `name` is its file's name."""

    name: str
    text: str
    content: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Declared parameters by name."""
        return self.content.get("Parameters") or {}

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the outputs; of those with a condition it is not known whether they are there."""
        return frozenset(self.content.get("Outputs") or {})

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Resources by logical id, also those whose condition may be false."""
        return self.content.get("Resources") or {}

    @property
    def keeps_data(self) -> bool:
        """Whether a resource that holds data outlives its stack: such stacks are protected and not removed."""
        return any(
            body.get("Type") in HOLDS_DATA and body.get("DeletionPolicy") in _KEPT for body in self.resources.values()
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(path: Path) -> Template:
    """The template in a file. Raises OSError, UnicodeDecodeError, yaml.YAMLError, or ValueError: it is none."""
    text = path.read_text("utf-8")
    content = parse(text)
    if not isinstance(content, dict) or not isinstance(content.get("Resources"), dict):
        raise ValueError("it is no template: it has no Resources")
    return Template(path.name, text, content)


def wrong(name: str, declared: Mapping[str, Any], value: str) -> Iterator[str]:
    """Why CloudFormation would refuse this value of a parameter; nothing if it would not."""
    kind = str(declared.get("Type", "String"))
    hint = declared.get("ConstraintDescription")
    if declared.get("NoEcho") in (True, "true") and value:
        yield f"{name} is a secret: give the ARN of a secret in Secrets Manager, no value belongs into this file"
        return
    for one in value.split(",") if kind.startswith(_LISTS) else [value]:
        if allowed := declared.get("AllowedValues"):
            if one not in [_text(entry) for entry in allowed]:
                yield f"{name} is {one!r}, allowed are {', '.join(_text(entry) for entry in allowed)}"
        elif kind in ("Number", "List<Number>"):
            yield from _wrong_number(name, declared, one)
        elif (pattern := declared.get("AllowedPattern")) and not re.fullmatch(str(pattern), one):
            yield f"{name} is {one!r}: {hint or f'it must match {pattern}'}"
        elif not int(declared.get("MinLength", 0)) <= len(one) <= int(declared.get("MaxLength", 4096)):
            yield f"{name} has {len(one)} characters, from {declared.get('MinLength', 0)} to " + str(
                declared.get("MaxLength", 4096)
            )


def _wrong_number(name: str, declared: Mapping[str, Any], value: str) -> Iterator[str]:
    try:
        number = float(value)
    except ValueError:
        yield f"{name} is {value!r}, not a number"
        return
    if not float(declared.get("MinValue", number)) <= number <= float(declared.get("MaxValue", number)):
        yield f"{name} is {value}, allowed is {declared.get('MinValue', '-')} to {declared.get('MaxValue', '-')}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
