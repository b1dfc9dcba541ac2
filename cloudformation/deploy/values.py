"""The values of a stack's parameters: what the environment's file says, else facts and outputs of other stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from cloudformation.deploy.environment import EVERY_LAYER, Environment
from cloudformation.deploy.layers import Layer, Source
from cloudformation.deploy.order import Place, Step, producer
from cloudformation.deploy.template import wrong

Outputs = Mapping[Place, Mapping[str, str]]
PROMISE: Final = "\0"  # in place of an output of a stack that is not there yet
REPOSITORY: Final = "RepositoryArn"
GATEWAY: Final = "TransitGatewayId"
ROUTE_TABLE: Final = "transit_gateway_route_table"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an installation besides its file."""

    account: str
    code_key: str = ""
    image: str = ""  # of any registry, with its name
    image_tag: str = ""  # of the repository that each region has for itself
    route_tables: Mapping[str, str] = field(default_factory=dict)  # of the gateway of each region that was looked at

    def of(self, name: str, step: Step, environment: Environment, outputs: Outputs) -> str:
        """A fact of layers.yaml for a step; empty where there is none."""
        numbered = dict(
            zip(("primary_region", "secondary_region", "tertiary_region"), environment.regions, strict=False)
        )
        others = [region for region in environment.regions if region != step.region]
        return {
            "project": environment.prefix,
            "region": step.region,
            "peer_region": step.peer,
            "account": self.account,
            "code_key": self.code_key,
            "image": self.image or _own_image(self.image_tag, step.region, outputs),
            "cidr": environment.cidrs.get(step.region, ""),
            "peer_cidr": environment.cidrs.get(step.peer, ""),
            ROUTE_TABLE: self.route_tables.get(step.region) or _promised_table(step.region, outputs),
            **numbered,
            **dict(zip(("other_region_1", "other_region_2"), others, strict=False)),
        }.get(name, "")


def repository(region: str, outputs: Outputs) -> str | None:
    """The ARN of a region's repository of images; None where there is none yet."""
    found = (given.get(REPOSITORY) for (_, where, _), given in outputs.items() if where == region)
    return next(filter(None, found), None)


def gateway(region: str, outputs: Outputs) -> str | None:
    """The id of a region's Transit Gateway; None where there is none yet."""
    found = (given.get(GATEWAY) for (_, where, _), given in outputs.items() if where == region)
    return next(filter(None, found), None)


def _promised_table(region: str, outputs: Outputs) -> str:
    return PROMISE if gateway(region, outputs) == PROMISE else ""


def _own_image(tag: str, region: str, outputs: Outputs) -> str:
    arn = repository(region, outputs)
    if not tag or not arn or arn == PROMISE:
        return PROMISE if tag and arn else ""
    _, partition, _, _, account, name = arn.split(":", 5)
    suffix = ".cn" if partition == "aws-cn" else ""
    return f"{account}.dkr.ecr.{region}.amazonaws.com{suffix}/{name.removeprefix('repository/')}:{tag}"


def values(
    step: Step, environment: Environment, layers: Mapping[str, Layer], facts: Facts, outputs: Outputs
) -> dict[str, str]:
    """The parameters of a stack. What nobody gives is left out: the template's default is taken."""
    found = {}
    for name in step.layer.template.parameters:
        value = environment.given(step.layer.name, name, step.region)
        source = step.layer.parameters.get(name)
        if value is None and source is not None:
            value = _sourced(source, step, environment, layers, facts, outputs)
        if value is not None:
            found[name] = value
    return found


def _sourced(
    source: Source, step: Step, environment: Environment, layers: Mapping[str, Layer], facts: Facts, outputs: Outputs
) -> str | None:
    if source.fact:
        return facts.of(source.fact, step, environment, outputs) or None
    for layer, output in source.outputs:
        place = producer(step, layers[layer], source.of, environment.regions) if layer in layers else None
        if place is not None and (value := outputs.get(place, {}).get(output)):
            return value
    return None


def problems(steps: list[Step], environment: Environment, layers: Mapping[str, Layer], facts: Facts) -> Iterator[str]:
    """What is wrong with the parameters of all stacks, before any of them is there."""
    yield from _unknown(environment, layers)
    expected = promised(steps)
    for step in steps:
        given = values(step, environment, layers, facts, expected)
        for name, declared in step.layer.template.parameters.items():
            if name in given:
                if not given[name].startswith(PROMISE):
                    yield from (
                        f"{environment.file}: {step.name}: {line}" for line in wrong(name, declared, given[name])
                    )
            elif "Default" not in declared:
                yield f"{environment.file}: {step.name}: {_missing(name, step)}"


def promised(steps: list[Step]) -> Outputs:
    """Stand-ins for the outputs that the stacks of these steps will have."""
    return {step.place: dict.fromkeys(step.layer.template.outputs, PROMISE) for step in steps}


def _missing(name: str, step: Step) -> str:
    source = step.layer.parameters.get(name)
    wanted = f"parameters: {step.layer.name}: {name}: VALUE"
    if source is None:
        return f"nothing gives the parameter {name}: write `{wanted}`"
    if source.outputs:
        names = " or ".join(f"{layer}.{output}" for layer, output in source.outputs)
        return f"the parameter {name} comes from {names}, which this environment does not have: write `{wanted}`"
    hint = {"code_key": "artefacts: api", "image": "artefacts: worker", "cidr": "cidrs", "peer_cidr": "cidrs"}
    return f"the parameter {name} needs `{hint.get(source.fact, wanted)}`"


def _unknown(environment: Environment, layers: Mapping[str, Layer]) -> Iterator[str]:
    every = {name for layer in layers.values() for name in layer.template.parameters}
    for group, given in environment.parameters.items():
        if group not in layers and group != EVERY_LAYER:
            continue  # of a layer that is left out
        known = every if group == EVERY_LAYER else set(layers[group].template.parameters)
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f": {near[0]} is meant?" if near else ""
                yield f"{environment.file}: parameters: {group}: no template of it has {name}{hint}"
