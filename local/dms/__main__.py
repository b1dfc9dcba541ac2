"""The command line of the stand-in: `python -m local.dms run`, `stand-by`, `reload` and `drop`."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from local.dms.errors import DmsError
from local.dms.kinesis import client
from local.dms.log import log
from local.dms.reload import ReloadRequest
from local.dms.settings import DEFAULT_TASK, load_settings
from local.dms.task import Options, Task

_GRACE_SECONDS = 1.5


@click.group()
def main() -> None:
    """Send a PostgreSQL database's rows and changes to a Kinesis stream as AWS DMS would."""


_COMMON = (
    click.option("--task", type=click.Path(path_type=Path), default=DEFAULT_TASK, show_default=True,
                 help="DMS settings and table mappings, one JSON file."),
    click.option("--source-url", envvar="NEARVIEW_SOURCE_URL", required=True,
                 help="libpq URL of the source database; better in NEARVIEW_SOURCE_URL than on a command line."),
    click.option("--stream", envvar="NEARVIEW_STREAM", default="nearview-changes", show_default=True,
                 help="Name of the Kinesis stream."),
    click.option("--state", type=click.Path(path_type=Path), required=True,
                 help="Folder for the task's progress (state.json)."),
    click.option("--name", default="nearview", show_default=True,
                 help="Name of the task; slot and publication are named dms_<name>."),
    click.option("--region", envvar="AWS_REGION", default="eu-west-1", show_default=True),
    click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="Endpoint of Kinesis, if it is not AWS's."),
)  # fmt: skip


def _task(
    task: Path, source_url: str, stream: str, state: Path, name: str, region: str, endpoint_url: str | None
) -> Task:
    options = Options(name, source_url, state, load_settings(task))
    return Task(options, client(endpoint_url, region), stream)


def _stop(task: Task) -> None:
    """Ask the task to end, and end the process if a request that hangs keeps it: the state allows a kill."""
    task.stop()
    timer = threading.Timer(_GRACE_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_COMMON):
        command = option(command)
    return command


@main.command()
@_with_options
def run(**options: Any) -> None:
    """Load all tables, then send changes until SIGTERM; a later run resumes."""
    task = _task(**options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(task))
    task.run()


@main.command()
@_with_options
def drop(**options: Any) -> None:
    """Remove the replication slot, the publication and the task's state."""
    _task(**options).drop()


@main.command("stand-by")
@_with_options
def stand_by(**options: Any) -> None:
    """Make slot and publication for changes only; a later run sends all changes from now on, without a load."""
    _task(**options).stand_by()


@main.command("reload")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="Folder of the running task's progress.")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.TABLE...")
def reload_tables(state: Path, tables: tuple[str, ...]) -> None:
    """Have the running task load tables again while changes go on, as DMS's ReloadTables."""
    ReloadRequest(state).write(tables)


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except DmsError as error:
        for line in str(error).splitlines():
            log(f"error: {line}")
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
