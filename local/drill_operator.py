"""What a person does in a drill, and what they wait for: commands of nearview in a region, and the ends of lags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from local.drill_waits import WAIT_SECONDS
from local.processes import wait_until
from local.progress import health, is_passed, sent, source_position
from local.regions import replication_status
from local.running import Running, StackError
from local.stack import WORKER, WORKER_GRACE_SECONDS, Stack
from local.standin import DMS

FEW: Final = 60
DIFFERS: Final = "still differ from the source"
"""What `nearview failover` says when it is to be run again later."""


class Operator:
    """`folder` is the stack's."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say

    def until_right(self, one: Running, *arguments: str) -> Any:
        """The same, again and again while it says that documents still differ: a worker that lags catches up."""

        def done() -> Any:
            try:
                return self.nearview(one, *arguments)
            except StackError as error:
                if DIFFERS not in str(error):
                    raise
                self._say(str(error))
                return None

        return wait_until(done, WAIT_SECONDS, f"{' '.join(arguments[:2])} without a difference")

    def nearview(self, one: Running, *arguments: str) -> Any:
        """A command of nearview with a region's settings, as JSON. Raises StackError if it could not do its work."""
        environment = {**os.environ, **one.settings, "NEARVIEW_LOCAL_DIR": str(self._folder)}
        command = [sys.executable, "-m", "worker.cli", *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            told = (done.stderr.strip() or "no reason").splitlines()[-1]
            raise StackError(f"nearview {' '.join(arguments[:2])} in {one.region}: {told}") from None

    def catch_up(self, part: Stack, one: Running) -> None:
        """Return when everything committed until now is in the region's documents, whatever is committed meanwhile."""
        position = source_position(one.source_url)

        def captured() -> dict[str, int] | None:
            found = sent(part.folder)
            return found.last_sequence_numbers if found.confirmed_lsn >= position else None

        last = part.processes.wait_until(captured, WAIT_SECONDS, f"change capture of {one.region}", [DMS])
        what = f"documents of {one.region}"
        part.processes.wait_until(lambda: is_passed(one, last), WAIT_SECONDS, what, [WORKER])

    def wait_replicated(self) -> None:
        """Return when what was written until now is in both regions; only the worker's marks go on."""
        since = time.time()

        def done() -> bool:
            found = replication_status(self._folder)
            return found.get("at", 0) > since + 2 and found["waiting"] < FEW and not found["unreachable"]

        wait_until(done, WAIT_SECONDS, "the replication")

    def worker_holds(self, one: Running) -> str:
        """Why a region's worker holds: it has changes to write, and must not."""

        def told() -> str | None:
            found = [line for line in health(one).get("problems", []) if "fenced" in line]
            return found[0] if found else None

        return wait_until(told, WAIT_SECONDS, f"the worker of {one.region} to hold")

    def stop(self, part: Stack) -> None:
        """Stop a region's change capture and worker."""
        part.stand_in.stop()
        part.processes.stop(WORKER, grace_seconds=WORKER_GRACE_SECONDS)
