"""The faults, one after the other on a fleet that works, and how long documents stood still after each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.recovery.fleet import NEARVIEW, Fleet
from bench.recovery.stage import Traffic
from local.processes import ProcessError, wait_until

START_SECONDS: Final = 400
SETTLE_SECONDS: Final = 8.0
GIVE_UP_SECONDS: Final = 300
"""Longer than KCL's two minutes for a dead leader's lock and what comes after them."""
HANG_GIVE_UP_SECONDS: Final = 120
MOVE_SECONDS: Final = 240
WATCH_SECONDS: Final = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seconds` is None if it did not end within `waited`."""

    fault: str
    seconds: float | None
    waited: float
    load: float


@dataclass(frozen=True, slots=True)
class Play:
    """A fleet under traffic."""

    fleet: Fleet
    traffic: Traffic
    say: Say

    def one_worker(self, faults: set[str]) -> list[Outcome]:
        """What may befall a worker whose host stays."""
        name = self.fleet.start()
        wait_until(self.traffic.flows, START_SECONDS, f"documents of {self.fleet.system}")
        steps: dict[str, tuple[Callable[[], None], int]] = {
            "child_killed": (lambda: self.fleet.signal_child(name, signal.SIGKILL), GIVE_UP_SECONDS),
            "daemon_killed": (lambda: self.fleet.kill_daemon(name), GIVE_UP_SECONDS),
            "worker_killed": (lambda: self._kill_and_start(name), GIVE_UP_SECONDS),
            "child_hung": (lambda: self.fleet.signal_child(name, signal.SIGSTOP), HANG_GIVE_UP_SECONDS),
        }
        found = [self._measure(fault, *step) for fault, step in steps.items() if fault in faults]
        if found and found[-1].seconds is None:
            self._mend(name)
        return found

    def two_workers(self, faults: set[str]) -> list[Outcome]:
        """What happens when a second one comes and when one of two is lost."""
        found = []
        if not self.fleet.names:
            self.fleet.start()
            wait_until(self.traffic.flows, START_SECONDS, f"documents of {self.fleet.system}")
        if faults & {"scale_out", "follower_lost", "leader_lost", "rolling_deploy", "scale_in"}:
            found.append(self._pause("scale_out", self._scale_out))
        if "follower_lost" in faults:
            found.append(self._measure("follower_lost", lambda: self._lose(leader=False), GIVE_UP_SECONDS))
            self._scale_out()
        if "leader_lost" in faults:
            found.append(self._measure("leader_lost", lambda: self._lose(leader=True), GIVE_UP_SECONDS))
            self._scale_out()
        if "rolling_deploy" in faults:
            found.append(self._pause("rolling_deploy", self._roll))
        if "scale_in" in faults:
            found.append(self._pause("scale_in", lambda: self.fleet.stop(self._other_than(self.fleet.leader()))))
        return [outcome for outcome in found if outcome.fault in faults]

    def _measure(self, fault: str, act: Callable[[], None], give_up: int) -> Outcome:
        """From the fault to the next change of every shard in its document."""
        self._settle()
        since = time.monotonic()
        act()
        shards = len(self.traffic.arrivals)
        seconds = None
        try:
            wait_until(lambda: len(self.traffic.recovered(since)) == shards, give_up, fault)
            seconds = max(self.traffic.recovered(since).values())
        except ProcessError:
            self.say(f"{self.fleet.system}: {fault}: not within {give_up} s")
        return self._told(Outcome(fault, seconds, give_up, os.getloadavg()[0]))

    def _pause(self, change: str, act: Callable[[], None]) -> Outcome:
        """A change that is wanted: the longest time that a document stood still in its course."""
        self._settle()
        since = time.monotonic()
        act()
        time.sleep(WATCH_SECONDS)
        wait_until(self.traffic.flows, GIVE_UP_SECONDS, f"documents after {change}")
        pause = self.traffic.longest_pause(since)
        return self._told(Outcome(change, pause, time.monotonic() - since, os.getloadavg()[0]))

    def _told(self, outcome: Outcome) -> Outcome:
        if outcome.seconds is not None:
            self.say(f"{self.fleet.system}: {outcome.fault}: {outcome.seconds:.1f} s (load {outcome.load:.1f})")
        return outcome

    def _settle(self) -> None:
        wait_until(self.traffic.flows, START_SECONDS, "all documents changing")
        time.sleep(SETTLE_SECONDS)
        wait_until(self.traffic.flows, START_SECONDS, "all documents changing")

    def _kill_and_start(self, name: str) -> None:
        self.fleet.kill(name)
        self.fleet.again(name)

    def _mend(self, name: str) -> None:
        """A hung child holds its shard for ever: end the worker with it, so that what follows has a sound one."""
        self._kill_and_start(name)
        wait_until(self.traffic.flows, START_SECONDS, "documents after a hung child was ended by hand")

    def _scale_out(self) -> None:
        self.fleet.start()
        wait_until(self._shared, MOVE_SECONDS, "leases with both workers")

    def _shared(self) -> bool:
        return set(self.fleet.owners().values()) == set(self.fleet.names) and self.fleet.leader() in self.fleet.names

    def _lose(self, *, leader: bool) -> None:
        holder = self.fleet.leader()
        self.fleet.lose(holder if leader else self._other_than(holder))

    def _other_than(self, name: str) -> str:
        (other,) = (worker for worker in self.fleet.names if worker != name)
        return other

    def _roll(self) -> None:
        """A new worker for each old one, which is asked to end when the new one runs, as ECS does."""
        for name in list(self.fleet.names):
            self.fleet.start()
            time.sleep(WATCH_SECONDS)
            self.fleet.stop(name)


ONE_WORKER: Final = ("child_killed", "daemon_killed", "worker_killed", "child_hung")
TWO_WORKERS: Final = ("scale_out", "follower_lost", "leader_lost", "rolling_deploy", "scale_in")
FAULTS: Final = (*ONE_WORKER, *TWO_WORKERS)


def play(fleet: Fleet, traffic: Traffic, faults: set[str], say: Say) -> list[Outcome]:
    """All of these faults, on a fleet that is empty before and after."""
    found = []
    course = Play(fleet, traffic, say)
    try:
        if faults & {*ONE_WORKER}:
            found += course.one_worker(faults)
        if faults & {*TWO_WORKERS}:
            found += course.two_workers(faults)
    finally:
        for name in list(fleet.names):
            fleet.stop(name) if fleet.system == NEARVIEW else fleet.lose(name)
    return found
