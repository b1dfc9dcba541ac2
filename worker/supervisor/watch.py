"""Looks after what no event announces: leaders of other hosts that are gone, parked tables, shards that wait."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.log import Event, Log
from worker.supervisor.aws import AwsError, reason
from worker.supervisor.health import Health
from worker.supervisor.leases import Leader, LeaseTables

# a leader renews its lock every 30 seconds
STALE_LEADER_SECONDS = 75.0


@dataclass(slots=True)
class LeaderWatch:
    """Remembers since when the lock has not changed, by our own clock: no two hosts' clocks are compared."""

    leader: Leader | None = None
    since: float = 0.0

    def is_stale(self, seen: Leader, now: float) -> bool:
        """Take in what the table says now; True if the holder has missed two heartbeats."""
        if seen != self.leader:
            self.leader, self.since = seen, now
            return False
        return now - self.since > STALE_LEADER_SECONDS


class Rounds:
    """What is done every few seconds beside the daemon. Nothing here may end the supervisor."""

    def __init__(
        self,
        tables: LeaseTables,
        parked: Callable[[], list[str]],
        stalled: Callable[[], list[str]],
        successor: Callable[[], str | None],
        health: Health,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._parked = parked
        self._stalled = stalled
        self._successor = successor
        self._health = health
        self._log = log
        self._clock = clock
        self._watch = LeaderWatch()

    def go(self) -> None:
        """One round."""
        try:
            self._free_stale_leader()
        except AwsError as error:
            self._log.warning(Event.LEASE_TABLE_FAILED, reason=reason(error))
        try:
            self._health.set_stalled(self._stalled())
            self._health.set_parked(self._parked())
        except Exception as error:  # noqa: BLE001 - the last known state stays; the next round asks again
            self._log.warning(Event.HEALTH_UNKNOWN, reason=reason(error))

    def _free_stale_leader(self) -> None:
        """Free a lock that is not renewed, and take over its holder's leases.

        Without a leader nobody else is given them, and KCL looks for a free lock only every half minute. Should the
        holder live after all, it loses its leases as it would to any other worker.
        """
        seen = self._tables.leader()
        if seen is None or not self._watch.is_stale(seen, self._clock()):
            return
        freed = self._tables.free_leader(seen)
        self._log.warning(Event.LEADER_STALE, worker=seen.owner, status="freed" if freed else "changed")
        if freed:
            successor = self._successor()
            count = self._tables.pass_on(lambda worker_id: worker_id == seen.owner, successor)
            self._log.info(Event.LEASES_FREED, leases=count, worker=successor or "")
