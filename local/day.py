"""Makes docs/operations/a-day.md: an operator's day on a local stack, every command really run, its output as it came.

`python -m local.day > docs/operations/a-day.md` starts a stack of its own, takes some minutes, and ends it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from local.processes import REPOSITORY

STATUSES: Final = ("placed", "paid", "shipped", "cancelled")
ALIKE: Final = 5
HOLD: Final = """
ALTER TABLE shop.orders DROP CONSTRAINT orders_status_check;
UPDATE shop.orders SET status = 'on_hold' WHERE order_id IN (7, 11);
"""

TOLD: Final = """# An operator's day

<!-- made by `python -m local.day`; do not edit -->

One morning with the demo's shop on the local stack, followed from these pages alone: an order is stale, the mapping is
mended, what was set aside is brought back, an hour is replayed, and a change that turns out wrong is rolled back. Every
command was run when this page was made, and what stands under it is what it printed (long outputs are cut, marked by
`...`). On AWS the commands are [tasks](README.md#deploy-it) with the worker's settings; `nearview local deploy` is a
deployment there.

The shop's mapping shows the status of an order in its own words, through a value map:

@@ show sed -n '/^fields:/,/^one:/p' mappings/order.yaml | head -12

## 1. One order is stale

Support says that order 7 shows a state from before the weekend. The API agrees:

@@ show curl -si "$API/orders/7" | grep -i '^x-'

`x-parked` means that the document keeps its last good state. The installation as a whole:

@@ show nearview status --once

What is set aside, and why:

@@ show nearview parked list
@@ show nearview trace order 7

The source has a new status, `on_hold`, which the value map does not know. All else of the shop goes on.

## 2. Mend the mapping

The new status gets a word, and the `generation` is raised. Before it is deployed, `nearview lint` looks at it and
`nearview plan` says what it needs:

@@ edit mend
@@ show diff before/order.yaml mappings/order.yaml
@@ show nearview lint mappings | tail -1
@@ show nearview plan before mappings
@@ show nearview local deploy

## 3. Bring back what was set aside

`retry` builds parked documents again, and feeds parked records through the worker's pipeline once more; first without
doing it:

@@ show nearview parked retry --dry-run
@@ show nearview parked retry
@@ show nearview parked list
@@ show curl -si "$API/orders/7" | grep -i '^x-'
@@ show curl -s "$API/orders/7" | head -c 120; echo

All other documents of the aggregate get the new generation by a rebuild:

@@ show nearview rebuild order

## 4. Replay an hour

Was anything else missed in that hour? Reading it again is safe at any time and costs reads only. First a look:

@@ show nearview replay --from-timestamp 1h --dry-run
@@ show nearview replay --from-timestamp 1h --yes --wait --backup replay.json

More in [Replay](../replay.md#replay).

## 5. Roll back

At noon somebody deploys a mapping that leaves out the note of orders, which a reader turns out to need:

@@ edit wrong
@@ show nearview plan before mappings
@@ show nearview local deploy
@@ show nearview rebuild order
@@ show curl -s "$API/orders/7" | grep -c '"note"'

Rolled back: what it said before, with a `generation` above the wrong one, for generations only rise.

@@ edit back
@@ show nearview local deploy
@@ show nearview rebuild order
@@ show curl -s "$API/orders/7" | grep -c '"note"'

## 6. The proof

Every document is compared with SQL on the source:

@@ show nearview local verify
"""


class Day:
    """A folder with mappings, and a stack over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mappings = folder / "mappings"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("NEARVIEW_", "AWS_"))},
            "NEARVIEW_LOCAL_DIR": str(folder / "stack"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "110",
            "PAGER": "cat",
        }

    def begin(self) -> None:
        """The stack runs, and its source has a status that the mapping does not know."""
        shutil.copytree(REPOSITORY / "mappings", self.mappings)
        words = ", ".join(f"{status}: {status}" for status in STATUSES)
        order = self.mappings / "order.yaml"
        text = order.read_text("utf-8").partition("examples:")[0]
        order.write_text(text.replace("  - status\n", f"  - status: {{values: {{{words}}}}}\n", 1))
        for other in ("customer", "product"):
            path = self.mappings / f"{other}.yaml"
            path.write_text(path.read_text("utf-8").partition("examples:")[0])
        self.run("nearview local up --mappings mappings --orders 300")
        for line in self.run("nearview local env").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value.strip("'")
        (self.folder / "hold.sql").write_text(HOLD)
        self.run("nearview local wait")
        self.run("nearview local sql hold.sql")
        self.run("nearview local wait")

    def run(self, command: str) -> str:
        """What a command prints, both streams."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"{done.returncode}  {command}", file=sys.stderr)  # noqa: T201  progress
        return done.stdout

    def edit(self, which: str) -> None:
        """One of the day's changes of the mapping; what was there is in `before`."""
        before = self.folder / "before"
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(self.mappings, before)
        order = self.mappings / "order.yaml"
        text = order.read_text("utf-8")
        if which == "mend":
            text = text.replace("cancelled: cancelled}", "cancelled: cancelled, on_hold: on hold}", 1)
            text = text.replace("key: order_id\n", "key: order_id\ngeneration: 2\n", 1)
        elif which == "wrong":
            text = text.replace("  - note\n", "", 1).replace("generation: 2", "generation: 3", 1)
        else:
            text = text.replace("  - total:", "  - note\n  - total:", 1).replace("generation: 3", "generation: 4", 1)
        order.write_text(text)

    def end(self) -> None:
        """Nothing is left of it."""
        self.run("nearview local down")


def page(day: Day) -> Iterator[str]:
    """The page's lines, commands run as they come."""
    for line in TOLD.splitlines():
        if line.startswith("@@ edit "):
            day.edit(line.removeprefix("@@ edit "))
        elif line.startswith("@@ show "):
            command = line.removeprefix("@@ show ")
            yield f"    {command}"
            yield ""
            yield from _output(day.run(command), day.folder)
            yield ""
        else:
            yield line


def _output(text: str, folder: Path) -> Iterator[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace(f"{folder}/", "").replace("\r\n", "\n")
    lines = [line.rpartition("\r")[2].rstrip() for line in plain.splitlines()]
    shown = list(_without_repetition([line for line in lines if line]))
    yield "```text"
    yield from shown or ["(nothing)"]
    yield "```"


def _without_repetition(lines: list[str]) -> Iterator[str]:
    """Of lines of progress, which differ in their numbers only, the first and the last."""
    for _, found in groupby(lines, key=lambda line: re.sub(r"[\d.,]+", "0", line)):
        alike = list(found)
        yield from alike if len(alike) < ALIKE else (alike[0], "...", alike[-1])


def main() -> None:
    """Print the page."""
    with tempfile.TemporaryDirectory(prefix="nearview-day-") as name:
        day = Day(Path(name).resolve())
        try:
            day.begin()
            lines = list(page(day))
        finally:
            day.end()
    text = "\n".join(lines)
    print(re.sub(r"\n{3,}", "\n\n", text))  # noqa: T201  the output is the page


if __name__ == "__main__":
    main()
