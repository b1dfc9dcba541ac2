"""What was done, by whom and with which result: a line of JSON each, in a file that is only ever added to.

It is a record, no state: what is to be done follows from the stacks themselves, so a lost line loses nothing else. A
copy of each run's lines goes into the bucket of artefacts as soon as there is one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Publish = Callable[[str, bytes], None]


class Journal:
    """The journal of one run. `common` stands in every line: environment, account, who."""

    def __init__(self, path: Path, run: str, common: Mapping[str, str]) -> None:
        self.run = run
        self.common = dict(common)
        self._path = path
        self._lines: list[str] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def record(self, what: str, **facts: Any) -> None:
        """Add a line; it is on the disk before this returns. Raises OSError."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "run": self.run, "what": what, **self.common, **facts})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines.append(line)

    def copy(self, publish: Publish) -> None:
        """Hand this run's lines on, under the run's name."""
        publish(f"{self.run}.jsonl", "".join(f"{line}\n" for line in self._lines).encode())
