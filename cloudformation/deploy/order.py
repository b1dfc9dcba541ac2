"""Works out which stack is deployed when: layer after layer, removal the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from cloudformation.deploy.environment import EVERY_LAYER, Environment
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.layers import Layer

GLOBAL_REGION: Final = "us-east-1"  # Route 53, CloudFront and their alarms are there alone

Place = tuple[str, str, str]  # layer, region, peer region


@dataclass(frozen=True, slots=True)
class Step:
    """One stack: of a layer, in a region, and of a pair of regions the other one."""

    layer: Layer
    region: str
    peer: str = ""

    @property
    def name(self) -> str:
        """For people and the journal."""
        return f"{self.layer.name} in {self.region}" + (f" with {self.peer}" if self.peer else "")

    @property
    def place(self) -> Place:
        """What tells this stack from all others of the environment."""
        return self.layer.name, self.region, self.peer

    def stack(self, prefix: str) -> str:
        """The stack's name."""
        return f"{prefix}-{self.layer.name}" + (f"-{self.peer}" if self.peer else "")


def chosen(layers: Mapping[str, Layer], environment: Environment) -> dict[str, Layer]:
    """The layers that an environment has. Raises DeployError where it names one that does not exist."""
    named = environment.without | environment.including | (environment.parameters.keys() - {EVERY_LAYER})
    if unknown := sorted(named - layers.keys()):
        raise DeployError(f"{environment.file}: {', '.join(unknown)} is no layer (known: {', '.join(layers)})")
    return {
        name: layer
        for name, layer in layers.items()
        if name not in environment.without and (not layer.optional or name in environment.including)
    }


def sequence(layers: Mapping[str, Layer], regions: Sequence[str]) -> list[Step]:
    """All steps in order, a layer after those it needs. Raises DeployError if layers wait for each other."""
    return [Step(layer, region, peer) for layer in _sorted(layers) for region, peer in _places(layer, regions)]


def producer(step: Step, layer: Layer, of: str, regions: Sequence[str]) -> Place | None:
    """Whose output a parameter of a step gets; None where there is no such region."""
    if of == "pair":
        first, second = sorted((step.region, step.peer), key=[*regions, step.region, step.peer].index)
        return layer.name, second, first
    by_number = dict(zip(("primary", "secondary", "tertiary"), regions, strict=False))
    region = {"same": step.region, "peer": step.peer, "global": GLOBAL_REGION, **by_number}.get(of)
    return (layer.name, region, "") if region else None


def _places(layer: Layer, regions: Sequence[str]) -> list[tuple[str, str]]:
    """Regions of a layer with their peers."""
    primary, others = regions[0], regions[1:]
    if layer.where == "pair":
        return [(later, earlier) for earlier, later in combinations(regions, 2)]
    if layer.where == "pair-ends":
        return [(one, other) for one in regions for other in regions if one != other]
    # a change shows its faults where no command is executed
    each = (*others, primary) if layer.primary_last else tuple(regions)
    return [
        (region, "")
        for region in {
            "each": each,
            "each-and-global": tuple(dict.fromkeys((*each, GLOBAL_REGION))),
            "primary": (primary,),
            "not-primary": tuple(others),
            "global": (GLOBAL_REGION,),
        }[layer.where]
    ]


def _sorted(layers: Mapping[str, Layer]) -> Iterator[Layer]:
    """Layers after those they need; of several that could be next, the first of the file."""
    waiting = dict(layers)
    while waiting:
        free = next((layer for layer in waiting.values() if not layer.needs & waiting.keys()), None)
        if free is None:
            raise DeployError(f"layers need each other: {' -> '.join(_cycle(waiting))}")
        del waiting[free.name]
        yield free


def _cycle(waiting: Mapping[str, Layer]) -> list[str]:
    """One round of layers of which each needs the next; every layer given needs one of them."""
    path = [next(iter(waiting))]
    while True:
        following = min(waiting[path[-1]].needs & waiting.keys())
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
