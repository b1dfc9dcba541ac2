"""What a deployment would do, found out without changing a stack: change sets are made, read and thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudformation.deploy import decide
from cloudformation.deploy.changes import Change, refused
from cloudformation.deploy.cloud import Stack
from cloudformation.deploy.decide import Do
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.order import Step
from cloudformation.deploy.site import Site


@dataclass(frozen=True, slots=True)
class Planned:
    """What one step would do. `parameters` are those that the change set was made with."""

    step: Step
    action: Do
    status: str = ""
    changes: tuple[Change, ...] = ()
    parameters: Mapping[str, str] | None = None
    note: str = ""

    @property
    def unchanged(self) -> bool:
        """Whether the stack is as it should be."""
        return self.action is Do.NOTHING

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "layer": self.step.layer.name,
            "region": self.step.region,
            **({"peer": self.step.peer} if self.step.peer else {}),
            "action": str(self.action),
            "status": self.status or None,
            "changes": [change.as_json() for change in self.changes],
            **({"note": self.note} if self.note else {}),
        }


def plan(site: Site, mark: str) -> list[Planned]:
    """Every step in order. Raises DeployError where CloudFormation refuses a template or its parameters."""
    _same_home(site)
    stacks = site.look_at_all()
    return [_planned(site, step, stacks[step.place], mark) for step in site.steps]


def losses(planned: list[Planned], allowed: frozenset[str]) -> list[str]:
    """A line for each change that loses data and that nobody has allowed."""
    return [
        f"{one.step.name}: {line}" for one in planned for line in refused(one.step.layer.name, one.changes, allowed)
    ]


def _planned(site: Site, step: Step, stack: Stack | None, mark: str) -> Planned:
    status = stack.status if stack else ""
    action = decide.to_deploy(stack.status if stack else None)
    if action is Do.REFUSE:
        raise DeployError(_unfinished(site, step, status))
    if action is Do.CREATE or action is Do.CLEAR:
        cloud = site.cloud(step.region)
        if len(step.layer.template.text.encode()) <= 51_200:
            cloud.validate(site.stack_name(step), site.template(step.layer.template, step.region))
        return Planned(step, action, status, _all_new(step))
    if action is not Do.UPDATE:
        return Planned(step, action, status, note="what it changes is known when it has come to rest")
    cloud = site.cloud(step.region)
    parameters = site.parameters(step)
    if missing := lacking(step, parameters):
        # of a producer that is not there yet, or not with this output yet
        return Planned(step, action, status, note=f"what it changes depends on stacks before it ({', '.join(missing)})")
    name = site.stack_name(step)
    cloud.discard_leftovers(name)
    change_set = cloud.propose(
        name, site.template(step.layer.template, step.region), parameters, tags(site, step), f"{mark}-preview"
    )
    if change_set.empty:
        return Planned(step, Do.NOTHING, status, parameters=parameters)
    cloud.discard(change_set.id, change_set.stack_id)
    return Planned(step, action, status, change_set.changes, parameters)


def tags(site: Site, step: Step) -> dict[str, str]:
    """On the stack and, by CloudFormation, on all that is in it. They never change, else everything would."""
    environment = site.environment
    return {"project": environment.project, "env": environment.env, "layer": step.layer.name}


def lacking(step: Step, parameters: Mapping[str, str]) -> list[str]:
    """Parameters that have neither value nor default."""
    declared = step.layer.template.parameters
    return [name for name, one in declared.items() if name not in parameters and "Default" not in one]


def _all_new(step: Step) -> tuple[Change, ...]:
    resources = step.layer.template.resources
    return tuple(
        Change("Add", name, str(body.get("Type", "")), what=("if its condition holds",) if "Condition" in body else ())
        for name, body in resources.items()
    )


def _unfinished(site: Site, step: Step, status: str) -> str:
    name = site.stack_name(step)
    if status == "DELETE_FAILED":
        return f"stack {name} in {step.region} is {status}: end its removal first, with --remove"
    return f"stack {name} in {step.region} is {status}: nothing can be done with it from here"


def _same_home(site: Site) -> None:
    """Refuses an environment whose first region was changed: the data would be made a second time."""
    primary, *others = site.environment.regions
    for layer in site.layers.values():
        if layer.where != "primary":
            continue
        if site.cloud(primary).find(Step(layer, primary).stack(site.environment.prefix)):
            continue
        for region in others:
            stack = site.cloud(region).find(Step(layer, region).stack(site.environment.prefix))
            if stack is not None and stack.status != decide.GONE:
                raise DeployError(
                    f"{site.environment.file}: regions: {region} has the stacks of which there is one only, so it stays"
                    " first; which region executes commands is changed by `nearview failover`, not here"
                )
