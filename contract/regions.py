"""The table of regions: who executes commands, how each region stands, and the only ways to change that. Pure.

It is a global table: a condition is decided in the region where it is written, and of two regions' writes to one item
the later one stays, whatever its condition saw. So every item has one kind of writer, which writes in one region:

    region#<region>              the alarm function: what the health checks say
    operator#<region>            a person: stands above what the health checks say, until it expires
    primary                      a person: the region that executes commands; its epoch only rises
    breaker#<region>#<target>    the functions of that region: what they see themselves

All times are microseconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from contract.values import Item, from_item, to_item

PRIMARY: Final = "primary"
NO_END: Final = 0
MICROS: Final = 1_000_000
FIRST_EPOCH: Final = 1
"""Of a region that has taken over from no other."""
_NAMES: Final = re.compile(r"#[a-z_]+")


class State(Enum):
    """How a region stands."""

    ACTIVE = "active"
    FAILOVER = "failover"
    """Its API does not answer: others take over its readers, and nobody sends it commands."""

    FENCED = "fenced"
    """A person closed it to commands; no alarm opens it again."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the health checks said last; `epoch` rises with every event that was taken."""

    state: State
    epoch: int
    reason: str
    event_time: int


@dataclass(frozen=True, slots=True)
class Override:
    """What a person said; `epoch` is that of the primary it belongs to, `until` may be NO_END."""

    state: State
    epoch: int
    until: int
    by: str
    reason: str

    def holds(self, now: int) -> bool:
        """Whether it has not expired."""
        return self.until == NO_END or now < self.until


@dataclass(frozen=True, slots=True)
class Primary:
    """The region that executes commands, and the address of its API; `since` it was named, 0 if that is not known."""

    region: str
    epoch: int
    url: str
    since: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Circuit:
    """A stored breaker: `closed`, `open` or `half-open`."""

    state: str
    opened_at: int
    probe_owner: str
    probe_until: int
    reason: str


CLOSED: Final = Circuit("closed", 0, "", 0, "")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table says, as far as it was read and can be understood."""

    primary: Primary | None = None
    health: Mapping[str, Health] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    circuits: Mapping[str, Circuit] = field(default_factory=dict)

    def standing(self, region: str, now: int) -> State:
        """How a region stands: what a person said, else the health checks, else well: silence is no illness."""
        override = self.overrides.get(region)
        if override is not None and override.holds(now):
            return override.state
        health = self.health.get(region)
        return State.ACTIVE if health is None else health.state

    def fenced_by_a_person(self, region: str, now: int) -> bool:
        """Whether a person closed a region, which then can be no primary."""
        override = self.overrides.get(region)
        return override is not None and override.holds(now) and override.state is State.FENCED

    def confirms(self, region: str, epoch: int, now: int) -> bool:
        """Whether `region` is the primary of this epoch and nobody closed it."""
        primary = self.primary
        is_primary = primary is not None and (primary.region, primary.epoch) == (region, epoch)
        return is_primary and not self.fenced_by_a_person(region, now)


def health_pk(region: str) -> str:
    """Key of what the health checks say."""
    return f"region#{region}"


def operator_pk(region: str) -> str:
    """Key of what a person said."""
    return f"operator#{region}"


def breaker_pk(observer: str, target: str) -> str:
    """Key of a breaker: its observer's alone."""
    return f"breaker#{observer}#{target}"


def read(table: str, regions: Iterable[str], breakers: Iterable[str] = (), *, consistent: bool = False) -> Item:
    """BatchGetItem for `facts`: the primary, how these regions stand, and breakers by key."""
    names = list(dict.fromkeys(regions))
    keys = [PRIMARY, *map(health_pk, names), *map(operator_pk, names), *breakers]
    wanted: dict[str, Any] = {"Keys": [{"pk": {"S": key}} for key in keys]}
    return {"RequestItems": {table: {**wanted, **({"ConsistentRead": True} if consistent else {})}}}


def facts(items: Iterable[Item]) -> Facts:
    """What the items of the table say.

    One that cannot be understood is read as the most careful thing: no primary, fenced by a person; what a health
    check or a breaker said is left out.
    """
    primary: Primary | None = None
    health: dict[str, Health] = {}
    overrides: dict[str, Override] = {}
    circuits: dict[str, Circuit] = {}
    for item in items:
        values = from_item(item)
        kind, _, name = str(values.get("pk", "")).partition("#")
        try:
            if kind == PRIMARY:
                since = int(values.get("updated_at", 0))
                primary = Primary(str(values["region"]), int(values["epoch"]), str(values["url"]), since)
            elif kind == "region":
                health[name] = _health(values)
            elif kind == "operator":
                overrides[name] = _override(values)
            elif kind == "breaker":
                circuits[str(values["pk"])] = circuit(values)
        except (KeyError, ValueError, TypeError):
            if kind == "operator":
                overrides[name] = Override(State.FENCED, 0, NO_END, "", "the item cannot be understood")
    return Facts(primary, health, overrides, circuits)


def _health(values: Mapping[str, Any]) -> Health:
    state, epoch = State(values["state"]), int(values["epoch"])
    return Health(state, epoch, str(values.get("reason", "")), int(values["event_time"]))


def _override(values: Mapping[str, Any]) -> Override:
    by, reason = str(values.get("by", "")), str(values.get("reason", ""))
    return Override(State(values["state"]), int(values["epoch"]), int(values.get("until", NO_END)), by, reason)


def circuit(values: Mapping[str, Any]) -> Circuit:
    """A breaker's item. Raises KeyError or ValueError."""
    if values["state"] not in ("closed", "open", "half-open"):
        raise ValueError("not the state of a breaker")
    return Circuit(
        values["state"],
        int(values.get("opened_at", 0)),
        str(values.get("probe_owner", "")),
        int(values.get("probe_until", 0)),
        str(values.get("reason", "")),
    )


def health_write(
    table: str, region: str, state: State | None, *, reason: str, event_time: int, now: int, url: str, place: str
) -> dict[str, Any]:
    """UpdateItem by the alarm function; the condition fails for an event that is not newer than the one stored.

    `state` None: the checks know nothing, so the state stays, and older events count no longer.
    """
    return update(
        table,
        health_pk(region),
        f"SET #state = {':state' if state else 'if_not_exists(#state, :state)'}, #reason = :reason, #set_by = :by,"
        " #event_time = :event, #updated_at = :now, #url = :url, #place = :place ADD #epoch :one",
        "attribute_not_exists(#event_time) OR #event_time < :event",
        {
            ":state": (state or State.ACTIVE).value,
            ":reason": reason,
            ":event": event_time,
            ":now": now,
            ":url": url,
            ":place": place,
            ":by": "health",
            ":one": 1,
        },
    )


def operator_write(table: str, region: str, override: Override, *, now: int) -> dict[str, Any]:
    """UpdateItem by a person; the condition fails for an epoch below the one stored."""
    return update(
        table,
        operator_pk(region),
        "SET #state = :state, #epoch = :epoch, #until = :until, #by = :by, #reason = :reason, #updated_at = :now",
        "attribute_not_exists(#epoch) OR #epoch <= :epoch",
        {
            ":state": override.state.value,
            ":epoch": override.epoch,
            ":until": override.until,
            ":by": override.by,
            ":reason": override.reason,
            ":now": now,
        },
    )


def primary_write(table: str, primary: Primary, *, now: int) -> dict[str, Any]:
    """UpdateItem by a person; the condition fails unless the epoch rises. The same write again is no other primary."""
    return update(
        table,
        PRIMARY,
        "SET #region = :region, #epoch = :epoch, #url = :url, #updated_at = :now",
        "attribute_not_exists(#epoch) OR #epoch < :epoch OR (#epoch = :epoch AND #region = :region)",
        {":region": primary.region, ":epoch": primary.epoch, ":url": primary.url, ":now": now},
    )


def update(table: str, pk: str, expression: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
    """UpdateItem under a condition; every attribute is written `#name`, so that none can be a reserved word."""
    return {
        "TableName": table,
        "Key": {"pk": {"S": pk}},
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {name: name[1:] for name in _NAMES.findall(expression + condition)},
        "ExpressionAttributeValues": to_item(values),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
