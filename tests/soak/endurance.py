"""`make endurance`: the whole worker under load on the local stack, first left alone, then killed again and again.

python -m tests.soak.endurance [--minutes 60] [--kill-every 60] [--rate 20] [--json FILE] [--only quiet|kills]

Left alone: first the worker is stopped for a minute, so that its batches are as large as they get; then resident memory
and open files of the supervisor, the daemon and every child are sampled. The slope is the median of those between
any two samples of the second half, when caches are full. Killed: every minute a child, the daemon or the whole worker
goes by SIGKILL. At the end of both every document is compared with SQL on the source.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from local.kills import kill_child, kill_worker
from local.running import Options, StackError
from local.stack import WORKER
from tests.acceptance.conftest import stacks
from tests.acceptance.live import Live, workload

SAMPLE_SECONDS: Final = 5.0
SMALL_SHOP: Final = 150
BACKLOG_SECONDS: Final = 60.0
BACKLOG_RATE: Final = 20.0
FLAT_BYTES_PER_HOUR: Final = 1_048_576
"""What a child's or the supervisor's memory may gain, by the fault matrix; the JVM's heap has a limit of its own."""
MOST_BYTES: Final = 10 * 1_048_576
"""What it may gain in the second half in all, steps included."""
MOST_MOMENTS: Final = 500

Progress = Callable[[str], None]


@dataclass
class Series:
    """Samples of one process: seconds since the beginning, resident bytes, open files."""

    seconds: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def add(self, seconds: float, process: psutil.Process) -> None:
        """One more."""
        with process.oneshot():
            resident, files = process.memory_info().rss, process.num_fds()
        self.seconds.append(seconds)
        self.resident.append(resident)
        self.files.append(files)

    def by_minute(self) -> list[float]:
        """Resident memory in MB at the end of each minute: a slope that is one step looks like one."""
        last = {int(at // 60): round(size / 1e6, 1) for at, size in zip(self.seconds, self.resident, strict=True)}
        return [last[minute] for minute in sorted(last)]

    def second_half(self) -> dict[str, Any]:
        """Slopes per hour, and what they are slopes of."""
        start = len(self.seconds) // 2
        at, resident, files = self.seconds[start:], self.resident[start:], self.files[start:]
        return {
            "samples": len(self.seconds),
            "minutes": round((self.seconds[-1] - self.seconds[0]) / 60, 1),
            "resident_mb": round(resident[-1] / 1e6, 1),
            "mb_gained": round((resident[-1] - resident[0]) / 1e6, 2),
            "mb_per_hour": round(slope(at, resident) * 3600 / 1e6, 2),
            "files": files[-1],
            "files_per_hour": round(slope(at, files) * 3600, 2),
            "resident_mb_by_minute": self.by_minute(),
        }


def slope(at: list[float], values: list[int] | list[float]) -> float:
    """The median of the slopes between any two moments; 0 for fewer than two.

    A step, which the largest batch so far leaves behind, is no growth and does not move it; stairs do.
    """
    every = len(at) // MOST_MOMENTS + 1  # pairs grow with the square: of a day there would be millions
    pairs = combinations(zip(at[::every], values[::every], strict=True), 2)
    slopes = [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs if later[0] != earlier[0]]
    return median(slopes) if slopes else 0.0


def processes(live: Live) -> Iterator[tuple[str, psutil.Process]]:
    """The worker's, by what they are; children in the order of their start."""
    pid = live.stack.processes.pid(WORKER)
    if pid is None:
        raise StackError("the worker does not run")
    supervisor = psutil.Process(pid)
    yield "supervisor", supervisor
    found = [(process, process.cmdline()) for process in supervisor.children(recursive=True)]
    daemons = [process for process, line in found if line and Path(line[0]).name == "java"]
    children = sorted((p for p, line in found if "worker.child" in line), key=lambda p: p.create_time())
    yield from (("daemon", process) for process in daemons)
    yield from ((f"child {at}", process) for at, process in enumerate(children, 1))


def left_alone(live: Live, minutes: float, rate: float, say: Progress) -> dict[str, Any]:
    """Under load, without a fault."""
    _catch_up(live)
    series: defaultdict[tuple[str, int], Series] = defaultdict(Series)
    began = time.monotonic()
    with workload(live, rate=rate, seed=1) as counts:
        while (seconds := time.monotonic() - began) < minutes * 60:
            for name, process in processes(live):
                try:
                    series[name, process.pid].add(seconds, process)
                except psutil.NoSuchProcess:  # it ended between two looks: its shard has moved
                    continue
            if int(seconds) % 60 < SAMPLE_SECONDS:
                say(f"left alone: {seconds / 60:.0f} of {minutes:g} min")
            time.sleep(SAMPLE_SECONDS)
    live.wait_until_quiet()
    return {
        "transactions": counts.transactions,
        "processes": {f"{name} ({pid})": one.second_half() for (name, pid), one in series.items()},
        **_compared(live),
    }


def _catch_up(live: Live) -> None:
    """Work off a backlog: a process keeps the memory of its largest batch, which may come in any minute."""
    kill_worker(live.stack)
    with workload(live, rate=BACKLOG_RATE, seed=3):
        time.sleep(BACKLOG_SECONDS)
    live.stack.start_worker(live.running)
    live.wait_until_quiet()


def killed(live: Live, minutes: float, rate: float, every: float, say: Progress) -> dict[str, Any]:
    """Under load, with a death every so many seconds."""
    chance, kills = random.Random(2), Counter[str]()
    began = time.monotonic()
    with workload(live, rate=rate, seed=2) as counts:
        while time.monotonic() - began < minutes * 60:
            time.sleep(every)
            kind = chance.choice(("child", "child", "daemon", "worker"))
            _kill(live, kind)
            kills[kind] += 1
            say(f"with kills: {(time.monotonic() - began) / 60:.0f} of {minutes:g} min, {kills.total()} kills")
    live.wait_until_quiet()
    return {"transactions": counts.transactions, "kills": dict(kills), **_compared(live)}


def _kill(live: Live, kind: str) -> None:
    if kind == "child":
        kill_child(live.stack)
    elif kind == "daemon":
        for name, process in list(processes(live)):
            if name == "daemon":
                process.send_signal(signal.SIGKILL)
    else:
        kill_worker(live.stack)
        live.stack.start_worker(live.running)


def _compared(live: Live) -> dict[str, Any]:
    report = live.verify()
    return {"documents": report["verified"], "differences": report["differences"], "parked": report["parked"]}


def problems(report: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    parts = {part: report[part] for part in ("left_alone", "killed") if part in report}
    found = [
        f"{part}: {values['differences']} differences, {values['parked']} parked"
        for part, values in parts.items()
        if values["differences"] or values["parked"]
    ]
    for name, values in report.get("left_alone", {}).get("processes", {}).items():
        if values["files_per_hour"] > 1 and not name.startswith("daemon"):
            found.append(f"{name}: {values['files_per_hour']} more open files every hour")
        if values["mb_per_hour"] * 1e6 > FLAT_BYTES_PER_HOUR and not name.startswith("daemon"):
            found.append(f"{name}: {values['mb_per_hour']} MB more every hour")
        if values["mb_gained"] * 1e6 > MOST_BYTES and not name.startswith("daemon"):
            found.append(f"{name}: {values['mb_gained']} MB more in the second half")
    return found


def show(report: dict[str, Any], console: Console) -> None:
    """For people."""
    for part, title in (("left_alone", "left alone"), ("killed", "with kills")):
        if part not in report:
            continue
        found = report[part]
        console.print(
            f"{title}, {report['minutes']:g} min: {found['transactions']:,} transactions, "
            f"{found['documents']:,} documents compared, {found['differences']} differences, {found['parked']} parked"
            + (f", kills {found['kills']}" if "kills" in found else "")
        )
        if "processes" in found:
            table = Table("process", "min", "resident MB", "gained", "MB/h", "files", "files/h")
            for name, values in found["processes"].items():
                names = ("minutes", "resident_mb", "mb_gained", "mb_per_hour", "files", "files_per_hour")
                table.add_row(name, *(f"{values[column]:g}" for column in names))
            console.print(table)
    for problem in report["problems"]:
        console.print(problem, style="bold red")


def main() -> int:
    """The command line; 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kill-every", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--only", choices=("quiet", "kills"))
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its stack ends with it
    console = Console()
    report: dict[str, Any] = {"minutes": options.minutes, "rate": options.rate, "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder, stacks(Path(folder) / "stack") as start:
        live = start(Options(orders=SMALL_SHOP))
        if options.only != "kills":
            report["left_alone"] = left_alone(live, options.minutes, options.rate, console.print)
        if options.only != "quiet":
            report["killed"] = killed(live, options.minutes, options.rate, options.kill_every, console.print)
    report["problems"] = problems(report)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    show(report, console)
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
