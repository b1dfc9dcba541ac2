"""The DMS task of the local stack on the command line: stop it, start it, load tables again."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Collection

import click

from local.dms.state import State
from local.processes import ProcessError
from local.progress import is_passed
from local.running import Running, StackError
from local.shell import Say, running_of, this_stack
from local.stack import WORKER
from local.standin import DMS
from worker.parked.items import list_parked
from worker.parked.report import records


@click.command("stop-task")
def stop_task() -> None:
    """Stop the DMS stand-in; everything else runs on, and the slot keeps the changes for it."""
    stack = this_stack()
    running_of(stack)
    click.echo("stopped" if stack.stand_in.stop() else "the DMS stand-in did not run")


@click.command("start-task")
@click.option("--reload-target", is_flag=True, help="Forget slot and progress first: load everything again.")
def start_task(reload_target: bool) -> None:
    """Start the stopped DMS stand-in: it resumes where it was, or loads everything again."""
    stack = this_stack()
    running = running_of(stack)
    try:
        if reload_target and not stack.processes.alive(DMS):
            stack.stand_in.drop(running)
        stack.stand_in.start(running)
    except (StackError, ProcessError) as error:
        raise click.ClickException(str(error)) from None
    click.echo("started: everything is loaded again" if reload_target else "started: it resumes where it was")


@click.command("reload")
@click.argument("tables", nargs=-1, required=True, metavar="SCHEMA.TABLE...")
@click.option("--timeout", default=300, show_default=True, help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr.")
def reload_tables(tables: tuple[str, ...], timeout: int, as_json: bool) -> None:
    """Load tables again while changes go on, as DMS's ReloadTables; returns when all of it is in documents.

    Exit codes: 0 loaded, 1 not loaded, or records of the tables were parked meanwhile, 2 wrong usage.
    """
    say = Say(to_stderr=as_json)
    stack = this_stack(say)
    running = running_of(stack)
    started = time.monotonic()

    def tell(state: State) -> None:
        done = ", ".join(f"{name} {state.rows_loaded.get(name, 0):,}" for name in tables)
        say(f"loading again, rows sent: {done}")

    try:
        parked_before = parked_records(running, tables)
        stack.stand_in.ask_reload(tables)
        state = stack.stand_in.wait_until_reloaded(tables, timeout, tell)
        say("all rows are on the stream; waiting for the worker")
        last = {shard: int(number) for shard, number in state.last_sequence_numbers.items()}
        left = timeout - (time.monotonic() - started)
        # not until all is quiet: beside live changes that may never be
        stack.processes.wait_until(lambda: is_passed(running, last), left, "the reload in documents", [WORKER])
    except (StackError, ProcessError) as error:
        raise click.ClickException(str(error)) from None
    rows = {name: state.rows_loaded[name] for name in tables}
    parked = Counter(table for table, _, _ in parked_records(running, tables) - parked_before)
    if as_json:
        seconds = round(time.monotonic() - started, 1)
        click.echo(json.dumps({"tables": rows, "parked": dict(parked), "seconds": seconds}))
    else:
        click.echo(f"loaded again: {', '.join(f'{name} {count:,} rows' for name, count in rows.items())}")
    for name, count in sorted(parked.items()):
        click.echo(
            f"{name}: {records(count)} parked meanwhile, documents lack them: see `nearview parked list`", err=True
        )
    sys.exit(bool(parked))


def parked_records(running: Running, tables: Collection[str]) -> set[tuple[str, str, str]]:
    """The parked records of some tables: table and key in the parking table."""
    found = list_parked(running.ministack.client("dynamodb"), running.storage.parked_table)
    return {(item.table, item.pk, item.sk) for item in found if item.kind == "record" and item.table in tables}
