"""Reads a few windows of a shard, to know about how much lies behind a point. Costs a handful of reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from worker.replay.estimate import Estimate, Window, estimate
from worker.replay.plan import First
from worker.replay.stream import Page, Start, Stream, at_number, at_time, behind

WINDOWS: Final = 5
PAUSE_SECONDS: Final = 0.3
"""Between two reads of a shard: its workers read it, too, and it answers five reads a second."""

EMPTY_PAGES: Final = 20
"""In a row, after which a window is taken for empty: a long quiet time has many."""


def sample(
    stream: Stream, shard: str, first: First, now_millis: int, sleep: Callable[[float], None] = time.sleep
) -> Estimate:
    """What lies in a shard from its first record on."""
    windows: list[Window] = []
    start, begin = at_number(first.sequence), first.arrival_millis
    for number in range(1, WINDOWS + 1):
        window, last = _window(stream, shard, start, begin, sleep)
        windows.append(window)
        if window.complete:
            break
        begin = first.arrival_millis + (now_millis - first.arrival_millis) * number // WINDOWS
        if begin <= window.to_millis:  # windows must not overlap
            start, begin = behind(last), window.to_millis
        else:
            start = at_time(begin)
    return estimate(windows, now_millis)


def _window(
    stream: Stream, shard: str, start: Start, from_millis: int, sleep: Callable[[float], None]
) -> tuple[Window, str]:
    page = Page((), at_tip=True, ended=False)
    for number, page in enumerate(stream.pages(shard, start)):
        sleep(PAUSE_SECONDS)
        if page.records or page.at_tip or page.ended or number == EMPTY_PAGES:
            break
    records = page.records
    size = sum(len(record.data) for record in records)
    to_millis = records[-1].arrival_millis if records else from_millis
    complete = page.at_tip or page.ended
    return Window(from_millis, to_millis, len(records), size, complete), records[-1].number if records else ""
