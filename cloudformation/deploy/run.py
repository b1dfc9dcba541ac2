"""Carries a plan out, stack after stack. What was done is read from the stacks, so any run goes on where one ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cloudformation.deploy import decide, plan
from cloudformation.deploy.changes import Change, refused
from cloudformation.deploy.cloud import ChangeSet, Event, Stack, first_failure
from cloudformation.deploy.decide import Do
from cloudformation.deploy.errors import DeployError, Failed
from cloudformation.deploy.finishing import Finishing
from cloudformation.deploy.order import Step
from cloudformation.deploy.plan import Planned
from cloudformation.deploy.site import Site

Confirm = Callable[[Step, tuple[Change, ...]], bool]
_ROUNDS: Final = 6  # of repairs of one stack before somebody has to look


@dataclass(frozen=True, slots=True)
class Done:
    """How a step ended."""

    step: Step
    result: str  # created, updated, unchanged
    seconds: float = 0.0
    change_set: str = ""
    changes: tuple[Change, ...] = ()
    also: tuple[str, ...] = ()  # what followed the stack

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "layer": self.step.layer.name,
            "region": self.step.region,
            **({"peer": self.step.peer} if self.step.peer else {}),
            "result": self.result,
            "seconds": round(self.seconds, 1),
            **({"change_set": self.change_set} if self.change_set else {}),
            "changes": [change.as_json() for change in self.changes],
            **({"also": list(self.also)} if self.also else {}),
        }


@dataclass
class Deployment:
    """One run. `confirm` is asked about changes that the plan has not shown."""

    site: Site
    finishing: Finishing
    confirm: Confirm
    allowed: frozenset[str] = frozenset()
    done: list[Done] = field(default_factory=list)

    def run(self, planned: list[Planned]) -> list[Done]:
        """Every step in order. Raises Failed at the first that does not end well, DeployError if it cannot begin."""
        for one in planned:
            started = time.monotonic()
            try:
                done = self._step(one, started)
            except DeployError as error:
                self.site.record(one.step, "failed", reason=str(error))
                raise
            self.site.record(
                one.step, done.result, seconds=round(done.seconds, 1), change_set=done.change_set, also=list(done.also)
            )
            self.done.append(done)
        return self.done

    def _step(self, planned: Planned, started: float) -> Done:
        step, site = planned.step, self.site
        stack = site.look(step)
        self.finishing.before(step)
        parameters = site.parameters(step)
        result, change_set = "unchanged", None
        as_planned = planned.unchanged and planned.parameters == parameters
        if not (as_planned and stack is not None and stack.status in decide.STABLE):
            stack = self._repaired(step, stack)
            result, change_set = self._changed(planned, stack, parameters)
        found = site.look(step)
        if step.layer.keeps_data and found is not None and not found.protected:
            site.effect(step, "protection", lambda: site.cloud(step.region).protect(found.id, on=True))
        also = tuple(self.finishing.after(step))
        changes = change_set.changes if change_set else ()
        seconds = time.monotonic() - started
        return Done(step, result, seconds, change_set.id if change_set else "", changes, also)

    def _repaired(self, step: Step, stack: Stack | None) -> Stack | None:
        """The stack at rest and able to take a change set; None if there is none."""
        site, cloud = self.site, self.site.cloud(step.region)
        for _ in range(_ROUNDS):
            action = decide.to_deploy(stack.status if stack else None)
            if action in (Do.CREATE, Do.UPDATE) or stack is None:
                return stack if action is Do.UPDATE else None
            site.tell.step(step, f"{stack.status}: {action}")
            seen, token = self._seen(step, stack.id), site.token()
            repair = {
                Do.CLEAR: cloud.delete,
                Do.CONTINUE_ROLLBACK: cloud.continue_rollback,
                Do.ROLL_BACK: cloud.roll_back,
            }.get(action)
            if action is Do.REFUSE:
                break
            if repair is not None:
                site.effect(step, action, partial(repair, stack.id, token))
            begun = "" if action is Do.WAIT else token
            ended = cloud.wait(stack.id, self._teller(step), seen, begun)
            if action is Do.CONTINUE_ROLLBACK and ended is not None and ended.status == stack.status:
                raise Failed(self._stuck(step, ended))
            stack = site.look(step)
        raise Failed(f"stack {site.stack_name(step)} in {step.region} stays {stack.status if stack else 'away'}")

    def _changed(
        self, planned: Planned, stack: Stack | None, parameters: dict[str, str]
    ) -> tuple[str, ChangeSet | None]:
        step, site = planned.step, self.site
        name, cloud = site.stack_name(step), self.site.cloud(step.region)
        if missing := plan.lacking(step, parameters):
            raise DeployError(
                f"{step.name}: nothing gives {', '.join(missing)}: the stacks before it do not put it out"
            )
        if site.cloud(step.region).find(name) is not None:
            cloud.discard_leftovers(name)
        template = site.template(step.layer.template, step.region)
        mark = site.token()
        change_set = site.effect(
            step, "change set", lambda: cloud.propose(name, template, parameters, plan.tags(site, step), mark)
        )
        if change_set.empty:
            return "unchanged", None
        try:
            self._agreed(planned, change_set, new=stack is None)
        except DeployError:
            cloud.discard(change_set.id, change_set.stack_id)
            raise
        site.record(
            step,
            "change set",
            change_set=change_set.id,
            changes=[one.as_json() for one in change_set.changes],
            template=step.layer.template.digest,
        )
        seen, token = self._seen(step, change_set.stack_id), site.token()
        site.effect(step, "execution", lambda: cloud.execute(name, change_set, token, new=stack is None))
        ended = cloud.wait(change_set.stack_id, self._teller(step), seen, token)
        if ended is None or ended.status not in decide.GOOD:
            raise Failed(self._reason(step, ended, change_set.stack_id, token))
        site.hook(f"after end of {step.name}")
        return ("created" if stack is None else "updated"), change_set

    def _agreed(self, planned: Planned, change_set: ChangeSet, *, new: bool) -> None:
        """Raises DeployError unless these changes are allowed and were shown, or are confirmed now."""
        if lines := refused(planned.step.layer.name, change_set.changes, self.allowed):
            raise DeployError(*(f"{planned.step.name}: {line}" for line in lines))
        if new or _same(planned.changes, change_set.changes):
            return
        if not self.confirm(planned.step, change_set.changes):
            raise DeployError(f"{planned.step.name}: not confirmed, nothing was changed there")

    def _seen(self, step: Step, stack: str) -> set[str]:
        return {event.id for event in self.site.cloud(step.region).events(stack)}

    def _teller(self, step: Step) -> Callable[[Event], None]:
        return lambda event: self.site.tell.event(step, event)

    def _reason(self, step: Step, ended: Stack | None, stack: str, token: str) -> str:
        events = [event for event in self.site.cloud(step.region).events(stack) if event.token == token]
        status = ended.status if ended else "gone"
        return f"stack {self.site.stack_name(step)} in {step.region} is {status}: {first_failure(events)}"

    def _stuck(self, step: Step, stack: Stack) -> str:
        reason = stack.reason or first_failure(self.site.cloud(step.region).events(stack.id))
        return (
            f"stack {self.site.stack_name(step)} in {step.region} stays {stack.status}: {reason}: repair that resource,"
            f" or skip it with aws cloudformation continue-update-rollback --region {step.region} --stack-name"
            f" {self.site.stack_name(step)} --resources-to-skip RESOURCE, then run again"
        )


def _same(shown: tuple[Change, ...], found: tuple[Change, ...]) -> bool:
    """Whether nothing happens that was not shown."""
    known = {(one.resource, one.action, one.replacement) for one in shown}
    return {(one.resource, one.action, one.replacement) for one in found} <= known
