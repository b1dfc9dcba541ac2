"""The DMS stand-in as a process of the local stack: its task file, start, stop, reload and end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.dms.errors import DmsError, SettingsError
from local.dms.reload import ReloadRequest
from local.dms.settings import DEFAULT_TASK, read_settings
from local.dms.state import State, StateFolder
from local.processes import Processes
from local.running import Options, Running, StackError

DMS: Final = "dms"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 4
TELL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in of one state folder."""

    folder: Path
    processes: Processes
    task_name: str = "nearview"

    def write_task(self, task: dict[str, Any]) -> None:
        """Keep the task file that every start uses."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._task_file.write_text(json.dumps(task, indent=1), encoding="utf-8")

    def start(self, running: Running) -> None:
        """Start it, or start it again: it resumes where the stream has confirmed its records."""
        command, environment = self._command("run", running)
        self.processes.start(DMS, command, env=environment)
        self.processes.wait_until((self.folder / "state.json").exists, START_SECONDS, "the DMS stand-in's start", [DMS])

    def stop(self) -> bool:
        """Stop it; slot and progress stay. Returns whether it ran."""
        return self.processes.stop(DMS, grace_seconds=STOP_SECONDS)

    def drop(self, running: Running) -> None:
        """Remove slot, publication and progress of the stopped task: its next start loads everything.

        Raises StackError.
        """
        self._once("drop", running)

    def stand_by(self, running: Running) -> None:
        """Keep a position of the source's log from which a later start sends changes, without a load.

        Raises StackError.
        """
        self._once("stand-by", running)

    def _once(self, action: str, running: Running) -> None:
        command, environment = self._command(action, running)
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
        if done.returncode != 0:
            raise StackError(done.stderr.decode(errors="replace").strip())

    def ask_reload(self, tables: Sequence[str]) -> None:
        """Have the running task load tables again. Raises StackError."""
        if not self.processes.alive(DMS):
            raise StackError("the DMS stand-in does not run; start it with `nearview local start-task`")
        try:
            ReloadRequest(self.folder).write(tables)
        except DmsError as error:
            raise StackError(str(error)) from None

    def wait_until_reloaded(self, tables: Sequence[str], seconds: float, told: Callable[[State], None]) -> State:
        """Return when all rows of a reload that was asked for are on the stream; `told` hears of it meanwhile.

        Raises ProcessError when the time is over or the stand-in has died.
        """
        request, folder = ReloadRequest(self.folder), StateFolder(self.folder)
        told_at = time.monotonic()

        def loaded() -> State | None:
            nonlocal told_at
            taken = not request.read()  # first: the task forgets the last load, then removes the request
            state = folder.read()
            if state is None or (taken and set(tables) <= set(state.loaded_tables)):
                return state
            if time.monotonic() - told_at >= TELL_SECONDS:
                told_at = time.monotonic()
                told(state)
            return None

        return self.processes.wait_until(loaded, seconds, f"the reload of {', '.join(tables)}", [DMS])

    @property
    def is_prepared(self) -> bool:
        """Whether it was ever started in this folder."""
        return self._task_file.exists()

    @property
    def _task_file(self) -> Path:
        return self.folder / "task.json"

    def _command(self, command: str, running: Running) -> tuple[list[str], dict[str, str]]:
        environment = {
            **running.ministack.environment(),
            "NEARVIEW_SOURCE_URL": running.captured_url or running.source_url,
            "NEARVIEW_STREAM": running.storage.stream,
        }
        task = ["--task", str(self._task_file), "--state", str(self.folder), "--name", self.task_name]
        return [sys.executable, "-m", "local.dms", command, *task], environment


def make_task(options: Options, tables: Sequence[str]) -> dict[str, Any]:
    """The task file of these tables with the user's settings and switches. Raises StackError, a line each problem."""
    file = options.task or DEFAULT_TASK
    try:
        task = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StackError(f"{file}: not JSON: {error}") from None
    if not isinstance(task, dict) or not isinstance(task.get("StandIn", {}), dict):
        raise StackError(f"{file}: must be an object, and so must its StandIn")
    task["StandIn"] = {**task.get("StandIn", {}), **dict(map(_switch, options.stand_in))}
    made = task_for(tables, task)
    try:
        read_settings(made)
    except SettingsError as error:
        raise StackError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None
    return made


def _switch(text: str) -> tuple[str, Any]:
    """A switch as on a command line: numbers, true and false are meant as such, all else is text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise StackError(f"--stand-in {text}: write NAME=VALUE, as LoadBesideChanges=true")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def task_for(tables: Sequence[str], task: dict[str, Any]) -> dict[str, Any]:
    """The DMS task of these tables: one selection rule for each, partitioned by primary key."""
    rules: list[dict[str, Any]] = []
    for table in tables:
        schema, name = table.split(".", 1)
        locator = {"schema-name": schema, "table-name": name}
        selection = {"rule-type": "selection", "object-locator": locator, "rule-action": "include", "filters": []}
        mapping = {
            "rule-type": "object-mapping",
            "rule-action": "map-record-to-record",
            "object-locator": locator,
            "mapping-parameters": {"partition-key-type": "primary-key"},
        }
        for rule in (selection, mapping):
            number = str(len(rules) + 1)
            rules.append({**rule, "rule-id": number, "rule-name": number})
    return {**task, "TableMappings": {"rules": rules}}
