"""Background processes of the local stack: started by name, found later, stopped with all they started.

Every process has a log file `logs/<name>.log` and a record `run/<name>.json` in the state folder, so that
another run of the CLI (or one after a crash) can stop it. A process is known by pid *and* start time, and all
its descendants carry a random mark in their environment: a reused pid is never signalled, an orphan is found.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
MARK = "NEARVIEW_LOCAL_MARK"  # the worker refuses other names that begin with NEARVIEW_
TAIL_LINES = 25
POLL_SECONDS = 0.05

T = TypeVar("T")

# Popen objects of this interpreter: polled so that the dead do not stay as zombies.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


class ProcessError(Exception):
    """A process did not start, died, or did not do in time what was waited for; str() is for users."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a started process: creation time in epoch seconds, where its part of the log begins."""

    name: str
    pid: int
    started: float
    mark: str
    command: tuple[str, ...]
    log_from: int = 0


def state_folder() -> Path:
    """Where the local stack keeps everything: NEARVIEW_LOCAL_DIR, else .nearview in the repository."""
    return Path(os.environ.get("NEARVIEW_LOCAL_DIR") or REPOSITORY / ".nearview").resolve()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], T | None], timeout_seconds: float, what: str) -> T:
    """Poll until the condition is true, return its value; ProcessError names `what` when time is over."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise ProcessError(f"{what}: not so after {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)
    return value


class Processes:
    """The named processes of one state folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder()

    def log_path(self, name: str) -> Path:
        """Where the process writes its stdout and stderr; earlier runs stay above."""
        return self.folder / "logs" / f"{name}.log"

    def names(self) -> list[str]:
        """Names that have a record: running, or died without having been stopped."""
        return sorted(path.stem for path in (self.folder / "run").glob("*.json"))

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Record:
        """Start a command in the background, `env` added to ours. ProcessError if that name runs already.

        What a crashed earlier run of that name left behind is killed first.
        """
        if self.alive(name):
            raise ProcessError(f"{name} runs already (pid {self._read(name).pid}); stop it first")
        self.stop(name, grace_seconds=0)
        mark = uuid.uuid4().hex
        for path in (self.log_path(name), self._record_path(name)):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path(name).open("ab") as log:
            log_from = log.tell()
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **(env or {}), MARK: mark},
                    cwd=cwd,
                    start_new_session=True,  # Ctrl-C in the terminal must not reach it past our own stop
                )
            except OSError as error:
                raise ProcessError(f"{name} could not be started ({shlex.join(command)}): {error}") from error
        _children[child.pid] = child
        record = Record(name, child.pid, psutil.Process(child.pid).create_time(), mark, tuple(command), log_from)
        self._write(record)
        return record

    def alive(self, name: str) -> bool:
        """Whether the process that was started under that name still runs (its leftovers do not count)."""
        try:
            return _leader(self._read(name)) is not None
        except KeyError:
            return False

    def pid(self, name: str) -> int | None:
        """The pid of the running process of that name."""
        return self._read(name).pid if self.alive(name) else None

    def stop(self, name: str, grace_seconds: float = 10) -> bool:
        """SIGTERM the process, SIGKILL what is left of its tree after the grace (0: SIGKILL at once).

        Returns whether anything ran. An unknown name is no error.
        """
        try:
            record = self._read(name)
        except KeyError:
            return False
        found = _tree(record)
        if grace_seconds > 0:
            _terminate(record, found, grace_seconds)
        while remaining := _tree(record):
            _signal(remaining, signal.SIGKILL)
            psutil.wait_procs(remaining, timeout=1)
        for process in found:
            if child := _children.get(process.pid):
                child.wait()  # its threads may end after it, and until then a dead child of ours keeps its pid
        self._record_path(name).unlink(missing_ok=True)
        return bool(found)

    def stop_all(self, grace_seconds: float = 10) -> None:
        """Stop every process that has a record."""
        for name in self.names():
            self.stop(name, grace_seconds)

    def tail(self, name: str, lines: int = TAIL_LINES) -> str:
        """The last lines of the log; of a process with a record, those since its start."""
        try:
            with self.log_path(name).open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(self._log_from(name), log.tell() - 64 * 1024))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def wait_until(
        self, condition: Callable[[], T | None], timeout_seconds: float, what: str, watch: Sequence[str] = ()
    ) -> T:
        """Like the function, but fail at once, with the log's tail, when a watched process has died."""

        def checked() -> T | None:
            if value := condition():
                return value
            for name in watch:
                if not self.alive(name):
                    raise ProcessError(f"{what}: {name} has died; the end of {self.log_path(name)}:\n{self.tail(name)}")
            return None

        try:
            value = wait_until(checked, timeout_seconds, what)
        except ProcessError as error:
            if not watch or "has died" in str(error):
                raise
            tails = "".join(f"\nthe end of {self.log_path(name)}:\n{self.tail(name)}" for name in watch)
            raise ProcessError(f"{error}{tails}") from None
        return value

    def _log_from(self, name: str) -> int:
        try:
            return self._read(name).log_from
        except KeyError:
            return 0

    def _record_path(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"

    def _read(self, name: str) -> Record:
        try:
            fields = json.loads(self._record_path(name).read_text())
        except (FileNotFoundError, ValueError):
            raise KeyError(name) from None
        return Record(**{**fields, "command": tuple(fields["command"])})

    def _write(self, record: Record) -> None:
        path = self._record_path(record.name)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(path)  # a reader never sees half a record


def _leader(record: Record) -> psutil.Process | None:
    if child := _children.get(record.pid):
        child.poll()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < 0.5
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _tree(record: Record) -> list[psutil.Process]:
    """The process and all it started, also what was orphaned; the mark finds those, the parent links the rest
    (PostgreSQL overwrites the environment that others can read)."""
    found: dict[int, psutil.Process] = {}
    leader = _leader(record)
    if leader:
        found[leader.pid] = leader
        with suppress(psutil.NoSuchProcess):
            found.update({child.pid: child for child in leader.children(recursive=True)})
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in found and process.environ().get(MARK) == record.mark:
                found[process.pid] = process
    return [process for process in found.values() if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    if child := _children.get(process.pid):
        child.poll()
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _terminate(record: Record, found: Iterable[psutil.Process], grace_seconds: float) -> None:
    """Ask the leader to end, as it knows the order; its orphans are asked when it is gone."""
    deadline = time.monotonic() + grace_seconds
    leader = _leader(record)
    if leader:
        _signal([leader], signal.SIGTERM)
        while _runs(leader) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    orphans = [process for process in found if _runs(process) and process != leader]
    _signal(orphans, signal.SIGTERM)
    while any(map(_runs, orphans)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)  # psutil compares the start time first: never a reused pid
