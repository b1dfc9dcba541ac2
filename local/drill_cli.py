"""`nearview drill`: lose a region on this machine, and see what it costs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from local.drill import FAST, Drill
from local.drill_report import as_json, show, write
from local.drill_times import ROUTE_53
from local.processes import ProcessError
from local.running import Options, StackError
from local.shell import Say, this_stack


@click.group()
def drill() -> None:
    """Rehearse on this machine what must work when it is needed."""


@drill.command("region-loss")
@click.option("--regions", default="eu-west-1,us-east-1", show_default=True, help="The primary and the other one.")
@click.option("--orders", default=150, show_default=True, help="Orders in the demo's seed data.")
@click.option("--real-delays", is_flag=True, help="Health checks and names as slow as Route 53's, instead of seconds.")
@click.option("--report", "file", type=click.Path(path_type=Path), default=Path("drill.json"), show_default=True)
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
def region_loss(regions: str, orders: int, real_delays: bool, file: Path, keep: bool, is_json: bool) -> None:
    """Cut the primary region off under load, promote the other one, let it come back, fail back; some ten minutes.

    Starts a local stack of two regions of its own. Exit codes: 0 nothing lost and nothing done twice, 1 otherwise.
    """
    say = Say(to_stderr=is_json)
    stack = this_stack(say)
    if stack.running() is not None:
        raise click.ClickException("a local stack runs here; stop it first with `nearview local down`")
    names = tuple(regions.split(","))
    if len(names) != 2:
        raise click.UsageError("--regions: two names, as eu-west-1,us-east-1")
    try:
        stack.up(Options(regions=names, orders=orders))
        run = Drill(stack, say, ROUTE_53 if real_delays else FAST)
        report = run.run()
    except (StackError, ProcessError) as error:
        raise click.ClickException(f"{error}\nlogs: {stack.folder / 'logs'}") from None
    finally:
        if not keep:
            stack.down()
    write(report, file)
    if is_json:
        click.echo(json.dumps(as_json(report), indent=1))
    else:
        show(report, run.delays)
        click.echo(f"written to {file}")
    sys.exit(0 if report.is_good else 1)
