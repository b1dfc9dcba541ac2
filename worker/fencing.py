"""Keeps the worker of a region that is no primary any more from writing, also if it is told nothing.

Two fleets that write one row each keep a version of their own, and what stays in a global table is what was written
last, not what is newest. So a worker with peer regions writes only

- in the primary, while the other regions' own replicas of the table of regions confirm that it is the primary, or
- in the region that a failover makes the primary, once the old one is closed and its confirmations have lapsed.

A word of a peer counts for `fence_seconds` from the moment it was asked for, by whichever of two clocks says more, and
must outlast the call that writes. A thread asks; the thread that writes only looks at what is known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from contract import regions
from contract.confirmation import Confirmations, Instant, to_be_asked
from contract.regions import MICROS, Facts
from contract.values import to_item
from worker.errors import TransientError
from worker.failover.plan import Failover, Step, read_record, record_pk
from worker.parked.limit import TELL_SECONDS, Held, Telling

LOOK_SECONDS: Final = 5.0
CALL_SECONDS: Final = 15.0
"""What a call that writes may take until it is at DynamoDB: longer than both its time-outs."""

SILENT_SECONDS: Final = 5.0
"""A worker that starts, or a short doubt, is nothing to tell."""


@dataclass(frozen=True, slots=True)
class May:
    """This region may write in an epoch, as far as those peers confirm it."""

    epoch: int
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It may not; `why` says what to do."""

    why: str


Right = May | Not


def right_of(region: str, peers: tuple[str, ...], facts: Facts, next_one: Failover | None, now: int) -> Right:
    """Whether a region's worker may write, by what its own replica says; `next_one`: the failover after the primary.

    While a failover is under way its new region writes before it is named: what it is to serve has to be there first.
    Nobody has to confirm that. The old region was closed in this replica, and its confirmations have lapsed.
    """
    primary = facts.primary
    if primary is None:
        return Not("no region is the primary yet: name the first one with `nearview failover register`")
    if next_one is not None and next_one.has_ended(Step.CLOSE):
        return May(next_one.epoch, ()) if next_one.new == region else Not(_other(next_one.new, next_one.epoch))
    if primary.region != region:
        return Not(_other(primary.region, primary.epoch))
    if facts.fenced_by_a_person(region, now):
        return Not(f"{region} was closed by an operator: a failover is under way, or ended elsewhere")
    return May(primary.epoch, to_be_asked(region, peers, facts, now))


def _other(region: str, epoch: int) -> str:
    return f"{region} is the primary (epoch {epoch}), its workers write: this region's can be stopped"


class Replica(Protocol):
    """The table of regions in one region, strongly consistent; any exception means that it was not read."""

    def facts(self, names: tuple[str, ...]) -> Facts:
        """What it says of the primary and of these regions."""

    def failover(self, epoch: int) -> Failover | None:
        """The record of the failover that leads to an epoch."""


class RegionsReplica:
    """The same over boto3."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def facts(self, names: tuple[str, ...]) -> Facts:
        """Raises for an answer that leaves items out, too: a fence may be among them."""
        answer = self._client.batch_get_item(**regions.read(self._table, names, consistent=True))
        if answer.get("UnprocessedKeys"):
            raise TransientError(f"{self._table}: not all items were read")
        return regions.facts(answer["Responses"].get(self._table, ()))

    def failover(self, epoch: int) -> Failover | None:
        """Raises for a record that cannot be understood."""
        key = to_item({"pk": record_pk(epoch)})
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return read_record(item) if item else None


@dataclass(frozen=True, slots=True)
class Word:
    """What was found at a look: the right, and since when it counts (None: a peer has not confirmed it)."""

    right: Right
    since: Instant | None
    silent: str = ""


class Fence:
    """Asked before every call that writes. `look` is for one thread, `check` for another."""

    def __init__(
        self,
        region: str,
        here: Replica,
        peers: Mapping[str, Replica],
        fence_seconds: float,
        clock: Callable[[], Instant],
        telling: Telling,
    ) -> None:
        self.region = region
        self._here = here
        self._peers = peers
        self._fence_seconds = fence_seconds
        self._clock = clock
        self._telling = telling
        self._confirmations = Confirmations()
        self._word = Word(Not("the table of regions was not read yet"), None)
        self._refused_at: float | None = None
        self._told_at = float("-inf")

    def check(self) -> None:
        """Return if a call may be made now that writes. Raises TransientError if not: it is to be tried again."""
        word, now = self._word, self._clock()
        if word.since is not None and word.since.seconds_until(now) + CALL_SECONDS <= self._fence_seconds:
            if self._refused_at is not None:
                self._refused_at = None
                self._told_at = float("-inf")
                self._telling.goes_on(Held.FENCED)
            return
        why = word.right.why if isinstance(word.right, Not) else self._unconfirmed(word)
        self._tell(why, now.steady)
        raise TransientError(f"fenced: {why}")

    def _unconfirmed(self, word: Word) -> str:
        silent = word.silent or "the table of regions"
        return (
            f"{silent} has not confirmed for {self._fence_seconds:g} seconds that {self.region} is the primary:"
            " mend the way there; if that region is lost, close it with `nearview failover fence`"
        )

    def _tell(self, why: str, now: float) -> None:
        if self._refused_at is None:
            self._refused_at = now
        if now - self._refused_at >= SILENT_SECONDS and now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._telling.holds(Held.FENCED, why)

    def look(self) -> None:
        """Read the region's own replica and ask the peers. What cannot be read leaves what was known before."""
        begun = self._clock()
        try:
            facts = self._here.facts((self.region, *self._peers))
            epoch = 0 if facts.primary is None else facts.primary.epoch + 1
            next_one = self._here.failover(epoch) if epoch else None
        except Exception:  # noqa: BLE001  whatever a library raises: nothing was read, and what was read before lapses
            return
        right = right_of(self.region, tuple(self._peers), facts, next_one, round(begun.wall * MICROS))
        if isinstance(right, Not):
            self._word = Word(right, None)
            return
        for peer in right.peers:
            self._ask(peer, right.epoch)
        self._word = self._found(right, begun)

    def keep_looking(self) -> None:
        """For ever; for a thread of its own."""
        while True:
            self.look()
            time.sleep(LOOK_SECONDS)

    def _ask(self, peer: str, epoch: int) -> None:
        asked = self._clock()
        try:
            facts = self._peers[peer].facts((self.region,))
        except Exception:  # noqa: BLE001  a peer that is not reached leaves what it said before, until that lapses
            return
        if facts.confirms(self.region, epoch, round(asked.wall * MICROS)):
            self._confirmations.granted(peer, epoch, asked)
        else:
            self._confirmations.denied(peer)

    def _found(self, right: May, begun: Instant) -> Word:
        """The right counts since its oldest ground: this look, or the oldest word of a peer."""
        since, oldest, now = begun, "", self._clock()
        for peer in right.peers:
            asked = self._confirmations.asked_at(right.epoch, peer)
            if asked is None:
                return Word(right, None, peer)
            if asked.seconds_until(now) > since.seconds_until(now):
                since, oldest = asked, peer
        return Word(right, since, oldest)


def begin(fence: Fence) -> None:
    """Look from now on, beside whatever else this process does."""
    threading.Thread(target=fence.keep_looking, name="fence", daemon=True).start()


def peers_of(text: str, here: str) -> Mapping[str, str]:
    """`us-east-1, ap-south-1=http://host:port`: regions other than `here`, each with an address of DynamoDB or ""."""
    entries = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    found = {region.strip(): endpoint.strip() for region, _, endpoint in entries}
    return {region: endpoint for region, endpoint in found.items() if region != here}
