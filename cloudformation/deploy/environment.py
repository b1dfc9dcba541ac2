"""Reads an environment's file: project, regions, values of parameters, what to pack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cloudformation.deploy.errors import DeployError

_KEYS: Final = frozenset(
    {"project", "env", "account", "regions", "parameters", "artefacts", "without", "with", "cidrs"}
)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
EVERY_LAYER: Final = "all"

Value = str | Mapping[str, str]  # for all regions, or by region


@dataclass(frozen=True, slots=True)
class Environment:
    """One installation. `parameters` by layer (`all`: every layer that declares it) and name."""

    file: str
    project: str
    env: str
    regions: tuple[str, ...]  # the first one has the stacks of which there is one only
    account: str = ""
    parameters: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    artefacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    including: frozenset[str] = frozenset()
    cidrs: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def prefix(self) -> str:
        """What the names of all stacks begin with."""
        return f"{self.project}-{self.env}"

    @property
    def primary(self) -> str:
        """Home of the stacks that exist once; who executes commands stands in the table of regions."""
        return self.regions[0]

    def given(self, layer: str, name: str, region: str) -> str | None:
        """The value that the file gives to a parameter of a layer in a region; None for none."""
        for group in (layer, EVERY_LAYER):
            value = self.parameters.get(group, {}).get(name)
            if isinstance(value, str):
                return value
            if value is not None and region in value:
                return value[region]
        return None


def read(path: Path) -> Environment:
    """The environment in a file. Raises DeployError with every problem."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.yaml"))) or "none"
        raise DeployError(f"{path}: no such file; environments there: {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise DeployError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise DeployError(f"{path}: it must be a mapping with project, env and regions")
    if problems := list(_problems(content)):
        raise DeployError(*(f"{path}: {problem}" for problem in problems))
    return Environment(
        file=str(path),
        project=content["project"],
        env=content["env"],
        regions=tuple(content["regions"]),
        account=str(content.get("account") or ""),
        parameters={
            str(layer): {str(name): _value(value) for name, value in (values or {}).items()}
            for layer, values in (content.get("parameters") or {}).items()
        },
        artefacts={
            str(name): {str(key): str(value) for key, value in (values or {}).items()}
            for name, values in (content.get("artefacts") or {}).items()
        },
        without=frozenset(map(str, content.get("without") or ())),
        including=frozenset(map(str, content.get("with") or ())),
        cidrs={str(where): str(cidr) for where, cidr in (content.get("cidrs") or {}).items()},
        folder=path.parent,
    )


def _problems(content: Mapping[Any, Any]) -> Iterator[str]:
    if unknown := sorted(set(map(str, content)) - _KEYS):
        yield f"unknown key {', '.join(unknown)} (known: {', '.join(sorted(_KEYS))})"
    for key in ("project", "env"):
        value = content.get(key)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            yield f"{key} is {value!r}: 2 to 31 lower-case letters, digits and hyphens, a letter first"
    account = content.get("account")
    if account is not None and not re.fullmatch(r"\d{12}", str(account)):
        yield f"account is {account!r}: 12 digits in quotes"
    yield from _wrong_regions(content.get("regions"))
    yield from _wrong_cidrs(content.get("cidrs") or {}, content.get("regions"))
    for key in ("without", "with"):
        if not isinstance(content.get(key) or [], list):
            yield f"{key} must be a list of layers"
    for key in ("parameters", "artefacts"):
        groups = content.get(key) or {}
        if not isinstance(groups, dict):
            yield f"{key} must be a mapping"
            continue
        for group, values in groups.items():
            if not isinstance(values or {}, dict):
                yield f"{key}: {group} must be a mapping"
                continue
            yield from (f"{key}: {group}: {line}" for line in _wrong_values(values or {}, content.get("regions")))


def _wrong_regions(regions: Any) -> Iterator[str]:
    if not isinstance(regions, list) or not regions:
        yield "regions must be a list of regions, the primary one first"
        return
    for region in regions:
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            yield f"regions: {region!r} is no region"
    if len(set(map(str, regions))) < len(regions):
        yield "regions: one of them is listed twice"
    if len(regions) > 3:
        yield "regions: at most three, as the templates of the data have them"


def _wrong_cidrs(cidrs: Any, regions: Any) -> Iterator[str]:
    if not isinstance(cidrs, dict):
        yield "cidrs must be a mapping from region to its address range"
    elif strange := sorted(map(str, cidrs.keys() - set(regions if isinstance(regions, list) else ()))):
        yield f"cidrs: {', '.join(strange)} is none of the regions"


def _wrong_values(values: Mapping[Any, Any], regions: Any) -> Iterator[str]:
    for name, value in values.items():
        if value is None:
            yield f"{name} has no value: write two quotes for an empty one"
        elif isinstance(value, dict):
            known = {*(regions if isinstance(regions, list) else ()), "us-east-1"}
            if strange := sorted(map(str, value.keys() - known)):
                yield f"{name}: {', '.join(strange)} is none of the regions"
            if any(isinstance(one, dict) or one is None for one in value.values()):
                yield f"{name}: each region has one value"


def _value(value: Any) -> Value:
    if isinstance(value, dict):
        return {str(region): _text(one) for region, one in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
