"""Workers of one system: started, killed in parts, lost with their host, stopped."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass, field
from typing import Final

import psutil

from bench.recovery.stage import Stage
from local.processes import ProcessError
from worker.supervisor.leases import LeaseTables

NEARVIEW: Final = "nearview"
KCL: Final = "kcl"
STOP_SECONDS: Final = 60


@dataclass(slots=True)
class Fleet:
    """The workers of a system, by name."""

    system: str
    stage: Stage
    names: list[str] = field(default_factory=list)
    _count: int = 0

    @property
    def application(self) -> str:
        """nearview has the lease tables of the templates, KCL makes its own."""
        return self.stage.storage.application if self.system == NEARVIEW else "plain-kcl"

    def start(self) -> str:
        """A new worker on a host of its own."""
        self._count += 1
        name = f"{self.system}-{self._count}"
        self.names.append(name)
        self._start(name)
        return name

    def kill(self, name: str) -> None:
        """The whole worker, at once; its host stays."""
        self.stage.processes.stop(name, grace_seconds=0)

    def again(self, name: str) -> None:
        """Start it again on the same host, as whoever looks after containers does."""
        self._start(name)

    def lose(self, name: str) -> None:
        """The worker with its host."""
        self.kill(name)
        self.names.remove(name)

    def stop(self, name: str) -> None:
        """Ask it to end, as a deployment does."""
        self.stage.processes.stop(name, grace_seconds=STOP_SECONDS)
        self.names.remove(name)

    def signal_child(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one child."""
        self._descendants(name, "worker.child")[0].send_signal(number)

    def kill_daemon(self, name: str) -> None:
        """Kill Java alone."""
        self._descendants(name, "MultiLangDaemon")[0].kill()

    def leader(self) -> str:
        """Who gives out leases."""
        found = self._tables().leader()
        return found.owner.partition(".")[0] if found else ""

    def owners(self) -> dict[str, str]:
        """The worker that has each shard; nobody while it is handed over."""
        return {
            lease.shard: "" if lease.checkpoint_owner else lease.owner.partition(".")[0]
            for lease in self._tables().leases()
        }

    def _tables(self) -> LeaseTables:
        return LeaseTables(self.stage.ministack.client("dynamodb"), self.application)

    def _start(self, name: str) -> None:
        environment = self.stage.environment(self.application)
        if self.system == NEARVIEW:
            command = [sys.executable, "-m", "worker.supervisor"]
            environment["NEARVIEW_WORKER_NAME"] = name
        else:
            command = [sys.executable, "-m", "bench.recovery.plain", name, str(self.stage.processes.folder / name)]
        self.stage.processes.start(name, command, env=environment)

    def _descendants(self, name: str, word: str) -> list[psutil.Process]:
        pid = self.stage.processes.pid(name)
        if pid is None:
            raise ProcessError(f"{name} does not run")
        found = [process for process in psutil.Process(pid).children(recursive=True) if word in process.cmdline()]
        return found or [
            process for process in psutil.Process(pid).children(recursive=True) if word in " ".join(process.cmdline())
        ]
