"""`nearview local`: the whole system on this machine."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
import psycopg2
from rich.console import Console
from rich.table import Table

from local.client.cli import client
from local.demo import run_demo
from local.processes import ProcessError, wait_until
from local.progress import checkpoints, health, is_quiet, metrics, sent, source_position
from local.region_cli import cut, mend, start_region, stop_region
from local.running import Running, StackError
from local.shell import Say, running_of, this_stack
from local.source import run_sql
from local.stack import DATABASE, Stack
from local.summary import Summary, summary_rows
from local.task_cli import reload_tables, start_task, stop_task
from local.up_options import chosen_options, stack_options
from local.waiting import wait_settled

SETTLE_SECONDS: Final = 2


@click.group()
def local() -> None:
    """Run the whole system on this machine: PostgreSQL, DMS stand-in, AWS stand-in, worker, API."""


for _command in (client, stop_task, start_task, reload_tables, cut, mend, start_region, stop_region):
    local.add_command(_command)

_PATH = click.Path(path_type=Path, exists=True)


@local.command()
@stack_options
def up(**options: object) -> None:
    """Start everything and leave it running."""
    say = Say()
    chosen = chosen_options(options, say)
    stack = this_stack(say)
    if stack.is_up():
        say("the local stack already runs; options are for a new one, after `nearview local down`")
    else:
        try:
            stack.up(chosen)
        except StackError as error:
            raise click.ClickException(str(error)) from None
    _print_urls(running_of(stack))


@local.command()
def down() -> None:
    """Stop everything that was started here and remove its data; logs stay."""
    try:
        found = this_stack().down()
    except StackError as error:
        raise click.ClickException(str(error)) from None
    click.echo("stopped" if found else "nothing was running")


@local.command()
def deploy() -> None:
    """Put changed mappings onto the running stack: start the worker again, pack the API's functions anew.

    Then `nearview rebuild` the aggregates that `nearview plan` names. Tables that no mapping used before need `down`
    and `up`.
    """
    stack = this_stack()
    try:
        stack.deploy(running_of(stack))
    except StackError as error:
        raise click.ClickException(str(error)) from None


@local.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """What runs, how far it is, whether it is healthy."""
    stack = this_stack()
    running = running_of(stack)
    names = stack.processes.names()
    state = sent(stack.folder)
    found = {
        "up": stack.is_up(),
        "processes": {name: stack.processes.alive(name) for name in names},
        "stand_in": {"phase": state.phase, "rows_loaded": state.rows_loaded, "changes": state.changes},
        "quiet": False,
        "health": health(running),
        "counts": {},
    }
    if found["up"]:
        found["quiet"] = _settles(stack, running)
        found["checkpoints"] = {shard: str(number) for shard, number in checkpoints(running).items()}
        counted = metrics(running)
        found["counts"] = {n: int(v) for n, v in counted.items() if n.startswith("nearview_") and n.endswith("_total")}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    table = Table("what", "how", title="local stack")
    for name, value in found.items():
        table.add_row(name, json.dumps(value, indent=1) if isinstance(value, dict) else str(value))
    Console().print(table)
    _print_urls(running)


def _settles(stack: Stack, running: Running) -> bool:
    """Whether all is in documents now; the stand-in says only every half second how far it is."""
    position = source_position(running.source_url)
    try:
        wait_until(lambda: is_quiet(stack, running, position), SETTLE_SECONDS, "quiescence")
    except ProcessError:
        return False
    return True


@local.command()
@click.argument("name", required=False)
@click.option("-n", "--lines", default=50, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
def logs(name: str | None, lines: int, follow: bool) -> None:
    """Show the log of a process: postgres, ministack, monolith, dms or worker."""
    stack = this_stack()
    found = sorted(path.stem for path in (stack.folder / "logs").glob("*.log"))
    if name is None or name not in found:
        raise click.ClickException(f"which log? there are: {', '.join(found) or 'none'}")
    path = stack.processes.log_path(name)
    if follow:
        subprocess.run(["tail", "-n", str(lines), "-F", str(path)], check=False)
        return
    click.echo(stack.processes.tail(name, lines))


@local.command()
@click.argument("script", type=_PATH)
def sql(script: Path) -> None:
    """Run a SQL script against the source database, as a workload; its own BEGIN and COMMIT count."""
    running = running_of(this_stack())
    with closing(psycopg2.connect(running.source_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            try:
                run_sql(cursor, script)
            except StackError as error:
                raise click.ClickException(str(error)) from None
    click.echo(f"{script} executed on {DATABASE}")


@local.command()
@click.option("--timeout", default=300, show_default=True, help="Seconds to wait.")
def wait(timeout: int) -> None:
    """Wait until everything committed so far is in documents."""
    stack = this_stack()
    try:
        wait_settled(stack, running_of(stack), timeout)
    except (StackError, ProcessError) as error:
        raise click.ClickException(str(error)) from None
    click.echo("quiet: everything committed is in documents")


@local.command("verify", context_settings={"ignore_unknown_options": True})
@click.argument("more", nargs=-1)
def verify_stack(more: tuple[str, ...]) -> None:
    """Compare every document with SQL on the source (`nearview verify` with this stack's settings)."""
    command, environment = running_of(this_stack()).verify_command(*more)
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


@local.command("env")
def environment() -> None:
    """Print the settings of this stack for a shell: eval "$(nearview local env)"."""
    running = running_of(this_stack())
    values = {**running.settings, "API": running.api_url or ""}
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@local.command()
@stack_options
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def demo(keep: bool, as_json: bool, **options: object) -> None:
    """Show the main job: load, live changes, a command, kills, and the proof that nothing is lost."""
    say = Say()
    stack = this_stack(say)
    chosen = chosen_options(options, say)
    if not chosen.is_shop:
        raise click.ClickException("the demo needs its own shop; for a source of your own use `nearview local up`")
    try:
        summary = run_demo(stack, chosen, say)
        running = running_of(stack)
    except (StackError, ProcessError) as error:
        raise click.ClickException(f"{error}\nlogs: {stack.folder / 'logs'}") from None
    finally:
        if not keep:
            stack.down()
    _print_summary(summary, as_json)
    if keep:
        _print_urls(running)
    click.echo(f"verified {summary.documents:,} documents: {summary.differences:,} differences")
    sys.exit(bool(summary.differences))


def _print_summary(summary: Summary, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
        return
    table = Table("what", "measured")
    for name, value in summary_rows(summary):
        table.add_row(name, value)
    Console().print(table)


def _print_urls(running: Running) -> None:
    example = f"curl {running.api_url}/{running.collection}/" + ("1" if running.monolith_url else "KEY")
    click.echo(f"API      {running.api_url}    {example}")
    click.echo(f"         {running.api_url}/openapi.html    every route, to read and to try")
    if running.monolith_url:
        click.echo("         nearview local client    a page that lists orders, changes one and shows when it is here")
        click.echo(f"monolith {running.monolith_url}")
    click.echo(f"worker   {running.worker_url}/metrics and {running.worker_url}/healthz")
    click.echo("try      nearview local status | logs worker | verify | down")
    click.echo('         eval "$(nearview local env)"; psql "$NEARVIEW_SOURCE_URL"; nearview parked list')
