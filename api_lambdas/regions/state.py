"""What a dispatcher may do with a command, from what is known of the regions. Pure: times are handed in.

Queries never ask: they read the table of their region whatever anybody says of it. Commands fail closed: whenever it is
not known that this region, or the primary, may execute them, nothing is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from contract.regions import Facts, Primary, State

RETRY_SECONDS: Final = 5
"""After which a caller may try again where nobody knows better."""


class Reason(Enum):
    """Why commands are not taken, and what a caller is told."""

    FENCED = ("fenced", "this region takes no commands: it was closed by an operator")
    FAILOVER = ("failover", "this region takes no commands: its health checks fail")
    PRIMARY_FENCED = ("primary-fenced", "commands are closed by an operator")
    PRIMARY_FAILOVER = ("primary-failover", "the region that executes commands is not healthy")
    BREAKER_OPEN = ("breaker-open", "what executes commands did not answer the last ones")
    PRIMARY_UNREACHABLE = ("primary-unreachable", "the region that executes commands was not reached")
    NO_PRIMARY = ("no-primary", "no region executes commands at the moment")
    NOT_PRIMARY = ("not-primary", "the command was sent on to a region that does not execute commands")
    OLD_EPOCH = ("old-epoch", "the command was sent on by a region that does not know the same primary")
    UNCONFIRMED = ("unconfirmed", "the other regions did not confirm that this one executes commands")
    STATE_UNKNOWN = ("state-unknown", "it is not known which region executes commands")

    @property
    def code(self) -> str:
        """Its name for programs."""
        return self.value[0]

    @property
    def detail(self) -> str:
        """What the caller reads."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Execute:
    """This region is the primary of this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Another region is."""

    primary: Primary


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing may be sent."""

    reason: Reason
    retry_seconds: int = RETRY_SECONDS


Way = Execute | Forward | Closed


def way_of(region: str, facts: Facts | None, now: int, forwarded_epoch: int | None = None) -> Way:
    """Where a command goes that has come to `region`; `facts` None: nothing is known, or nothing new enough.

    `forwarded_epoch`: another region has sent it, which knew the primary of this epoch. Such a command goes no further.
    """
    if facts is None:
        return Closed(Reason.STATE_UNKNOWN)
    if (here := facts.standing(region, now)) is not State.ACTIVE:
        return Closed(Reason.FENCED if here is State.FENCED else Reason.FAILOVER)
    primary = facts.primary
    if primary is None:
        return Closed(Reason.NO_PRIMARY)
    if forwarded_epoch is not None and forwarded_epoch != primary.epoch:
        return Closed(Reason.OLD_EPOCH)
    if primary.region == region:
        return Execute(primary.epoch)
    if forwarded_epoch is not None:
        return Closed(Reason.NOT_PRIMARY)
    if (there := facts.standing(primary.region, now)) is not State.ACTIVE:
        return Closed(Reason.PRIMARY_FENCED if there is State.FENCED else Reason.PRIMARY_FAILOVER)
    return Forward(primary)
