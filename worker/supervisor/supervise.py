"""Keeps one daemon running: starts it, watches it and its children, cleans up behind it, starts the next.

A child that dies takes its daemon along, but only after the daemon's whole shutdown grace, and the dead daemon would
keep leases and leader lock for up to two minutes. So a dead child is noticed here, the daemon is killed at once, and
its successor inherits the leases. The other shards lose nothing by it: they have checkpointed behind every delivery,
and what they are at is done once more. A child that hangs is treated as a dead one.
"""

import contextlib
import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable
from typing import Protocol

from worker.log import Event, Log
from worker.run_folder import RunFolder
from worker.supervisor.aws import AwsError, reason
from worker.supervisor.collector import ChildMetrics, process_is_gone
from worker.supervisor.hang import HangWatch, sign_of
from worker.supervisor.health import Health
from worker.supervisor.leases import LeaseTables

LOOK_SECONDS = 0.25
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 30.0
# a daemon that ran this long had started well, so the back-off begins anew
GOOD_RUN_SECONDS = 60.0
# beyond the daemon's own grace, for the Java process to end
EXIT_SECONDS = 3.0


class RunningDaemon(Protocol):
    """What the supervisor needs of a daemon (worker.supervisor.daemon.Daemon)."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def terminate(self) -> None:
        """Ask it to stop."""

    def kill(self) -> None:
        """End it."""

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""


class Supervisor:
    """Runs daemons one after the other until `stop` is set.

    `start_daemon` takes the worker id of the new run. Worker ids are `<name>.<random>`, fresh for each run, so that
    those of earlier runs are known to be dead. `worker_id` is that of the daemon that runs, if one does.
    """

    def __init__(
        self,
        name: str,
        start_daemon: Callable[[str], RunningDaemon],
        tables: LeaseTables,
        folder: RunFolder,
        children: ChildMetrics,
        health: Health,
        hangs: HangWatch,
        grace_seconds: float,
        log: Log,
        stop: threading.Event,
    ) -> None:
        self._name = name
        self._start_daemon = start_daemon
        self._tables = tables
        self._folder = folder
        self._children = children
        self._health = health
        self._hangs = hangs
        self._grace_seconds = grace_seconds
        self._log = log
        self._stop = stop
        self.worker_id: str | None = None

    def run(self) -> None:
        """Return after a requested stop, when the daemon has ended and its leases and lock are free for others."""
        failures = 0
        while not self._stop.is_set():
            worker_id = f"{self._name}.{secrets.token_hex(4)}"
            self._clean_up(successor=worker_id)
            started = time.monotonic()
            self._run_once(worker_id)
            if self._stop.is_set():
                break
            self._health.count_restart()
            failures = 1 if time.monotonic() - started >= GOOD_RUN_SECONDS else failures + 1
            self._stop.wait(back_off_seconds(failures))
        self._clean_up(successor=None)

    def _run_once(self, worker_id: str) -> None:
        daemon = self._start_daemon(worker_id)
        self._log.info(Event.DAEMON_STARTED, worker=worker_id, pid=daemon.pid)
        self._health.set_daemon("")
        self.worker_id = worker_id
        self._watch(daemon)
        self.worker_id = None
        if daemon.exit_code() is None:
            self._end(daemon)
        code = daemon.exit_code()
        self._health.set_daemon("" if self._stop.is_set() else f"the daemon ended with exit code {code}")
        self._log.info(Event.DAEMON_EXITED, worker=worker_id, exit_code=code or 0)
        self._bury_children()

    def _watch(self, daemon: RunningDaemon) -> None:
        """Return when the daemon has ended, is doomed by the loss of a child, or a stop is wanted."""
        looked = time.monotonic()
        while daemon.exit_code() is None and not self._stop.wait(LOOK_SECONDS):
            lost = self._dead_children()
            self._children.sweep(process_is_gone)
            now = time.monotonic()
            lost |= self._hung_children(now - looked)
            looked = now
            if lost:
                return

    def _end(self, daemon: RunningDaemon) -> None:
        if self._stop.is_set():
            self._log.info(Event.STOP_REQUESTED, pid=daemon.pid)
            daemon.terminate()
            if daemon.wait(self._grace_seconds + EXIT_SECONDS):
                return
        self._log.warning(Event.DAEMON_KILLED, pid=daemon.pid)
        daemon.kill()
        daemon.wait(EXIT_SECONDS)

    def _dead_children(self) -> dict[int, str]:
        dead = {pid: shard for pid, shard in self._folder.registered().items() if process_is_gone(pid)}
        for pid, shard in dead.items():
            self._folder.leave(pid)
            self._log.error(Event.CHILD_DIED, shard=shard, pid=pid)
        return dead

    def _hung_children(self, elapsed_seconds: float) -> dict[int, str]:
        """Those that hang, killed: they would not even see the end of their daemon."""
        children = self._folder.registered()
        signs = {pid: sign_of(pid, self._folder.pulse(pid)) for pid in children}
        hung = {pid: children[pid] for pid in self._hangs.hung(signs, elapsed_seconds)}
        for pid, shard in hung.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._folder.leave(pid)
            self._health.count_hung()
            self._log.error(Event.CHILD_HUNG, shard=shard, pid=pid)
        return hung

    def _bury_children(self) -> None:
        """Forget the children of a daemon that has ended; they end by themselves. Reap those that were left to us."""
        for pid in self._folder.registered():
            self._folder.leave(pid)
        reap()
        self._children.sweep(process_is_gone)

    def _clean_up(self, successor: str | None) -> None:
        """Pass on the leases, and free the leader lock, of all workers of our name: none of them runs any more."""
        try:
            self._free(successor)
        except AwsError as error:
            # KCL finds out by itself, only later; without a lease table there is nothing to free
            if reason(error) != "ResourceNotFoundException":
                self._log.warning(Event.LEASE_TABLE_FAILED, reason=reason(error))

    def _free(self, successor: str | None) -> None:
        leader = self._tables.leader()
        if leader and self._is_ours(leader.owner) and self._tables.free_leader(leader):
            self._log.info(Event.LEADER_FREED, worker=leader.owner)
        count = self._tables.pass_on(self._is_ours, successor)
        if count:
            self._log.info(Event.LEASES_FREED, leases=count, worker=successor or "")

    def _is_ours(self, worker_id: str) -> bool:
        return worker_id.rpartition(".")[0] == self._name


def back_off_seconds(failures: int) -> float:
    """How long to wait after that many failures in a row, jittered; the first one may have been chance."""
    if failures <= 1:
        return 0.0
    longest = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures - 2, 10))
    return longest * random.uniform(0.5, 1.0)


def reap() -> None:
    """Collect every ended process that was left to this one, the container's first. No daemon may run."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
