"""Plays KCL's daemon for a real child process over pipes, and reads from the kernel what the child used.

Every compared program speaks the same protocol: lines of records in, checkpoints and a status out. Only the child's own
processor time is counted: neither the table server's nor this process's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson
from prometheus_client.multiprocess import MultiProcessCollector

from bench.table_server import ROOT, Server

WORKER: Final = "worker.child"
ROWS, DOCUMENTS, PARKED = "rows", "documents", "parked"
DOCUMENT_INDEXES: Final = 4
"""As many as a documents table has in the templates."""

NOTHING: Final = orjson.dumps({"action": "processRecords", "records": [], "millisBehindLatest": 0}) + b"\n"
REST_SECONDS: Final = 1.2

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class ChildFailed(Exception):
    """A child ended or said something that no daemon expects; the text holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a child used for some lines. `write_units` and `read_units` by table, as DynamoDB would count them."""

    records: int
    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float
    read_units: dict[str, float]
    write_units: dict[str, float]
    written: dict[str, int]
    refused: dict[str, int]
    calls: dict[str, int]

    @property
    def cpu_micros_per_record(self) -> float:
        """Processor time of one record."""
        return self.cpu_seconds / self.records * 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time, user and system, of a process and all its threads so far."""
    return time.clock_gettime((~pid << 3) | 2)  # Linux's clock id of a process's CPU clock


def memory_megabytes(pid: int) -> float:
    """Resident memory of a process, the most that it had so far."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


def worker_settings(server: Server, mappings: Path, **more: str) -> dict[str, str]:
    """The environment of a worker's child, its settings at their defaults."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_ENDPOINT_URL": server.url,
        "NEARVIEW_APPLICATION": "bench",
        "NEARVIEW_STREAM": "bench",
        "NEARVIEW_ROWS_TABLE": ROWS,
        "NEARVIEW_DOCUMENTS_TABLE": DOCUMENTS,
        "NEARVIEW_PARKED_TABLE": PARKED,
        "NEARVIEW_MAPPINGS": str(mappings),
        "NEARVIEW_LOG_LEVEL": "warning",
        **more,
    }


def empty_tables(server: Server) -> None:
    """The worker's tables, new."""
    for name, indexes in ((ROWS, 0), (DOCUMENTS, DOCUMENT_INDEXES), (PARKED, 0)):
        server.create_table(name, indexes)


class Child:
    """`python -m MODULE` as KCL's daemon runs it; `command` goes before it (a profiler)."""

    def __init__(
        self,
        server: Server,
        environment: Mapping[str, str],
        folder: Path,
        module: str = WORKER,
        command: Sequence[str] = (sys.executable, "-u", "-m"),
    ) -> None:
        for name in ("metrics", "children"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        more = {"NEARVIEW_RUN_FOLDER": str(folder), "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
        self._server = server
        self._folder = folder
        self._log = folder / "stderr"
        self._module = module
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env={**environment, **more},
            )
        self.pid = self._process.pid
        self.checkpoint = ""

    def __enter__(self) -> Self:
        """Nothing more: `initialize` says whether it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def initialize(self, shard: str = "shardId-000000000000") -> None:
        """Name the shard and wait for the answer."""
        self._send({"action": "initialize", "shardId": shard, "sequenceNumber": "TRIM_HORIZON", "subSequenceNumber": 0})
        self._expect_status("initialize")

    def deliver(self, line: bytes) -> None:
        """Send one line of records, answer the checkpoints and return with the status."""
        self._write(line)
        self._expect_status("processRecords")

    def feed(self, lines: Iterable[bytes]) -> None:
        """One line after the other."""
        for line in lines:
            self.deliver(line)

    def measure(self, lines: Sequence[bytes], records: int, each: Callable[[int], None] = lambda _: None) -> Used:
        """Feed lines and say what they took, from the first byte to the last status.

        `each` is called after every line with its number; it may wait for work that goes on behind the status.
        """
        before = self._server.call("Statistics")
        wall, cpu = time.monotonic(), cpu_seconds(self.pid)
        for at, line in enumerate(lines):
            self.deliver(line)
            each(at)
        cpu, wall = cpu_seconds(self.pid) - cpu, time.monotonic() - wall
        return used(records, cpu, wall, self.peak_megabytes(), before, self._server.call("Statistics"))

    def rest(self) -> None:
        """Let it be idle for a moment, as every shard is now and then: what it says once a second is said then."""
        time.sleep(REST_SECONDS)
        self.deliver(NOTHING)
        self.deliver(NOTHING)  # when this is done, what it does between two deliveries is done, too

    def stop(self) -> None:
        """End it as a daemon does that is done with it."""
        assert self._process.stdin is not None  # noqa: S101  a pipe was asked for
        self._process.stdin.close()
        self._process.wait(30)

    def peak_megabytes(self) -> float:
        """The most memory it had so far."""
        return memory_megabytes(self.pid)

    def metrics(self) -> dict[str, float]:
        """The worker's own counters, summed over their labels."""
        found: dict[str, float] = {}
        collector = MultiProcessCollector(None, str(self._folder / "metrics"))  # type: ignore[no-untyped-call]
        for metric in collector.collect():  # type: ignore[no-untyped-call]
            for sample in metric.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    def log_text(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text("utf-8", "replace")

    def _send(self, message: dict[str, Any]) -> None:
        self._write(orjson.dumps(message) + b"\n")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101  a pipe was asked for
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("it ended") from None

    def _expect_status(self, action: str) -> None:
        while True:
            message = self._receive()
            if message.get("action") == "checkpoint":
                self.checkpoint = message["sequenceNumber"]
                self._send({**message, "error": None})
            elif message == {"action": "status", "responseFor": action}:
                return
            else:
                raise self._failed(f"it said {message}")

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101  a pipe was asked for
        for line in self._process.stdout:
            if line.strip():
                found: dict[str, Any] = orjson.loads(line)
                return found
        raise self._failed("it ended")

    def _failed(self, what: str) -> ChildFailed:
        return ChildFailed(f"{self._module}: {what}; its log ends with: {self.log_text()[-1500:]}")


def used(records: int, cpu: float, wall: float, peak: float, before: dict[str, Any], after: dict[str, Any]) -> Used:
    """What two looks at the server's statistics and at the child's clocks say."""

    def difference(what: str) -> dict[str, Any]:
        earlier = before["tables"]
        return {name: one[what] - earlier.get(name, {what: 0})[what] for name, one in after["tables"].items()}

    calls = {name: count - before["calls"].get(name, 0) for name, count in after["calls"].items()}
    return Used(
        records=records,
        cpu_seconds=cpu,
        wall_seconds=wall,
        peak_megabytes=peak,
        read_units=difference("read_units"),
        write_units=difference("write_units"),
        written=difference("written"),
        refused=difference("refused"),
        calls={name: count for name, count in calls.items() if count and name != "Statistics"},
    )


@contextmanager
def worker(server: Server, mappings: Path, module: str = WORKER, **settings: str) -> Iterator[Child]:
    """A child that has named its shard, on the tables as they are."""
    with tempfile.TemporaryDirectory(prefix="nearview-bench-") as folder:
        environment = worker_settings(server, mappings, **settings)
        with Child(server, environment, Path(folder), module) as child:
            child.initialize()
            yield child
