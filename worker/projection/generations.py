"""Which mapping may write: old workers stop once a rebuild has begun, new relations wait until their edges are there.

One item in the rows table, written by `nearview rebuild` alone. A worker reads it once a batch, after its images are
durable and before its checkpoint. So an image of an old mapping is either seen by the rebuild's scan, which begins
after the fence is up, or its worker meets the fence and leaves the records to a newer one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from contract.mapping import Aggregate
from contract.values import Item
from worker.projection.operations import Get, Steps, TableName
from worker.projection.plan import Plan

GENERATIONS_PK: Final = "#generations"
GENERATIONS_SK: Final = "#"


class NewerGeneration(Exception):
    """A newer generation of a mapping is at work: this worker must not write any more and stops."""


@dataclass(frozen=True, slots=True)
class Generations:
    """By aggregate: the generation that is fenced off against older ones; the relations whose edges are all there.

    `ready` is None where nobody keeps a record of it: a store that began with this mapping.
    """

    fence: dict[str, int] = field(default_factory=dict, hash=False)
    ready: dict[str, str] | None = field(default=None, hash=False)

    def may_follow(self, plan: Plan, aggregate: Aggregate, relations: str) -> bool:
        """Whether a document that was written for these relations ("": not written yet) may be built for the mapping's.

        Else children that an older mapping stored without an edge would be missing in it.
        """
        ours = plan.relations[aggregate.name]
        return relations == ours or self.ready is None or self.ready.get(aggregate.name) == ours

    def text(self) -> str:
        """Canonical text for `parse_generations`."""
        return json.dumps({"fence": self.fence, "ready": self.ready}, sort_keys=True)


def parse_generations(item: Item | None) -> Generations:
    """What is stored; nothing stored is no fence."""
    if item is None:
        return Generations()
    parts = json.loads(item["state"]["S"])
    return Generations(parts["fence"], parts["ready"])


def look_at_fence(plan: Plan) -> Steps[Generations]:
    """Read the item. Raises NewerGeneration when a rebuild for a newer mapping has begun."""
    (item,) = yield [Get(TableName.ROWS, GENERATIONS_PK, GENERATIONS_SK)]
    found = parse_generations(item)
    for aggregate in plan.mapping.aggregates:
        refuse_newer(aggregate, found.fence.get(aggregate.name, 0))
    return found


def refuse_newer(aggregate: Aggregate, generation: int) -> None:
    """Raises NewerGeneration if that generation is newer than the mapping's."""
    if generation > aggregate.generation:
        raise NewerGeneration(
            f"aggregate {aggregate.name}: generation {generation} of its mapping is at work, this worker's is"
            f" {aggregate.generation}: deploy the newer mapping"
        )
