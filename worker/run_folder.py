"""The folder that a supervisor shares with the children of its daemon.

A child registers its process when it begins and leaves only when it ends as the protocol wants it to. A process
that is registered but gone has therefore died, which dooms its daemon.
"""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "nearview-run-"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths below `root`."""

    root: Path

    @classmethod
    def create(cls) -> "RunFolder":
        """A new, private and empty folder below the temporary folder; those of killed supervisors are removed."""
        _remove_abandoned(Path(tempfile.gettempdir()))
        folder = cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
        folder.metrics.mkdir()
        folder.children.mkdir()
        folder.pulses.mkdir()
        _lock(folder.root)
        return folder

    @property
    def metrics(self) -> Path:
        """The value of PROMETHEUS_MULTIPROC_DIR."""
        return self.root / "metrics"

    @property
    def children(self) -> Path:
        """One file per registered child, named by its process id, with the shard in it."""
        return self.root / "children"

    @property
    def pulses(self) -> Path:
        """One file per registered child, named by its process id, with its pulse (worker.pulse) in it."""
        return self.root / "pulses"

    def pulse(self, pid: int) -> Path:
        """Where process `pid` keeps its pulse."""
        return self.pulses / str(pid)

    def register(self, pid: int, shard: str) -> None:
        """Record that process `pid` holds `shard`, empty as long as it has not been told which."""
        (self.children / str(pid)).write_text(shard, encoding="utf-8")

    def leave(self, pid: int) -> None:
        """Record that process `pid` ends by itself and in good order, or that its death was dealt with."""
        (self.children / str(pid)).unlink(missing_ok=True)
        self.pulse(pid).unlink(missing_ok=True)

    def registered(self) -> dict[int, str]:
        """Shard by process id of all that registered and did not leave."""
        found = {}
        for path in self.children.iterdir():
            try:
                found[int(path.name)] = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
        return found


def _lock(root: Path) -> None:
    """Mark the folder as in use until this process ends, however it ends: the lock goes with its open files."""
    new = root / "lock.new"
    descriptor = os.open(new, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    new.rename(root / "lock")


def _remove_abandoned(temporary: Path) -> None:
    for lock in temporary.glob(f"{_PREFIX}*/lock"):
        try:
            with lock.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # in use, or another user's
            continue
