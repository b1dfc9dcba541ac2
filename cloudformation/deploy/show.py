"""How plans, progress and results look to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cloudformation.deploy.changes import Change
from cloudformation.deploy.cloud import Event, Stack
from cloudformation.deploy.decide import Do
from cloudformation.deploy.order import Step
from cloudformation.deploy.plan import Planned
from cloudformation.deploy.remove import Removal
from cloudformation.deploy.run import Done
from worker.grid import grid

_FULL = 12  # changes of a stack that are listed one by one when all are new


class Progress:
    """Prints what happens, a line for each event, onto stderr."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, step: Step, text: str) -> None:
        """Something about a step that people should know."""
        self._console.print(f"[bold]{step.name}[/]: {escape(text)}", highlight=False, soft_wrap=True)

    def event(self, step: Step, event: Event) -> None:
        """A stack event as CloudFormation reports it."""
        colour = "red" if "FAILED" in event.status else "yellow" if "ROLLBACK" in event.status else "dim"
        reason = f": {event.reason}" if event.reason else ""
        self._console.print(
            f"  {event.time[11:19]} {step.region} [{colour}]{event.status}[/] {escape(event.resource)}"
            f" [dim]{event.type}[/]{escape(reason)}",
            highlight=False,
            soft_wrap=True,
        )


def changes(found: Sequence[Change]) -> Table:
    """One line a resource, what loses data in red."""
    table = grid()
    for name in ("action", "resource", "type", "replacement", "changes"):
        table.add_column(name)
    for one in found:
        style = "red" if one.loses_data else "yellow" if one.action == "Remove" or one.replacement == "True" else ""
        kept = " (left behind)" if one.kept else ""
        table.add_row(one.action + kept, one.resource, one.type, one.replacement, ", ".join(one.what), style=style)
    return table


def plan(console: Console, planned: Sequence[Planned]) -> None:
    """Every step; of what is there already each change, of what is new the number of its resources by type."""
    for one in planned:
        if one.unchanged:
            console.print(f"[bold]{one.step.name}[/]: no changes", highlight=False)
            continue
        text = f" ({one.status})" if one.status else ""
        console.print(f"[bold]{one.step.name}[/]: {one.action}{text}{_note(one)}", highlight=False, soft_wrap=True)
        if one.action in (Do.CREATE, Do.CLEAR) and len(one.changes) > _FULL:
            kinds = Counter(change.type.removeprefix("AWS::") for change in one.changes)
            listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            console.print(f"  up to {len(one.changes)} resources: {listed}", highlight=False, soft_wrap=True)
        elif one.changes:
            console.print(changes(one.changes))


def _note(one: Planned) -> str:
    return f": {escape(one.note)}" if one.note else ""


def removal(console: Console, planned: Iterable[Removal]) -> None:
    """What goes and what stays."""
    table = grid()
    for name in ("stack", "becomes", "holds"):
        table.add_column(name)
    for one in planned:
        style = {"kept": "green", "removed": "red" if one.data else ""}.get(one.result, "dim")
        table.add_row(one.step.name, one.result, ", ".join(one.data), style=style)
    console.print(table)


def results(console: Console, done: Iterable[Done]) -> None:
    """What was done."""
    table = grid()
    for name in ("stack", "result", "seconds", "changes", "also"):
        table.add_column(name)
    for one in done:
        also = ", ".join(one.also)
        table.add_row(one.step.name, one.result, f"{one.seconds:.1f}", str(len(one.changes) or ""), also)
    console.print(table)


def status(console: Console, found: Iterable[tuple[Step, str, Stack | None]]) -> None:
    """The stacks as they are."""
    table = grid()
    for name in ("stack", "region", "status", "protected"):
        table.add_column(name)
    for step, name, stack in found:
        state = stack.status if stack else "-"
        style = "red" if "FAILED" in state or state == "ROLLBACK_COMPLETE" else "" if stack else "dim"
        protected = ("yes" if stack.protected else "NO") if stack and step.layer.keeps_data else ""
        table.add_row(name, step.region, state, protected, style=style)
    console.print(table)
