"""The four steps of a failover, what has to be so before each, and how its record reads. Pure.

The record is one item of the table of regions, `failover#<epoch>`, named by the epoch that it leads to. A step is noted
as begun, then done, then noted as ended with its evidence; whatever is run again finds what is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from contract.regions import NO_END, Facts, Override, Primary, State, update
from contract.values import Item, from_item

PK_PREFIX: Final = "failover#"


class Step(Enum):
    """In this order."""

    CLOSE = "close"
    ROTATE = "rotate"
    RECONCILE = "reconcile"
    OPEN = "open"

    @property
    def before(self) -> tuple[Step, ...]:
        """The steps that have to have ended."""
        steps = tuple(Step)
        return steps[: steps.index(self)]


class RefusedError(Exception):
    """A step cannot be taken; str() is one line with what to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """A step: when it was begun and when it ended, in microseconds since 1970 (0: it has not), and what it found."""

    begun: int
    ended: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failover:
    """One failover: from `old` to `new`, whose API is at `url`; it ends when `new` is the primary of `epoch`."""

    epoch: int
    old: str
    new: str
    url: str
    by: str
    reason: str
    steps: Mapping[Step, Done] = field(default_factory=dict)

    @property
    def next(self) -> Step | None:
        """The step to be taken, None when all have ended."""
        return next((step for step in Step if not self.has_ended(step)), None)

    def has_ended(self, step: Step) -> bool:
        """Whether a step is over."""
        return step in self.steps and self.steps[step].ended > 0

    def with_step(self, step: Step, done: Done) -> Failover:
        """The record with a step as it is now."""
        return replace(self, steps={**self.steps, step: done})


def planned(facts: Facts, stored: Failover | None, new: str, url: str, by: str, reason: str, now: int) -> Failover:
    """The failover that makes `new` the primary: the one that is under way, or a new one. Raises RefusedError.

    `stored` is the record of the epoch after the primary's, if there is one. A region that is fenced is refused: the
    primary does not ask it for a confirmation, so cut off from it both would execute commands.
    """
    primary = facts.primary
    if primary is None:
        raise RefusedError("no region is the primary yet: name the first one with `nearview failover register`")
    if stored is not None:
        if stored.new != new:
            raise RefusedError(f"a failover to {stored.new} is under way (epoch {stored.epoch}): finish it first")
        return stored
    if primary.region == new:
        raise RefusedError(f"{new} is the primary already (epoch {primary.epoch})")
    if facts.fenced_by_a_person(new, now):
        raise RefusedError(f"{new} is fenced: let it serve again first, with `nearview failover release`")
    if not url:
        raise RefusedError(f"the address of {new}'s API is not known: give it with --url")
    return Failover(primary.epoch + 1, primary.region, new, url, by, reason)


def allowed(failover: Failover, step: Step) -> bool:
    """Whether a step is to be taken; False if it has ended already. Raises RefusedError if another comes first."""
    if failover.has_ended(step):
        return False
    if missing := [before.value for before in step.before if not failover.has_ended(before)]:
        raise RefusedError(f"{step.value} comes after {missing[0]}: run `nearview failover {missing[0]}` first")
    return True


def seconds_to_wait(begun: int, now: int, fence_seconds: float) -> float:
    """How long the old region may still take commands: its confirmations lapse so long after it was closed."""
    return max(0.0, fence_seconds - (now - begun) / 1_000_000)


def fence(epoch: int, by: str, reason: str) -> Override:
    """What closes a region to commands until a person opens it again."""
    return Override(State.FENCED, epoch, NO_END, by, reason)


def release(epoch: int, now: int, by: str, reason: str) -> Override:
    """What ends an override: one that has expired, so that the health checks count again."""
    return Override(State.ACTIVE, epoch, now, by, reason)


def primary_of(failover: Failover) -> Primary:
    """What the last step writes."""
    return Primary(failover.new, failover.epoch, failover.url)


def record_pk(epoch: int) -> str:
    """Key of a failover's record."""
    return f"{PK_PREFIX}{epoch}"


def record_write(table: str, failover: Failover, *, now: int) -> dict[str, Any]:
    """UpdateItem that begins the record; one that stands is left as it is by the condition."""
    return update(
        table,
        record_pk(failover.epoch),
        "SET #old = :old, #new = :new, #url = :url, #by = :by, #reason = :reason, #updated_at = :now",
        "attribute_not_exists(#new)",
        {
            ":old": failover.old,
            ":new": failover.new,
            ":url": failover.url,
            ":by": failover.by,
            ":reason": failover.reason,
            ":now": now,
        },
    )


def step_write(table: str, failover: Failover, step: Step, *, now: int) -> dict[str, Any]:
    """UpdateItem that stores a step; one that has ended is never written again."""
    done = failover.steps[step]
    name = f"#{step.value}"
    return update(
        table,
        record_pk(failover.epoch),
        f"SET {name} = :step, {name}_ended = :ended, #updated_at = :now",
        f"#new = :new AND (attribute_not_exists({name}_ended) OR {name}_ended = :zero)",
        {
            ":new": failover.new,
            ":step": json.dumps({"begun": done.begun, "evidence": done.evidence}, sort_keys=True),
            ":ended": done.ended,
            ":zero": 0,
            ":now": now,
        },
    )


def read_record(item: Item) -> Failover:
    """A stored record. Raises KeyError or ValueError."""
    values = from_item(item)
    failover = Failover(
        epoch=int(str(values["pk"]).removeprefix(PK_PREFIX)),
        old=str(values["old"]),
        new=str(values["new"]),
        url=str(values["url"]),
        by=str(values["by"]),
        reason=str(values["reason"]),
    )
    for step in Step:
        if step.value in values:
            stored = json.loads(values[step.value])
            done = Done(int(stored["begun"]), int(values[f"{step.value}_ended"]), stored["evidence"])
            failover = failover.with_step(step, done)
    return failover
