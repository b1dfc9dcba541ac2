"""The wait until everything committed so far is in documents, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from local.processes import ProcessError, wait_until
from local.progress import health, is_quiet, source_position
from local.running import Running, StackError
from local.stack import WORKER, Stack
from local.standin import DMS


def wait_settled(stack: Stack, running: Running, seconds: float) -> None:
    """Return when everything committed so far is in documents and the worker is green.

    Raises ProcessError when the time is over or a process has died, StackError when a table is parked.
    """
    deadline = time.monotonic() + seconds
    position = source_position(running.source_url)
    stack.processes.wait_until(lambda: is_quiet(stack, running, position), seconds, "quiescence", [WORKER, DMS])
    wait_green(lambda: health(running), max(deadline - time.monotonic(), 0))


def wait_green(report: Callable[[], dict[str, Any]], seconds: float) -> None:
    """Return when /healthz has no problem. What only tells of slowness passes; a parked table does not.

    Raises StackError with its problems, a line each.
    """

    def ended() -> dict[str, Any] | None:
        found = report()
        return found if found.get("parked_tables") or not found.get("problems") else None

    try:
        last = wait_until(ended, seconds, "a green worker")
    except ProcessError:
        lines = "\n".join(report().get("problems", []))
        raise StackError(f"all records are read, but the worker is still red:\n{lines}") from None
    if last.get("problems"):
        raise StackError("all records are read, but not everything is in documents:\n" + "\n".join(last["problems"]))
