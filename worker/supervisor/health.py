"""What the worker says about itself: green, or red with a line for each thing that somebody must see to."""

import threading
from typing import Any

from worker.log import Event, Log


class Health:
    """Set by the supervisor's threads, read by the HTTP server."""

    def __init__(self, log: Log) -> None:
        self._lock = threading.Lock()
        self._log = log
        self._daemon = "the daemon has not been started yet"
        self._parked: tuple[str, ...] = ()
        self._stalled: tuple[str, ...] = ()
        self._green: bool | None = None
        self.restarts = 0
        self.leases_taken = 0
        self.children_hung = 0

    def set_daemon(self, problem: str) -> None:
        """Why no daemon runs; empty while one does."""
        with self._lock:
            self._daemon = problem
        self._tell()

    def set_parked(self, lines: list[str]) -> None:
        """One line for each table that is parked, naming the setting of the DMS task to change."""
        with self._lock:
            self._parked = tuple(lines)
        self._tell()

    def set_stalled(self, lines: list[str]) -> None:
        """One line for each shard that waits, because the store does not answer or a batch does not end."""
        with self._lock:
            self._stalled = tuple(lines)
        self._tell()

    def count_restart(self) -> None:
        """A daemon ended without having been asked to."""
        with self._lock:
            self.restarts += 1

    def count_lease_taken(self) -> None:
        """A lease that nobody worked on was taken over."""
        with self._lock:
            self.leases_taken += 1

    def count_hung(self) -> None:
        """A child was ended because it hung."""
        with self._lock:
            self.children_hung += 1

    @property
    def daemon_runs(self) -> bool:
        """Whether a daemon runs."""
        return not self._daemon

    @property
    def green(self) -> bool:
        """Whether nobody has to act."""
        return not self.problems()

    def problems(self) -> list[str]:
        """Every line that makes it red."""
        with self._lock:
            return ([self._daemon] if self._daemon else []) + list(self._parked + self._stalled)

    def report(self) -> dict[str, Any]:
        """The body of /healthz."""
        problems = self.problems()
        return {
            "status": "red" if problems else "green",
            "problems": problems,
            "daemon_running": self.daemon_runs,
            "daemon_restarts": self.restarts,
            "parked_tables": len(self._parked),
            "stalled_shards": len(self._stalled),
        }

    def _tell(self) -> None:
        if self.green is not self._green:
            self._green = self.green
            self._log.info(
                Event.HEALTH_CHANGED, status="green" if self._green else "red", reason="; ".join(self.problems())
            )
