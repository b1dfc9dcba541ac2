"""What a rebuild leaves in the rows table: the fence, the relations that are ready, and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from contract.values import Item
from worker.projection.generations import GENERATIONS_PK, GENERATIONS_SK, Generations, parse_generations
from worker.projection.operations import APPLIED, Condition, Get, Insert, Replace, Steps, TableName, Update, text
from worker.projection.plan import Plan

PROGRESS_PK: Final = "#rebuild"
TAKING_OVER: Final = "taking over"
COVERING: Final = "covering"
REBUILDING: Final = "rebuilding"
RENEWING: Final = "renewing"
DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rebuild of one aggregate has come, for the mapping of that digest. `after` is a scan's position."""

    digest: str
    phase: str = TAKING_OVER
    after: dict[str, Any] | None = None
    scanned: int = 0
    covered: int = 0
    documents: int = 0
    written: int = 0


def read_progress(aggregate: str) -> Steps[Progress | None]:
    """What the last run of an aggregate's rebuild left, if there was one."""
    (item,) = yield [Get(TableName.ROWS, PROGRESS_PK, aggregate)]
    return None if item is None else Progress(**json.loads(item["state"]["S"]))


def write_progress(aggregate: str, progress: Progress) -> Steps[None]:
    """Store it over whatever stands there: one run at a time is the operator's business, two only repeat work."""
    item: Item = {"pk": text(PROGRESS_PK), "sk": text(aggregate), "state": text(json.dumps(asdict(progress)))}
    (reply,) = yield [Insert(TableName.ROWS, PROGRESS_PK, aggregate, item)]
    if reply != APPLIED:
        yield [Update(TableName.ROWS, PROGRESS_PK, aggregate, {"state": item["state"]}, ())]


def raise_fence(plan: Plan, names: frozenset[str]) -> Steps[None]:
    """From now on no worker of an older generation of these aggregates passes a checkpoint."""
    generations = {a.name: a.generation for a in plan.mapping.aggregates if a.name in names}
    yield from _change_generations(lambda old: replace(old, fence={**old.fence, **generations}))


def say_ready(plan: Plan, names: frozenset[str]) -> Steps[None]:
    """The edges of these aggregates' relations are all there: documents may follow them."""
    relations = {name: digest for name, digest in plan.relations.items() if name in names}
    yield from _change_generations(lambda old: replace(old, ready={**(old.ready or {}), **relations}))


def _change_generations(change: Callable[[Generations], Generations]) -> Steps[None]:
    while True:
        (item,) = yield [Get(TableName.ROWS, GENERATIONS_PK, GENERATIONS_SK)]
        # from now on there is a record of what is ready, and so far nothing is
        new = change(parse_generations(item) if item else Generations(ready={})).text()
        keys: Item = {"pk": text(GENERATIONS_PK), "sk": text(GENERATIONS_SK), "state": text(new)}
        if item is None:
            replies = yield [Insert(TableName.ROWS, GENERATIONS_PK, GENERATIONS_SK, keys)]
        else:
            unchanged = (Condition("state", "=", item["state"]),)
            replies = yield [Replace(TableName.ROWS, GENERATIONS_PK, GENERATIONS_SK, keys, unchanged)]
        if replies[0] == APPLIED:
            return
