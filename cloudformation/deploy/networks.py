"""Networks that are joined must differ: no address in two of them, no number of two Transit Gateways the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import combinations

from cloudformation.deploy.environment import Environment
from cloudformation.deploy.order import Step

DATA_CENTRE = "DataCentreCidr"
NUMBER = "TransitGatewayAsn"
JOINED = "pair"


def problems(steps: Sequence[Step], environment: Environment) -> Iterator[str]:
    """A line for each two that cannot be joined."""
    yield from _overlaps({**environment.cidrs, **dict(_data_centres(steps, environment))})
    if any(step.layer.where == JOINED for step in steps):
        for (one, number), (other, same) in combinations(_numbers(steps, environment), 2):
            if number == same:
                yield (
                    f"{NUMBER} of {one} and of {other} is {number}: joined Transit Gateways need different ones, write"
                    f" `{NUMBER}: {{{one}: {number}, {other}: {int(number) + 1}}}`"
                )


def _overlaps(cidrs: Mapping[str, str]) -> Iterator[str]:
    networks = {}
    for name, cidr in cidrs.items():
        try:
            networks[name] = ip_network(cidr)
        except ValueError as error:
            yield f"cidrs: {name}: {error}"
    for (one, first), (other, second) in combinations(networks.items(), 2):
        if first.version == second.version and first.overlaps(second):
            yield f"cidrs: {one} ({first}) and {other} ({second}) overlap: no route could tell them apart"


def _data_centres(steps: Sequence[Step], environment: Environment) -> Iterator[tuple[str, str]]:
    """The same data centre from several regions is one network."""
    found = {
        value
        for step in steps
        if DATA_CENTRE in step.layer.template.parameters
        and (value := environment.given(step.layer.name, DATA_CENTRE, step.region))
    }
    for value in sorted(found):
        yield f"{DATA_CENTRE} {value}", value


def _numbers(steps: Sequence[Step], environment: Environment) -> list[tuple[str, str]]:
    found = []
    for step in steps:
        declared = step.layer.template.parameters.get(NUMBER)
        if declared is not None:
            given = environment.given(step.layer.name, NUMBER, step.region)
            found.append((step.region, given if given is not None else str(declared.get("Default", ""))))
    return found
