"""The part of the daemon's protocol that a handler without checkpoints needs: lines in, a status out."""

from __future__ import annotations

import sys
from collections.abc import Callable

INITIALIZED = b'{"action":"status","responseFor":"initialize"}\n'
PROCESSED = b'{"action":"status","responseFor":"processRecords"}\n'


def serve(handle: Callable[[bytes], None]) -> None:
    """Answer the first line, then give every line to `handle` and answer it."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    source.readline()
    target.write(INITIALIZED)
    target.flush()
    while line := source.readline():
        handle(line)
        target.write(PROCESSED)
        target.flush()
