"""What a drill's callers saw, as times: pure sums over what was noted, and the same with slower services.

The automatic part begins with the cut and ends when readers of the lost region are answered by the other one and every
command is refused with a reason. Two things run side by side in it: commands are refused by what the other region's
functions see themselves, and readers go where the name service sends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from local.drill_clients import Seen

PHASES: Final = 60
"""A delay that is as likely short as long is looked at in so many places."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How health checks and names are set: seconds, and failures in a row."""

    interval: float
    threshold: int
    timeout: float
    ttl: float


ROUTE_53: Final = Delays(interval=10, threshold=3, timeout=4, ttl=30)
"""Fast health checks of 60-health, and how long 70-routing lets resolvers keep the name (RecordSeconds)."""


@dataclass(frozen=True, slots=True)
class Automatic:
    """Seconds from the cut: until it was detected, reads were answered again, commands were refused; all of it."""

    detect: float
    reads: float
    refused: float

    @property
    def all(self) -> float:
        """When the last of it was so."""
        return max(self.reads, self.refused)


def first_ok(seen: Iterable[Seen], since: float, region: str = "") -> float | None:
    """When the first success of a request ended that was begun after a moment; of a region, if one is named."""
    ends = [s.ended for s in seen if s.begun >= since and 200 <= s.status < 300 and region in ("", s.region)]
    return min(ends, default=None)


def first_refusal(seen: Iterable[Seen], since: float) -> float | None:
    """When the first refusal with a reason ended."""
    return min((s.ended for s in seen if s.begun >= since and s.is_refusal), default=None)


def unavailable_seconds(seen: Sequence[Seen], since: float) -> float | None:
    """The longest time from a moment on without a success, counted from the end of the last one before it.

    None if there was no success any more.
    """
    ends = sorted(s.ended for s in seen if 200 <= s.status < 300)
    before = [end for end in ends if end <= since]
    after = [end for end in ends if end > since]
    if not after:
        return None
    times = [*(before[-1:] or [since]), *after]
    return max(later - earlier for earlier, later in pairwise(times))


def with_delays(found: Automatic, as_run: Delays, delays: Delays) -> dict[str, Any]:
    """The automatic part as it would be with other delays: what is not delay stays as it was measured.

    A check may ask just before the cut or a whole interval before, and a resolver may have asked for the name just
    before the change or a whole time to live before: so there is no one figure. Given are the middle of all phases, the
    longest, and the share below 83 seconds.
    """
    own = max(0.0, found.reads - found.detect - as_run.ttl / 2)  # a caller's time-out, the answer itself
    fixed = _after_first(delays) + own
    phases = [phase / PHASES for phase in range(PHASES + 1)]
    reads = [check * delays.interval + fixed + kept * delays.ttl for check in phases for kept in phases]
    times = sorted(max(found.refused, time) for time in reads)
    below = sum(time < PUBLISHED_SECONDS for time in times) / len(times)
    return {
        "middle": round(times[len(times) // 2], 1),
        "longest": round(times[-1], 1),
        "share_below_83": round(below, 3),
    }


PUBLISHED_SECONDS: Final = 83.0
"""A hand-free failover of readers that somebody has published."""


def _after_first(delays: Delays) -> float:
    """From the first failing check's begin until the state changes: its followers, and the last one's time-out."""
    return (delays.threshold - 1) * max(delays.interval, delays.timeout) + delays.timeout
