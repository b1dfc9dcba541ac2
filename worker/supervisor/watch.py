"""Looks after what no event announces: leaders of other hosts that are gone, leases that nobody works on, parked
tables, shards that wait."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from worker.log import Event, Log
from worker.supervisor.aws import AwsError, reason
from worker.supervisor.health import Health
from worker.supervisor.leases import Leader, Lease, LeaseTables

# a leader renews its lock every 30 seconds
STALE_LEADER_SECONDS = 75.0
# one that has stopped its reports as well, which are made by another thread, has not just missed a heartbeat
SILENT_LEADER_SECONDS = 35.0
LEAST_SILENCE_SECONDS = 20.0
SILENT_REPORTS = 4
LEASES_LOOK_SECONDS = 15.0
# KCL gives a handover 30 seconds and the failover time, and an expired lease to somebody else after the failover time
LEAST_PATIENCE_SECONDS = 60.0
PATIENCE_FAILOVERS = 6


def silence_seconds(report_millis: int) -> float:
    """For how long a worker that reports so often must have made no report to be called silent."""
    return max(LEAST_SILENCE_SECONDS, SILENT_REPORTS * report_millis / 1000)


def lease_patience_seconds(failover_millis: int) -> float:
    """How long a lease may stand still before somebody must take it."""
    return max(LEAST_PATIENCE_SECONDS, PATIENCE_FAILOVERS * failover_millis / 1000)


@dataclass(slots=True)
class LeaderWatch:
    """Remembers since when the lock, and its holder's reports, have not changed.

    By our own clock: no two hosts' clocks are compared. `silence_seconds` without a report are a sign of death.
    """

    silence_seconds: float
    leader: Leader | None = None
    since: float = 0.0
    report: str = ""
    reported: float = 0.0

    def is_stale(self, seen: Leader, report: str, now: float) -> bool:
        """Take in what the tables say now; True if the holder has missed two heartbeats, or one and its reports."""
        if report != self.report or seen.owner != (self.leader and self.leader.owner):
            self.report, self.reported = report, now
        if seen != self.leader:
            self.leader, self.since = seen, now
        silent = bool(report) and now - self.reported > self.silence_seconds
        return now - self.since > (SILENT_LEADER_SECONDS if silent else STALE_LEADER_SECONDS)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A lease that nobody works on, since when, and why that is known."""

    lease: Lease
    seconds: float
    reason: str


@dataclass(slots=True)
class _Seen:
    lease: Lease
    renewed: float
    handed: float


class LeaseWatch:
    """Remembers since when each lease has not been renewed, and since when it is being handed over, by our own clock.

    KCL's leader should see to both. But a lease that its own worker was to hand over, to one that died, is the leader's
    own in its eyes, while the worker waits for the dead one to give it away; a worker asked to hand over a shard that
    it has not begun yet may renew the lease for ever; and a leader may hold its lock and give out nothing.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._seen: dict[str, _Seen] = {}

    def stuck(self, leases: Iterable[Lease], now: float) -> list[Stuck]:
        """Take in what the table says now; return the leases that have stood still for too long."""
        before, self._seen = self._seen, {}
        for lease in leases:
            seen = before.get(lease.shard) or _Seen(lease, now, now)
            if lease.counter != seen.lease.counter:
                seen.renewed = now
            if (lease.owner, lease.checkpoint_owner) != (seen.lease.owner, seen.lease.checkpoint_owner):
                seen.renewed = seen.handed = now
            seen.lease = lease
            self._seen[lease.shard] = seen
        return [found for seen in self._seen.values() if (found := self._judge(seen, now))]

    def _judge(self, seen: _Seen, now: float) -> Stuck | None:
        unrenewed, handing = now - seen.renewed, now - seen.handed
        if unrenewed > self._patience_seconds:
            return Stuck(seen.lease, unrenewed, "not renewed")
        if seen.lease.checkpoint_owner and handing > self._patience_seconds:
            return Stuck(seen.lease, handing, "handover without end")
        return None


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
        patience_seconds: float,
        silence_seconds: float,
    ) -> None:
        """`successor` is the id of our worker while its daemon runs; `patience_seconds` is what a lease is given.

        `silence_seconds` is for how long a worker without a sign of life may still be alive.
        """
        self._tables = tables
        self._parked = parked
        self._stalled = stalled
        self._successor = successor
        self._health = health
        self._log = log
        self._clock = clock
        self._watch = LeaderWatch(silence_seconds)
        self._lease_watch = LeaseWatch(patience_seconds)
        self._next_look = float("-inf")

    def go(self) -> None:
        """One round."""
        now = self._clock()
        for look in (self._free_stale_leader, self._take_stuck_leases):
            try:
                look(now)
            except AwsError as error:
                self._log.warning(Event.LEASE_TABLE_FAILED, reason=reason(error))
        try:
            self._health.set_stalled(self._stalled())
            self._health.set_parked(self._parked())
        except Exception as error:  # noqa: BLE001 - the last known state stays; the next round asks again
            self._log.warning(Event.HEALTH_UNKNOWN, reason=reason(error))

    def _free_stale_leader(self, now: float) -> None:
        """Free a lock that is not renewed, and take over its holder's leases.

        Without a leader nobody else is given them, and KCL looks for a free lock only every half minute. Should the
        holder live after all, it loses its leases as it would to any other worker.
        """
        seen = self._tables.leader()
        if seen is None or not self._watch.is_stale(seen, self._tables.last_report(seen.owner), now):
            return
        freed = self._tables.free_leader(seen)
        self._log.warning(Event.LEADER_STALE, worker=seen.owner, status="freed" if freed else "changed")
        if freed:
            successor = self._successor()
            count = self._tables.pass_on(lambda worker_id: worker_id == seen.owner, successor)
            self._log.info(Event.LEASES_FREED, leases=count, worker=successor or "")

    def _take_stuck_leases(self, now: float) -> None:
        """Give our daemon, while it runs, the leases that nobody works on; its own are its own affair.

        A holder that lives after all loses them as it would to any other worker.
        """
        if now < self._next_look:
            return
        self._next_look = now + LEASES_LOOK_SECONDS
        stuck = self._lease_watch.stuck(self._tables.leases(), now)
        worker_id = self._successor()
        if worker_id is None:
            return
        for found in stuck:
            lease = found.lease
            ours = lease.owner == worker_id and not lease.checkpoint_owner
            taken = not ours and self._tables.take_over(lease, worker_id)
            self._log.warning(
                Event.LEASE_STUCK,
                shard=lease.shard,
                worker=lease.checkpoint_owner or lease.owner,
                reason=found.reason,
                seconds=round(found.seconds, 1),
                status="ours" if ours else "taken" if taken else "changed",
            )
            if taken:
                self._health.count_lease_taken()
