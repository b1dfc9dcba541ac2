"""About how many records lie behind a point of a shard, from a few reads spread over the time since then. Pure.

CloudWatch counts what comes in for the whole stream only, unless each shard's metrics are paid for, and does so some
minutes late. So windows are read: what is in them is known, between two of them their rate holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worker.replay.plan import Plan

READ_BYTES_PER_SECOND: Final = 2_000_000
"""What a shard gives to all that poll it."""

_MOST_PER_MILLI: Final = 1.0
"""Records: a shard takes a thousand a second, so a burst in a window says nothing about more than that."""


@dataclass(frozen=True, slots=True)
class Window:
    """Records read from `from_millis` on; the last of them came in at `to_millis`. `complete`: there are no more."""

    from_millis: int
    to_millis: int
    records: int
    payload_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """`read` of the records were read to know it; `exact` if all were."""

    records: int = 0
    payload_bytes: int = 0
    per_second: float = 0.0
    read: int = 0
    exact: bool = True


def estimate(windows: Sequence[Window], end_millis: int) -> Estimate:
    """What follows from disjoint windows in the order of their times, for the time up to `end_millis`."""
    if not windows:
        return Estimate()
    read = sum(window.records for window in windows)
    payload = sum(window.payload_bytes for window in windows)
    gaps: list[tuple[Window, Sequence[Window], int]] = [
        (window, (window, following), following.from_millis) for window, following in itertools.pairwise(windows)
    ]
    gaps.append((windows[-1], windows[-1:], end_millis))
    missing = sum(
        max(0, until - window.to_millis) * _rate(*around) for window, around, until in gaps if not window.complete
    )
    each = payload / read if read else 0.0
    return Estimate(
        round(read + missing),
        round(payload + missing * each),
        _rate(*windows[-2:]) * 1000,
        read,
        windows[-1].complete and missing == 0,
    )


def _rate(*windows: Window) -> float:
    millis = sum(max(1, window.to_millis - window.from_millis) for window in windows)
    return min(_MOST_PER_MILLI, sum(window.records for window in windows) / millis)


def catch_up_seconds(plan: Plan, estimates: Mapping[str, Estimate], records_per_second: float) -> float | None:
    """How long until the last shard is where it was; None if it comes in faster than it is read.

    Shards are read side by side, a child when its parents are done; meanwhile new records come.
    """
    done: dict[str, float] = {}
    for change in plan.changes:  # parents first
        own = shard_seconds(estimates.get(change.shard.name, Estimate()), records_per_second, change.shard.closed)
        if own is None:
            return None
        done[change.shard.name] = own + max((done.get(parent, 0.0) for parent in change.parents), default=0.0)
    return max(done.values(), default=0.0)


def shard_seconds(found: Estimate, records_per_second: float, closed: bool) -> float | None:
    """For one shard, not faster than it can be read."""
    each = found.payload_bytes / found.records if found.records else 0.0
    speed = min(records_per_second, READ_BYTES_PER_SECOND / each) if each else records_per_second
    spare = speed if closed else speed - found.per_second
    return found.records / spare if spare > 0 else None


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Of several shards together."""
    found = list(estimates)
    return Estimate(
        sum(one.records for one in found),
        sum(one.payload_bytes for one in found),
        sum(one.per_second for one in found),
        sum(one.read for one in found),
        all(one.exact for one in found),
    )
