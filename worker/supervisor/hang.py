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

# a machine that was paused has shown nothing about a child
LONGEST_LOOK_SECONDS = 1.0
_NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Sign:
    """What a child shows: its pulse, and for how long in all it would have run had there been a processor for it."""

    pulse: int
    starved_seconds: float = 0.0


@dataclass(slots=True)
class _Seen:
    sign: Sign
    seconds: float


class HangWatch:
    """Adds up for how long each child's pulse was seen not to change while the child could have run."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._seen: dict[int, _Seen] = {}

    def hung(self, signs: Mapping[int, Sign], elapsed_seconds: float) -> list[int]:
        """Take in the signs by process id, so long after the last look, and return the processes that hang."""
        elapsed = min(elapsed_seconds, LONGEST_LOOK_SECONDS)
        before, self._seen = self._seen, {}
        for pid, sign in signs.items():
            seconds = 0.0
            if (seen := before.get(pid)) and seen.sign.pulse == sign.pulse != AT_REST:
                starved = sign.starved_seconds - seen.sign.starved_seconds
                seconds = seen.seconds + max(0.0, elapsed - starved)
            self._seen[pid] = _Seen(sign, seconds)
        return [pid for pid, seen in self._seen.items() if seen.seconds >= self._patience_seconds]


def sign_of(pid: int, file: Path) -> Sign:
    """What a child shows. One at rest has no need of a pulse, unless the daemon has sent what it does not read."""
    number = pulse.read(file)
    return Sign(number if number > AT_REST or has_unread_input(pid) else AT_REST, starved_seconds(pid))


def starved_seconds(pid: int) -> float:
    """How long a process's main thread has waited for a processor in all; 0 where nobody knows."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) * _NANO
    except (OSError, ValueError, IndexError):
        return 0.0


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
