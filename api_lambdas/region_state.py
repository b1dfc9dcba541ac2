"""What a dispatcher may do with a command, from what is known of the regions. Pure: times are handed in.

Queries never ask: they read the table of their region whatever anybody says of it. Commands fail closed: whenever it is
not known that this region, or the primary, may execute them, nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment by two clocks, in seconds: a paused machine stops the one, a corrected time moves the other."""

    steady: float
    wall: float

    def seconds_until(self, later: Instant) -> float:
        """How much time has passed at most; without end if a clock went back."""
        steady, wall = later.steady - self.steady, later.wall - self.wall
        return float("inf") if steady < 0 or wall < 0 else max(steady, wall)


@dataclass(slots=True)
class Confirmations:
    """Which regions said, and when they were asked, that this one is the primary of an epoch."""

    epoch: int = 0
    asked: dict[str, Instant] = field(default_factory=dict)

    def granted(self, peer: str, epoch: int, asked: Instant) -> None:
        """`peer` said so; it counts from the moment it was asked, not from that of its answer."""
        self._turn_to(epoch)
        self.asked[peer] = asked

    def denied(self, peer: str) -> None:
        """`peer` said otherwise: at once nothing that it said before counts."""
        self.asked.pop(peer, None)

    def hold(self, epoch: int, peers: Iterable[str], now: Instant, fence_seconds: float, needed_seconds: float) -> bool:
        """Whether all peers' confirmations will still count when what takes `needed_seconds` is over."""
        return all(self.age(epoch, peer, now) + needed_seconds <= fence_seconds for peer in peers)

    def age(self, epoch: int, peer: str, now: Instant) -> float:
        """How old a peer's confirmation is; without end if there is none for this epoch."""
        asked = self.asked.get(peer) if epoch == self.epoch else None
        return float("inf") if asked is None else asked.seconds_until(now)

    def _turn_to(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self.asked.clear()


def to_be_asked(region: str, peers: Iterable[str], facts: Facts, now: int) -> tuple[str, ...]:
    """The peers whose confirmation is needed: all but those that a person has closed, which then can be no primary.

    One that was closed for a later epoch than the primary known here may be the primary of an epoch between the two.
    """
    epoch = -1 if facts.primary is None else facts.primary.epoch
    closed = {peer for peer in peers if facts.fenced_by_a_person(peer, now) and facts.overrides[peer].epoch <= epoch}
    return tuple(peer for peer in peers if peer != region and peer not in closed)
