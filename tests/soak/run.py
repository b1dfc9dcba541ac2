"""`make soak`: composed faults, seed after seed, with a report for people and `soak.json` for programs.

python -m tests.soak.run --seeds 1000 [--start N] [--seconds S] [--jobs N] [--rows 1,7] [--mutant NAME] [--json FILE]
python -m tests.soak.run --seed 4711 [--times 5]      one seed alone, with its children's log
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.soak.child import Zygote
from tests.soak.mutants import MUTANTS
from tests.soak.outcome import Outcome
from tests.soak.play import Play
from tests.soak.rows import ROWS, scenario

LOGS: Final = Path(".nearview") / "soak"
_SHOWN: Final = 10

_zygote: list[Zygote] = []


def play(seed: int, rows: tuple[int, ...] = (), mutant: str = "", launcher: Any = None) -> tuple[Outcome, str]:
    """One seed, and what its children logged."""
    if launcher is None and not _zygote:
        _zygote.append(Zygote())
    with tempfile.TemporaryFile() as log:
        outcome = Play(scenario(seed, rows), launcher or _zygote[0], log, mutant).run()
        log.seek(0)
        return outcome, log.read().decode(errors="replace")


def close() -> None:
    """End the process that starts children."""
    while _zygote:
        _zygote.pop().close()


@dataclass
class Report:
    """What all seeds came to."""

    seeds: int = 0
    first_seed: int = 0
    seconds: float = 0.0
    lost: int = 0
    backward: int = 0
    different: int = 0
    broken: int = 0
    failing: dict[int, list[str]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        """Count a seed."""
        self.seeds += 1
        self.lost += len(outcome.lost)
        self.backward += len(outcome.backward)
        self.different += len(outcome.different)
        self.broken += len(outcome.broken)
        self.faults.update(outcome.faults)
        for name in ("records", "requests", "children", "documents"):
            self.totals[name] += getattr(outcome, name)
        for name, seconds in outcome.recoveries:
            self.recoveries[name].append(seconds)
        if outcome.findings:
            self.failing[outcome.seed] = outcome.findings

    def as_json(self) -> dict[str, Any]:
        """`soak.json`."""
        return {
            "seeds": self.seeds,
            "first_seed": self.first_seed,
            "seconds": round(self.seconds, 1),
            **dict(self.totals),
            "lost": self.lost,
            "backward": self.backward,
            "different": self.different,
            "broken": self.broken,
            "failing_seeds": sorted(self.failing),
            "faults": dict(sorted(self.faults.items())),
            "recovery_seconds": {name: _spread(values) for name, values in sorted(self.recoveries.items())},
        }


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, math.ceil(p * len(ordered)) - 1)], 3) for name, p in places.items()
    }


def show(report: Report, console: Console) -> None:
    """For people."""
    found = report.as_json()
    table = Table(title=f"{report.seeds} seeds of composed faults, {report.seconds:.0f} s", title_justify="left")
    for name, side in (
        ("fault", "left"),
        ("struck", "right"),
        ("p50 s", "right"),
        ("p99 s", "right"),
        ("max s", "right"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for name, count in found["faults"].items():
        times = found["recovery_seconds"].get(name, {})
        table.add_row(name, f"{count:,}", *(f"{times[at]:.2f}" if times else "" for at in ("p50", "p99", "max")))
    console.print(table)
    console.print(
        f"{report.totals['records']:,} records, {report.totals['requests']:,} requests, "
        f"{report.totals['children']:,} child processes, {report.totals['documents']:,} documents compared"
    )
    console.print(
        f"lost {report.lost}, backward {report.backward}, different {report.different}, "
        f"promises of the process broken {report.broken}"
    )
    for seed, findings in sorted(report.failing.items())[:_SHOWN]:
        console.print(f"seed {seed}; alone: make soak SEED={seed}", style="bold red")
        for line in findings[:_SHOWN]:
            console.print(f"  {line}", markup=False, highlight=False)


def _one(seed: int, rows: tuple[int, ...], mutant: str) -> Outcome:
    outcome, log = play(seed, rows, mutant)
    if outcome.findings:
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"seed-{seed}.log").write_text(log, "utf-8")
    return outcome


def outcomes(seeds: Iterable[int], rows: tuple[int, ...], mutant: str, jobs: int, until: float) -> Iterator[Outcome]:
    """Of all seeds, or of as many as there is time for."""
    if jobs == 1:
        for seed in seeds:
            if time.monotonic() > until:
                return
            yield _one(seed, rows, mutant)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = {pool.submit(_one, seed, rows, mutant) for seed in seeds}
        for done in as_completed(asked):
            if time.monotonic() > until:
                pool.shutdown(wait=False, cancel_futures=True)
                return
            yield done.result()


def main() -> int:
    """The command line; 1 if anything is wrong."""
    options = _parser().parse_args()
    console = Console()
    rows = tuple(int(number) for number in options.rows.split(",")) if options.rows else ()
    seeds = (
        [options.seed] * options.times
        if options.seed is not None
        else range(options.start, options.start + options.seeds)
    )
    report, began = Report(first_seed=seeds[0]), time.monotonic()
    until = began + options.seconds if options.seconds else math.inf
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        for outcome in outcomes(seeds, rows, options.mutant, options.jobs, until):
            report.add(outcome)
            report.seconds = time.monotonic() - began
            progress.advance(task)
            if outcome.findings:
                console.print(f"seed {outcome.seed} fails: {outcome.findings[0]}", markup=False, highlight=False)
            if options.json:
                _write(Path(options.json), report)
    close()
    show(report, console)
    return 1 if report.failing else 0


def _write(path: Path, report: Report) -> None:
    """Whole at any moment, so that a run that is ended leaves what it had."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report.as_json(), indent=1) + "\n", "utf-8")
    part.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so long")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rows", default="", help=f"of the matrix, instead of three drawn: {sorted(ROWS)}")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS])
    parser.add_argument("--json", default="")
    return parser


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
