"""One seed from its scenario to its findings: real children under a daemon stand-in, on a store that faults strike.

Nothing happens by itself: every child that works waits for an answer, and one of them, drawn from the seed, gets it. So
a seed fixes who does what before whom, as far as processes can be held: a run of it alone shows the same again.
"""

from __future__ import annotations

import signal
import time
from typing import BinaryIO, Final

from tests.soak.child import Launcher
from tests.soak.daemon import Daemon
from tests.soak.leases import Holder
from tests.soak.outcome import Outcome, of_records
from tests.soak.rows import Scenario
from tests.soak.shards import Shard
from tests.soak.watch import ROWS, differences

_DUE: Final = "#due"
_PATIENCE_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 600.0
_EMPTY_DELIVERIES: Final = 200
_ENOUGH: Final = 5


class Play(Daemon):
    """One seed's run."""

    def __init__(self, scenario: Scenario, launcher: Launcher, log: BinaryIO, mutant: str = "") -> None:
        super().__init__(scenario, launcher, log, mutant)
        self._ends = time.monotonic() + _LONGEST_SECONDS

    def run(self) -> Outcome:
        """To the end, whatever it is; no process is left."""
        try:
            while not self._is_over():
                self._gather()
                if not self._act():
                    break
            self._end_quietly()
        finally:
            self._end_by_force()
        self._judge()
        return self.outcome

    # --- who may do something -------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if time.monotonic() > self._ends or self._empty > _EMPTY_DELIVERIES:
            self.outcome.broken.append("it never came to an end")
            return True
        if len(self.outcome.broken) > _ENOUGH:
            return True
        if any(not holder.owns for holder in self.holders):
            return False
        rested = all(shard.ended or self._rests(shard) for shard in self.shards)
        return rested and _DUE not in self.watch.tables.tables[ROWS].partitions

    def _rests(self, shard: Shard) -> bool:
        holder = self._owner(shard)
        if holder is None or shard.closes or shard.checkpoint < shard.last:
            return False
        return holder.idle and holder.child.waits and not holder.child.inbox

    def _gather(self) -> None:
        """Wait until every child that works has said something, and start those that are missing."""
        for shard in self.shards:
            if not shard.ended and shard.may_begin and self._owner(shard) is None:
                self._start(shard)
        patience = time.monotonic() + _PATIENCE_SECONDS
        self._take(0.0)
        while any(holder.works for holder in self.holders) and time.monotonic() < patience:
            self._take(0.02)
        for holder in self.holders:
            if holder.works:
                holder.child.no_longer_in_order()

    def _take(self, seconds: float) -> None:
        for asked in self._hub.poll(seconds):
            for holder in self.holders:
                if holder.child.name == asked.by:
                    holder.child.asked(asked)

    def _act(self) -> bool:
        """Let somebody drawn do something; False if nobody can."""
        able = [
            holder
            for holder in self.holders
            if not holder.stopped and (holder.child.inbox or holder.idle_untold or self._wants(holder))
        ]
        asleep = [holder for holder in self.holders if holder.stopped]
        if asleep and (not able or self._rng.random() < 0.01):
            self._wake(self._rng.choice(asleep))
            return True
        if not able:
            return any(holder.works for holder in self.holders)
        holder = self._rng.choices(able, [each.weight for each in able])[0]
        if not holder.owns and holder.idle and not holder.child.inbox:
            self._lose(holder)
            return True
        for _ in range(self._rng.choice((1, 1, 2, 4, 12))):
            if holder.child.inbox and not holder.stopped and not (self._wants(holder) and self._rng.random() < 0.2):
                self._answer(holder, holder.child.inbox.popleft())
            elif self._wants(holder):
                self._deliver(holder)
            self._gather()
        return True

    def _wants(self, holder: Holder) -> bool:
        """Whether the daemon has something for it: records, the end, a checkpoint to be made up for, due work."""
        shard = holder.shard
        if not (holder.owns and holder.idle and (holder.child.waits or holder.child.inbox)):
            return False
        behind = shard.closes or holder.delivered < shard.last or shard.checkpoint < shard.last
        return behind or _DUE in self.watch.tables.tables[ROWS].partitions

    # --- the end --------------------------------------------------------------------------------------------------

    def _end_quietly(self) -> None:
        """Everybody is told that the daemon is done."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        self.weather.calm = True
        for holder in self.holders:
            if holder.idle:
                holder.tell("leaseLost")
                holder.owns = False
        while self.holders and time.monotonic() < ends and not self.outcome.broken:
            self._take(0.02)
            for holder in list(self.holders):
                if holder.child.inbox and not holder.stopped:
                    self._answer(holder, holder.child.inbox.popleft())

    def _end_by_force(self) -> None:
        for holder in self.holders:
            holder.child.signal(signal.SIGKILL)
            holder.child.reap()
        self._hub.close()

    def _judge(self) -> None:
        outcome, watch = self.outcome, self.watch
        wanted = self._shop.documents()
        self._shop.close()
        lost, outcome.different = differences(watch, wanted)
        outcome.lost = lost + watch.too_early
        outcome.backward = watch.backward
        outcome.documents, outcome.requests = len(wanted), self._store.requests
        outcome.faults.update({fault.value: count for fault, count in self.weather.struck.items()})
        outcome.faults.update(of_records(self.shards, self.scenario))
