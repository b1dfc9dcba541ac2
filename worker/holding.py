"""Says that a shard holds, and that it goes on: a log line and a metric, from which health and alarms take it."""

from __future__ import annotations

from worker import metrics
from worker.log import Event, Log
from worker.parked.limit import Held


class Holding:
    """Of one shard; `log` is bound to it."""

    def __init__(self, shard: str, log: Log) -> None:
        self._shard = shard
        self._log = log
        self._held: set[Held] = set()

    def holds(self, why: Held, message: str) -> None:
        """Tell it, again if it was told before."""
        self._held.add(why)
        metrics.observe_held(self._shard, why, held=True)
        self._log.error(Event.SHARD_HELD, reason=why, message=message)

    def goes_on(self, why: Held) -> None:
        """Tell it once, if it was told that it holds."""
        if why in self._held:
            self._held.discard(why)
            metrics.observe_held(self._shard, why, held=False)
            self._log.info(Event.SHARD_WENT_ON, reason=why)
