"""Fuzzes all targets one after the other: `python -m tests.fuzz.run --minutes 60 [TARGET ...]`, best by `make fuzz`.

A finding ends its target's turn; its input stays in the folder and is shown again, without atheris, by
`python -m tests.fuzz.run --replay FILE TARGET`. Exit codes: 0 nothing found, 1 something found.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".nearview" / "fuzz"
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units: (\d+)")
_COVERED: Final = re.compile(r"cov: (\d+) ft: (\d+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one target's turn came to; `covered`: branches of our code, `features`: those with how often."""

    name: str
    seconds: float
    executed: int
    covered: int
    features: int
    findings: tuple[Path, ...]

    def __str__(self) -> str:
        found = "".join(f"\n  {path}" for path in self.findings)
        return (
            f"{self.name:<12} {self.executed:>10,} executions in {self.seconds / 60:6.1f} minutes,"
            f" {self.covered:>6,} branches, {self.features:>7,} features, {len(self.findings)} findings{found}"
        )


def fuzz(name: str, folder: Path, seconds: int) -> Turn:
    """One turn in a process of its own: what is instrumented must not have been imported before."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(_findings(folder))
    started = time.monotonic()
    seed = time.time_ns() % 2**31
    command = [sys.executable, "-m", "tests.fuzz.drive", name, str(folder), str(seconds), str(seed)]
    with (folder / "log").open("wb") as log:
        subprocess.run(command, stdout=log, stderr=log, check=False, cwd=ROOT)
    text = (folder / "log").read_text(errors="replace")
    executed = _EXECUTED.search(text)
    if executed is None:
        raise SystemExit(f"{name} could not be fuzzed:\n{text[-2000:]}")
    covered, features = (_COVERED.findall(text) or [("0", "0")])[-1]
    found = tuple(path for path in _findings(folder) if path not in before)
    return Turn(name, time.monotonic() - started, int(executed[1]), int(covered), int(features), found)


def _findings(folder: Path) -> list[Path]:
    """Inputs that raised, took too long or too much memory."""
    return sorted(path for kind in ("crash", "timeout", "oom") for path in folder.glob(f"{kind}-*"))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together; default 10")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="corpus, findings and logs; default .nearview/fuzz")
    parser.add_argument("--replay", type=Path, help="run one input again, with its traceback")
    given = parser.parse_args()
    names = given.targets or list(TARGETS)
    if given.replay is not None:
        TARGETS[names[0]].check(given.replay.read_bytes())
        return
    seconds = max(1, int(given.minutes * 60 / len(names)))
    found = 0
    for name in names:
        turn = fuzz(name, given.folder / name, seconds)
        print(turn, flush=True)  # noqa: T201  a program for people
        found += len(turn.findings)
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
