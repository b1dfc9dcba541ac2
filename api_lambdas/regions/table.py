"""The table of regions as a dispatcher sees it: read now and then, and confirmed in the other regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from api_lambdas.regions.settings import RegionSettings
from api_lambdas.regions.state import Closed, Execute, Reason, Way, way_of
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.log import Event, Log
from contract import regions
from contract.confirmation import Confirmations, Instant, to_be_asked
from contract.regions import MICROS, Circuit, Facts

AGAIN_SECONDS: Final = 1.0
"""What could not be read is not asked for again before: every look that fails takes its time-outs."""


class Store(Protocol):
    """DynamoDB of one region."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The reply. Raises StoreError or ConditionFailed."""


class Regions:
    """What is known of the regions in `region`, and where its commands go.

    `store` is the region's own DynamoDB, `peers` are those of the others. Reads are consistent ones of that region's
    replica. While the table cannot be read, what was read last counts for `stale_seconds`; then nothing is known.
    """

    def __init__(
        self,
        region: str,
        settings: RegionSettings,
        store: Store,
        peers: Mapping[str, Store],
        clock: Callable[[], Instant],
        log: Log,
        targets: tuple[str, ...] = (),
    ) -> None:
        self.region = region
        self._settings = settings
        self._store = store
        self._peers = peers
        self._clock = clock
        self._log = log
        self._breakers = tuple(regions.breaker_pk(region, target) for target in (*targets, *peers))
        self._facts: Facts | None = None
        self._read_at: Instant | None = None
        self._tried_at: Instant | None = None
        self._asked_at: dict[str, Instant] = {}
        self._learned: dict[str, Circuit] = {}
        self._confirmations = Confirmations()

    def way(self, needed_seconds: float, forwarded_epoch: int | None = None) -> Way:
        """Where a command that takes `needed_seconds` at most goes that has come to this region."""
        way = way_of(self.region, self.facts(), self.micros(), forwarded_epoch)
        if isinstance(way, Closed) and way.reason in (Reason.OLD_EPOCH, Reason.NOT_PRIMARY):
            way = way_of(self.region, self.facts(AGAIN_SECONDS), self.micros(), forwarded_epoch)  # who is behind: we?
        if isinstance(way, Execute) and not self._is_confirmed(way.epoch, needed_seconds):
            return Closed(Reason.UNCONFIRMED)
        return way

    def facts(self, max_age_seconds: float | None = None) -> Facts | None:
        """What the table says, not older than `cache_seconds`, or `stale_seconds` if it cannot be read."""
        now = self._clock()
        age = _age(self._read_at, now)
        wanted = self._settings.cache_seconds if max_age_seconds is None else max_age_seconds
        if age > wanted and _age(self._tried_at, now) >= min(AGAIN_SECONDS, self._settings.cache_seconds):
            self._tried_at = now
            self._read(now)
            age = _age(self._read_at, self._clock())
        return self._facts if age <= max(self._settings.cache_seconds, self._settings.stale_seconds) else None

    def taken_over_micros(self) -> int | None:
        """Since when the primary executes commands after another region did; None in the first epoch."""
        primary = None if self._facts is None else self._facts.primary
        return None if primary is None or primary.epoch == regions.FIRST_EPOCH else primary.since

    def circuit(self, pk: str) -> Circuit:
        """A breaker of this region as it was read or learned last; closed if nothing is known of it."""
        stored = self._facts.circuits.get(pk) if self._facts is not None else None
        return self._learned.get(pk) or stored or regions.CLOSED

    def learned(self, pk: str, circuit: Circuit) -> None:
        """What was just written or met: it counts until the table is read the next time."""
        self._learned[pk] = circuit

    def micros(self) -> int:
        """Now, in microseconds since 1970."""
        return round(self._clock().wall * MICROS)

    def _read(self, now: Instant) -> None:
        names = (self.region, *self._peers)
        try:
            self._facts = _facts(self._store, self._settings.table, names, self._breakers)
        except StoreError as error:
            self._log.write(Event.REGIONS_NOT_READ, region=self.region, code=error.code)
            return
        self._read_at = now
        self._learned.clear()

    def _is_confirmed(self, epoch: int, needed_seconds: float) -> bool:
        """Whether the other regions' word that we are the primary outlasts a command.

        A peer that a person has closed need not be asked, but that it is closed was read at some time as well.
        """
        facts, read_at = self._facts, self._read_at
        if facts is None or read_at is None:
            return False
        asked = to_be_asked(self.region, self._peers, facts, self.micros())
        for peer in asked:
            self._ask(peer, epoch)
        now, fence = self._clock(), self._settings.fence_seconds
        if len(asked) < len(self._peers) and _age(read_at, now) + needed_seconds > fence:
            return False
        return self._confirmations.hold(epoch, asked, now, fence, needed_seconds)

    def _ask(self, peer: str, epoch: int) -> None:
        """Ask a peer if its word is older than `cache_seconds`. One that does not answer leaves what it said before."""
        now, cache = self._clock(), self._settings.cache_seconds
        fresh = self._confirmations.age(epoch, peer, now) <= cache
        if fresh or _age(self._asked_at.get(peer), now) < min(AGAIN_SECONDS, cache):
            return
        self._asked_at[peer] = now
        try:
            facts = _facts(self._peers[peer], self._settings.table, (self.region,))
        except StoreError as error:
            self._log.write(Event.PEER_NOT_ASKED, region=peer, code=error.code)
            return
        if facts.confirms(self.region, epoch, self.micros()):
            self._confirmations.granted(peer, epoch, now)
        else:
            self._log.write(Event.PEER_DENIES, region=peer, epoch=epoch)
            self._confirmations.denied(peer)


def _facts(store: Store, table: str, names: tuple[str, ...], breakers: tuple[str, ...] = ()) -> Facts:
    """Raises StoreError, also for an answer that leaves items out: a fence may be among them."""
    reply = store.call("BatchGetItem", regions.read(table, names, breakers, consistent=True))
    if reply.get("UnprocessedKeys"):
        raise StoreError("BatchGetItem", "UnprocessedKeys", retryable=True)
    return regions.facts(reply.get("Responses", {}).get(table, ()))


def _age(then: Instant | None, now: Instant) -> float:
    return float("inf") if then is None else then.seconds_until(now)
