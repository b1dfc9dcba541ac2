"""`nearview local cut`, `mend`, `start-region`, `stop-region`: what a drill does with a second region, by hand."""

from __future__ import annotations

import click

from local.line import LineState
from local.processes import ProcessError
from local.regions import lines_of
from local.running import StackError
from local.shell import this_stack
from local.stack import WORKER, WORKER_GRACE_SECONDS, Stack


def part(region: str) -> Stack:
    """The part of the running stack that is a region. Raises ClickException when there is none."""
    stack = this_stack()
    running = stack.running()
    if running is None or running.other_region is None:
        raise click.ClickException("no stack of two regions runs; start one with `nearview local up --regions A,B`")
    if region not in (running.region, running.other_region):
        raise click.ClickException(f"the regions are {running.region} and {running.other_region}")
    return stack if region == running.region else stack.second(region)


@click.command("cut")
@click.argument("region")
def cut(region: str) -> None:
    """Cut a region off: what is sent to it or by it is dropped; inside everything runs on."""
    part(region)
    lines_of(this_stack().folder).cut(region)
    click.echo(f"{region} is cut off; `nearview local mend {region}` connects it again")


@click.command("mend")
@click.argument("region")
@click.option("--one-way-millis", type=click.FloatRange(min=0), help="How far it is away from now on.")
def mend(region: str, one_way_millis: float | None) -> None:
    """Connect a region again; what was on its way arrives."""
    part(region)
    lines = lines_of(this_stack().folder)
    lines.mend(region)
    if one_way_millis is not None:
        state = lines.state()
        lines.set(LineState(state.cut, {**state.one_way_millis, region: one_way_millis}))
    click.echo(f"{region} is connected")


@click.command("start-region")
@click.argument("region")
def start_region(region: str) -> None:
    """Start a region's change capture, at its saved position, and its worker; what runs is left alone."""
    stack = part(region)
    running = stack.running()
    try:
        if running is not None and not stack.processes.alive("dms"):
            stack.stand_in.start(running)
        if running is not None and not stack.processes.alive(WORKER):
            stack.start_worker(running)
    except (StackError, ProcessError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{region}: change capture and worker run")


@click.command("stop-region")
@click.argument("region")
def stop_region(region: str) -> None:
    """Stop a region's change capture and worker; its place in the source's log stays."""
    stack = part(region)
    stack.stand_in.stop()
    stack.processes.stop(WORKER, grace_seconds=WORKER_GRACE_SECONDS)
    click.echo(f"{region}: change capture and worker stand by")
