"""Deaths for demo and tests: SIGKILL of one child, or of the whole worker, as a lost host would have it."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Final

import psutil

from local.processes import wait_until
from local.running import StackError
from local.stack import WORKER, Stack

PATIENCE_SECONDS: Final = 90


@dataclass(frozen=True, slots=True)
class ChildKill:
    """The moment, and the children of that time: with the daemon they all go."""

    at: float
    children: frozenset[int]


def kill_child(stack: Stack) -> ChildKill:
    """SIGKILL one shard's child."""
    children = wait_until(lambda: children_of(stack), PATIENCE_SECONDS, "a child to kill")
    children[0].send_signal(signal.SIGKILL)
    return ChildKill(time.monotonic(), frozenset(child.pid for child in children))


def all_new(stack: Stack, kill: ChildKill) -> bool:
    """Whether children run, and none of those before the kill."""
    pids = {child.pid for child in children_of(stack)}
    return bool(pids) and not pids & kill.children


def kill_worker(stack: Stack) -> float:
    """SIGKILL supervisor, daemon and children, as a lost host does; returns the moment."""
    stack.processes.stop(WORKER, grace_seconds=0)
    return time.monotonic()


def children_of(stack: Stack) -> list[psutil.Process]:
    """The processes that hold a shard. Raises StackError when the worker does not run."""
    pid = stack.processes.pid(WORKER)
    if pid is None:
        raise StackError("the worker does not run")
    try:
        found = psutil.Process(pid).children(recursive=True)
        return [process for process in found if "worker.child" in process.cmdline()]
    except psutil.Error:
        return []
