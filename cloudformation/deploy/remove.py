"""Removes an environment's stacks in reverse order. What holds data stays, with its stack, unless it is to go too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cloudformation.deploy import decide, wipe
from cloudformation.deploy.cloud import Stack, first_failure
from cloudformation.deploy.decide import Do
from cloudformation.deploy.errors import DeployError, Failed
from cloudformation.deploy.order import Step, sequence
from cloudformation.deploy.site import Site
from cloudformation.deploy.template import HOLDS_DATA


@dataclass(frozen=True, slots=True)
class Removal:
    """What becomes of one stack: removed, kept (it holds data), or gone already; `data` is what goes with it."""

    step: Step
    result: str
    status: str = ""
    data: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "layer": self.step.layer.name,
            "region": self.step.region,
            **({"peer": self.step.peer} if self.step.peer else {}),
            "result": self.result,
            "data": list(self.data),
        }


def plan(site: Site, *, delete_data: bool) -> list[Removal]:
    """What a removal would do, in its order; changes nothing."""
    stacks = site.look_at_all()
    _needed_no_more(site)
    found = []
    for step in reversed(site.steps):
        stack = stacks[step.place]
        if stack is None or stack.status == decide.GONE:
            found.append(Removal(step, "gone"))
            continue
        holding = tuple(
            f"{logical} ({kind})"
            for logical, kind, physical in site.cloud(step.region).resources(stack.id)
            if kind in HOLDS_DATA and physical
        )
        keep = _kept(step, stack) and not delete_data
        found.append(Removal(step, "kept" if keep else "removed", stack.status, holding))
    return found


def _needed_no_more(site: Site) -> None:
    """Raises DeployError if a layer would go while a stack that needs it stays."""
    going = {step.layer.name for step in site.steps}
    for step in sequence(site.layers, site.environment.regions):
        needed = sorted(step.layer.needs & going)
        if step.layer.name in going or not needed:
            continue
        stack = site.cloud(step.region).find(site.stack_name(step))
        if stack is not None and stack.status != decide.GONE:
            raise DeployError(f"{step.name} needs {', '.join(needed)}: remove it first, or with them (--only twice)")


def _kept(step: Step, stack: Stack) -> bool:
    """A stack that was never created holds nothing."""
    return step.layer.keeps_data and decide.to_deploy(stack.status) not in (Do.CREATE, Do.CLEAR)


def run(
    site: Site, planned: list[Removal], sleep: Callable[[float], None], *, delete_data: bool = False
) -> list[Removal]:
    """Remove what is planned. Raises Failed at the first stack that cannot be; the next run goes on there."""
    done = []
    for one in planned:
        if one.result == "removed":
            try:
                _remove(site, one.step, sleep, delete_data=delete_data)
            except DeployError as error:
                site.record(one.step, "removal failed", reason=str(error))
                raise
            site.outputs.pop(one.step.place, None)  # its bucket, too, if it had one
        site.record(one.step, one.result, data=list(one.data) if one.result == "removed" else [])
        done.append(one)
    return done


def _remove(site: Site, step: Step, sleep: Callable[[float], None], *, delete_data: bool) -> None:
    cloud = site.cloud(step.region)
    stack = site.look(step)
    if stack is not None and decide.to_remove(stack.status) is Do.WAIT:
        stack = cloud.wait(stack.id, partial(site.tell.event, step), set())
    if stack is None or stack.status == decide.GONE:
        return
    if _kept(step, stack):
        if not delete_data:  # it was created while this ran
            raise Failed(f"stack {site.stack_name(step)} in {step.region} holds data now and was kept: run again")
        for logical, kind, physical in cloud.resources(stack.id):
            if kind in wipe.WIPES and physical:
                site.tell.step(step, f"{logical}: {physical} is deleted with what it holds")
                site.effect(
                    step, f"data {logical}", partial(wipe.wipe, site.clients, step.region, kind, physical, sleep)
                )
    if stack.protected:
        site.effect(step, "protection", partial(cloud.protect, stack.id, on=False))
    seen, token = {event.id for event in cloud.events(stack.id)}, site.token()
    site.effect(step, "deletion", partial(cloud.delete, stack.id, token))
    ended = cloud.wait(stack.id, partial(site.tell.event, step), seen, token)
    if ended is not None and ended.status != decide.GONE:
        events = [event for event in cloud.events(stack.id) if event.token == token]
        name = site.stack_name(step)
        raise Failed(f"stack {name} in {step.region} is {ended.status}: {first_failure(events)}")
    site.hook(f"after end of {step.name}")
