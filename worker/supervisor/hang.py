"""Which children hang: busy with something, and without any sign of progress for too long.

A loop without end, a lock that nobody gives back or a stopped process would hold its shard for ever, because the daemon
goes on renewing the lease. KCL's own time-out is no help: it ends the daemon without its children, and it counts the
time that a batch rightly waits for DynamoDB.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.pulse import AT_REST

# A machine that was paused, or so busy that nobody got on, has shown nothing about a child.
LONGEST_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class _Seen:
    pulse: int
    seconds: float


class HangWatch:
    """Adds up for how long each child's pulse was seen not to change."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._seen: dict[int, _Seen] = {}

    def hung(self, pulses: Mapping[int, int], elapsed_seconds: float) -> list[int]:
        """Take in the pulses by process id, so long after the last look, and return the processes that hang."""
        elapsed = min(elapsed_seconds, LONGEST_LOOK_SECONDS)
        before, self._seen = self._seen, {}
        for pid, pulse in pulses.items():
            seen = before.get(pid)
            still = seen is not None and seen.pulse == pulse != AT_REST
            self._seen[pid] = _Seen(pulse, seen.seconds + elapsed if seen and still else 0.0)
        return [pid for pid, seen in self._seen.items() if seen.seconds >= self._patience_seconds]
