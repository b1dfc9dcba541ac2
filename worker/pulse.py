"""This process's pulse: a number in a file of the run folder, by which the supervisor knows a hung child.

It changes with whatever shows that there is progress: an answer of DynamoDB, a pause before a request is tried again,
an action of the daemon. At rest, while nothing has to be done before the daemon acts, it is below 0. Only the
difference counts, so no clock is read. It is that of the thread that works on the shard: one beside it that gets on
shows nothing. A process that was given no file, which is any but a child, has none.
"""

import itertools
import mmap
import struct
import threading
import time
from pathlib import Path

AT_REST = 0
_NUMBER = struct.Struct("<q")
_numbers = itertools.count(1)
_memory: mmap.mmap | None = None
_thread = 0


def begin(path: Path) -> None:
    """Keep the pulse of this thread in that file from here on, at rest."""
    global _memory, _thread
    _thread = threading.get_ident()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_NUMBER.pack(AT_REST))
    with path.open("r+b") as file:
        _memory = mmap.mmap(file.fileno(), _NUMBER.size)


def beat() -> None:
    """Something has been done, or is about to be."""
    if _memory is not None and threading.get_ident() == _thread:
        _NUMBER.pack_into(_memory, 0, next(_numbers))


def rest() -> None:
    """There is nothing to do until somebody else acts."""
    if _memory is not None and threading.get_ident() == _thread:
        _NUMBER.pack_into(_memory, 0, -next(_numbers))


def sleep(seconds: float) -> None:
    """Wait, a few seconds at most, for what is not ready: that is no standstill."""
    beat()
    time.sleep(seconds)
    beat()


def read(path: Path) -> int:
    """The pulse of another process: above AT_REST while it is busy; AT_REST if it has none yet, or none any more."""
    try:
        return int(_NUMBER.unpack(path.read_bytes())[0])
    except (OSError, struct.error):
        return AT_REST
