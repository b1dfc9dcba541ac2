"""Which children hang: busy with something, and without any sign of progress for too long.

A loop without end, a lock that nobody gives back or a stopped process would hold its shard for ever, because the daemon
goes on renewing the lease. KCL's own time-out is no help: it ends the daemon without its children, and it counts the
time that a batch rightly waits for DynamoDB.
"""

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worker import pulse
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
        for pid, number in pulses.items():
            seen = before.get(pid)
            still = seen is not None and seen.pulse == number != AT_REST
            self._seen[pid] = _Seen(number, seen.seconds + elapsed if seen and still else 0.0)
        return [pid for pid, seen in self._seen.items() if seen.seconds >= self._patience_seconds]


def pulse_of(pid: int, file: Path) -> int:
    """A child's pulse. One at rest has no need of any, unless the daemon has sent what it does not read."""
    number = pulse.read(file)
    return number if number > AT_REST or has_unread_input(pid) else AT_REST


def has_unread_input(pid: int) -> bool:
    """Whether something waits in the pipe that a process should read. Linux only; elsewhere nothing is known."""
    with contextlib.suppress(OSError):
        pipe = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
        try:
            (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, struct.pack("i", 0)))
            return bool(waiting)
        finally:
            os.close(pipe)
    return False
