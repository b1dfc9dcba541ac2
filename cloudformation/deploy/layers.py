"""Reads layers.yaml: which template belongs into which regions, and where the values of its parameters come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cloudformation.deploy import template
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.template import Template

WHERE: Final = ("each", "each-and-global", "primary", "not-primary", "global", "pair", "pair-ends")
# in which region the stack is whose output is wanted
OF: Final = ("same", "primary", "secondary", "tertiary", "peer", "pair", "global")
FACTS: Final = (
    *("project", "region", "primary_region", "secondary_region", "tertiary_region", "peer_region"),
    *("other_region_1", "other_region_2"),
    *("account", "code_key", "image", "cidr", "peer_cidr", "transit_gateway_route_table"),
)
THEN: Final = ("upload-code", "copy-image", "accept-peering", "large-integers")
LAST_PRIMARY: Final = "last-primary"
_KEYS: Final = frozenset({"name", "file", "where", "after", "order", "parameters", "keeps_data", "then", "optional"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a parameter comes from: a fact, or the first of the outputs (layer, name) that is there."""

    fact: str = ""
    outputs: tuple[tuple[str, str], ...] = ()
    of: str = "same"


@dataclass(frozen=True, slots=True)
class Layer:
    """A template and its place in the order."""

    name: str
    template: Template
    where: str
    after: tuple[str, ...] = ()
    parameters: Mapping[str, Source] = field(default_factory=dict)
    primary_last: bool = False
    keeps_data: bool = False  # its stacks refuse to be deleted, and a removal leaves them
    then: tuple[str, ...] = ()  # what follows each of its stacks, because no template can do it
    optional: bool = False  # deployed only where an environment asks for it

    @property
    def needs(self) -> frozenset[str]:
        """Layers that must be complete before this one."""
        return frozenset({*self.after, *(layer for one in self.parameters.values() for layer, _ in one.outputs)})


def read(path: Path) -> dict[str, Layer]:
    """The layers of a file by name, with the templates beside it. Raises DeployError with every problem."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise DeployError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("layers"), list):
        raise DeployError(f"{path}: it has no list `layers`")
    problems: list[str] = []
    found: dict[str, Layer] = {}
    for number, entry in enumerate(content["layers"], 1):
        layer = _layer(path, number, entry, problems)
        if layer is not None and layer.name in found:
            problems.append(f"{path}: two layers are called {layer.name}")
        elif layer is not None:
            found[layer.name] = layer
    if not problems:
        problems += [f"{path}: {problem}" for layer in found.values() for problem in _references(layer, found)]
    if problems:
        raise DeployError(*problems)
    return found


def _layer(path: Path, number: int, entry: Any, problems: list[str]) -> Layer | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not isinstance(entry.get("file"), str):
        problems.append(f"{path}: layer {number}: it needs `name` and `file`")
        return None
    where = f"{path}: layer {entry['name']}"
    then = entry.get("then") or []
    found = [*_wrong_keys(entry), *(f"then: {one!r} is unknown" for one in then if one not in THEN)]
    try:
        read_template = template.read(path.parent / entry["file"])
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{where}: {entry['file']}: {' '.join(str(error).split())}")
        return None
    if read_template.keeps_data and not entry.get("keeps_data"):
        found.append(f"{entry['file']} retains data, so keeps_data must be true")
    sources = {}
    for name, given in (entry.get("parameters") or {}).items():
        try:
            sources[str(name)] = _source(given)
        except ValueError as error:
            found.append(f"parameter {name}: {error}")
    if found:
        problems += [f"{where}: {problem}" for problem in found]
        return None
    return Layer(
        name=entry["name"],
        template=read_template,
        where=entry["where"],
        after=tuple(map(str, entry.get("after") or ())),
        parameters=sources,
        primary_last=entry.get("order") == LAST_PRIMARY,
        keeps_data=bool(entry.get("keeps_data")),
        then=tuple(then),
        optional=bool(entry.get("optional")),
    )


def _wrong_keys(entry: Mapping[Any, Any]) -> Iterator[str]:
    if unknown := sorted(set(map(str, entry)) - _KEYS):
        yield f"unknown key {', '.join(unknown)} (known: {', '.join(sorted(_KEYS))})"
    if entry.get("where") not in WHERE:
        yield f"where is {entry.get('where')!r}, allowed are {', '.join(WHERE)}"
    if entry.get("order", LAST_PRIMARY) != LAST_PRIMARY:
        yield f"order is {entry['order']!r}, allowed is {LAST_PRIMARY}"


def _source(given: Any) -> Source:
    if isinstance(given, dict) and set(given) == {"fact"} and given["fact"] in FACTS:
        return Source(fact=str(given["fact"]))
    if not isinstance(given, dict) or "output" not in given or set(given) - {"output", "of"}:
        raise ValueError(f"it must be fact: one of {', '.join(FACTS)}; or output: LAYER.OUTPUT, of: REGION")
    names = given["output"] if isinstance(given["output"], list) else [given["output"]]
    outputs = tuple((layer, output) for layer, _, output in (str(name).partition(".") for name in names))
    if not all(layer and output for layer, output in outputs):
        raise ValueError("output must be LAYER.OUTPUT, or a list of them")
    if given.get("of", "same") not in OF:
        raise ValueError(f"of is {given['of']!r}, allowed are {', '.join(OF)}")
    return Source(outputs=outputs, of=str(given.get("of", "same")))


def _references(layer: Layer, layers: Mapping[str, Layer]) -> Iterator[str]:
    """What this layer names that is not there."""
    for name in layer.after:
        if name not in layers:
            yield f"layer {layer.name}: it comes after {name}, which is no layer"
    for name, source in layer.parameters.items():
        if name not in layer.template.parameters:
            yield f"layer {layer.name}: {layer.template.name} has no parameter {name}"
        for producer, output in source.outputs:
            if producer not in layers:
                yield f"layer {layer.name}: parameter {name} comes from {producer}, which is no layer"
            elif output not in layers[producer].template.outputs:
                yield (
                    f"layer {layer.name}: parameter {name} comes from {producer}.{output}, which"
                    f" {layers[producer].template.name} does not put out"
                )
