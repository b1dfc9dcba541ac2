"""What the local commands share: this folder's stack, refusals in one line, lines with the seconds since the start."""

from __future__ import annotations

import time

import click

from local.running import Running
from local.stack import Stack


class Say:
    """Prints lines with the seconds since the start."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self._started = time.monotonic()
        self._to_stderr = to_stderr

    def __call__(self, line: str) -> None:
        click.echo(f"{time.monotonic() - self._started:6.1f} s  {line}", err=self._to_stderr)


def this_stack(say: Say | None = None) -> Stack:
    """The stack of this state folder, running or not."""
    return Stack(say=say or Say())


def running_of(stack: Stack) -> Running:
    """Where everything of the stack is. Raises ClickException when it is not up."""
    running = stack.running()
    if running is None:
        raise click.ClickException("no local stack runs; start one with `nearview local up`")
    return running
