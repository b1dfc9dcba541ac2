"""Who confirms that a region is the primary, and for how long. Pure: times are handed in.

A primary does what only one region may do as long as the other regions' own replicas of the table of regions have said
that it is the primary. Whoever wants another primary has it fenced there first and waits until the last word has
lapsed: by then the old one has stopped, also if it hears of nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.regions import Facts


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
        asked = self.asked_at(epoch, peer)
        return float("inf") if asked is None else asked.seconds_until(now)

    def asked_at(self, epoch: int, peer: str) -> Instant | None:
        """When a peer was asked that has confirmed this epoch; None if it has not."""
        return self.asked.get(peer) if epoch == self.epoch else None

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
