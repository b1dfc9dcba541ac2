"""What a large delivery has taken goes back to the system."""

from __future__ import annotations

import subprocess
import sys

from worker.child.freed_memory import EVERY_SECONDS, FreedMemory


def test_memory_is_given_back_once_a_minute_at_most() -> None:
    times = iter([0.0, 1.0, EVERY_SECONDS, EVERY_SECONDS + 1, 3 * EVERY_SECONDS])
    trims: list[float] = []
    freed = FreedMemory(lambda: trims.append(1.0), lambda: next(times))

    done = []
    for _ in range(4):
        freed.give_back()
        done.append(len(trims))

    assert done == [0, 1, 1, 2]


def test_what_is_free_below_something_that_stays_goes_back_to_the_system() -> None:
    """The C library gives back by itself only what lies at the end of its heap."""
    program = """
import psutil
from worker.child.freed_memory import trim

resident = psutil.Process().memory_info
large = [bytes(1_000) for _ in range(50_000)]  # 50 MB, in pieces too large for Python's own arenas
stays = bytes(1_000)
full = resident().rss
del large
unasked = full - resident().rss
trim()
print(unasked, full - resident().rss)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    unasked, asked = (int(number) for number in told.split())

    assert unasked < 10_000_000 < 40_000_000 < asked
