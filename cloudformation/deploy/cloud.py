"""CloudFormation in one region: stacks, change sets, events. The one module that talks to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudformation.deploy import changes, decide
from cloudformation.deploy.changes import Change
from cloudformation.deploy.errors import DeployError

MARK: Final = "nearview-"  # names of our change sets
MAX_BODY_BYTES: Final = 51_200
POLL_SECONDS: Final = 3.0
_NO_CHANGES: Final = ("didn't contain changes", "No updates are to be performed")
_CANCELLED: Final = "cancelled"

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as CloudFormation describes it."""

    id: str
    status: str
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one resource of a stack."""

    id: str
    time: str
    resource: str
    type: str
    status: str
    reason: str
    token: str = ""  # of the request that it comes from


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that is ready, or empty: nothing would change."""

    id: str
    stack_id: str
    changes: tuple[Change, ...] = ()
    empty: bool = False


class Cloud:
    """All methods raise DeployError, one line that names the stack, where CloudFormation refuses or is not reached."""

    def __init__(self, client: Any, region: str, sleep: Sleep = time.sleep) -> None:
        self._client = client
        self._region = region
        self._sleep = sleep

    def find(self, name: str) -> Stack | None:
        """The stack of this name or id; None where there is none."""
        with self._calls(name):
            try:
                found = self._client.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in str(error):
                    return None
                raise
        return Stack(
            id=found["StackId"],
            status=found["StackStatus"],
            reason=found.get("StackStatusReason", ""),
            outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())},
            protected=bool(found.get("EnableTerminationProtection")),
        )

    def propose(
        self, name: str, template: Mapping[str, str], parameters: Mapping[str, str], tags: Mapping[str, str], mark: str
    ) -> ChangeSet:
        """A new change set, of a stack that need not be there yet. `template` is TemplateBody or TemplateURL."""
        stack = self.find(name)
        new = decide.to_deploy(stack.status if stack else None) == decide.Do.CREATE
        with self._calls(name):
            made = self._client.create_change_set(
                StackName=name,
                ChangeSetName=f"{MARK}{mark}",
                ChangeSetType="CREATE" if new else "UPDATE",
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                **template,
            )
            described = self._described(made["Id"], made["StackId"])
        if described["Status"] == "CREATE_COMPLETE":
            return ChangeSet(made["Id"], made["StackId"], tuple(changes.parse(described["Changes"])))
        reason = str(described.get("StatusReason", ""))
        self.discard(made["Id"], made["StackId"])
        if any(text in reason for text in _NO_CHANGES):
            return ChangeSet(made["Id"], made["StackId"], empty=True)
        raise DeployError(f"stack {name} in {self._region}: no change set can be made: {reason}")

    def _described(self, change_set: str, stack: str) -> dict[str, Any]:
        """All pages, once it is no longer being made."""
        while True:
            found: dict[str, Any] = self._client.describe_change_set(ChangeSetName=change_set, StackName=stack)
            if not str(found["Status"]).endswith(("_PENDING", "_IN_PROGRESS")):
                break
            self._sleep(POLL_SECONDS)
        listed, page = list(found.get("Changes", ())), found
        while token := page.get("NextToken"):
            page = self._client.describe_change_set(ChangeSetName=change_set, StackName=stack, NextToken=token)
            listed += page.get("Changes", ())
        return {**found, "Changes": listed}

    def discard(self, change_set: str, stack: str) -> None:
        """Throw a change set away, and the empty shell of a stack that was made for it."""
        with self._calls(stack):
            self._client.delete_change_set(ChangeSetName=change_set, StackName=stack)
        found = self.find(stack)
        if found is not None and found.status == decide.IN_REVIEW:
            self.delete(found.id, "")

    def discard_leftovers(self, name: str) -> int:
        """Throw away the change sets that earlier runs of ours have left; how many there were."""
        with self._calls(name):
            pages = self._client.get_paginator("list_change_sets").paginate(StackName=name)
            left = [
                one["ChangeSetId"]
                for page in pages
                for one in page["Summaries"]
                if one["ChangeSetName"].startswith(MARK) and "_IN_PROGRESS" not in one.get("ExecutionStatus", "")
            ]
            for change_set in left:
                self._client.delete_change_set(ChangeSetName=change_set, StackName=name)
        return len(left)

    def execute(self, name: str, change_set: ChangeSet, token: str, *, new: bool) -> None:
        """Begin a change set. With the same token a second time is the same time."""
        # what a failed creation made is removed even if it is retained otherwise: else it would be in its own way
        extra = {"RetainExceptOnCreate": True} if new else {}
        with self._calls(name):
            self._client.execute_change_set(
                ChangeSetName=change_set.id, StackName=change_set.stack_id, ClientRequestToken=token, **extra
            )

    def wait(self, stack: str, tell: Callable[[Event], None], seen: set[str], token: str = "") -> Stack | None:
        """Wait until nothing is being done to a stack; tells of events that are not yet `seen`.

        With a token it waits for what was begun with it: a stack may look idle for a moment after a request.
        """
        begun = not token
        while True:
            found = self.find(stack)
            for event in self.events(stack) if found else ():
                begun = begun or event.token == token
                if event.id not in seen:
                    seen.add(event.id)
                    tell(event)
            if found is None or (begun and decide.ended(found.status)):
                return found
            self._sleep(POLL_SECONDS)

    def events(self, stack: str) -> list[Event]:
        """All events of a stack, the oldest one first."""
        with self._calls(stack):
            pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack)
            found = [event for page in pages for event in page["StackEvents"]]
        return [
            Event(
                id=one["EventId"],
                time=one["Timestamp"].isoformat(timespec="seconds"),
                resource=one.get("LogicalResourceId", ""),
                type=one.get("ResourceType", ""),
                status=one.get("ResourceStatus", ""),
                reason=one.get("ResourceStatusReason", ""),
                token=one.get("ClientRequestToken", ""),
            )
            for one in reversed(found)
        ]

    def resources(self, stack: str) -> list[tuple[str, str, str]]:
        """Logical id, type and physical id of what a stack has."""
        with self._calls(stack):
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=stack)
            return [
                (one["LogicalResourceId"], one["ResourceType"], one.get("PhysicalResourceId", ""))
                for page in pages
                for one in page["StackResourceSummaries"]
                if one["ResourceStatus"] not in (decide.GONE, "DELETE_SKIPPED")
            ]

    def delete(self, stack: str, token: str) -> None:
        """Begin to delete a stack."""
        with self._calls(stack):
            self._client.delete_stack(StackName=stack, **({"ClientRequestToken": token} if token else {}))

    def protect(self, stack: str, *, on: bool) -> None:
        """Whether a stack refuses to be deleted."""
        with self._calls(stack):
            self._client.update_termination_protection(StackName=stack, EnableTerminationProtection=on)

    def continue_rollback(self, stack: str, token: str) -> None:
        """Try again what an update could not undo."""
        with self._calls(stack):
            self._client.continue_update_rollback(StackName=stack, ClientRequestToken=token)

    def roll_back(self, stack: str, token: str) -> None:
        """Undo an update that was left as it failed."""
        with self._calls(stack):
            self._client.rollback_stack(StackName=stack, ClientRequestToken=token)

    def validate(self, name: str, template: Mapping[str, str]) -> None:
        """Have CloudFormation read a template; changes nothing."""
        with self._calls(name, "template"):
            self._client.validate_template(**template)

    @contextmanager
    def _calls(self, name: str, what: str = "stack") -> Iterator[None]:
        short = name.split("/")[1] if name.startswith("arn:") and name.count("/") > 1 else name
        try:
            yield
        except ClientError as error:
            message = error.response["Error"].get("Message", "") or error.response["Error"].get("Code", "")
            raise DeployError(f"{what} {short} in {self._region}: {message}") from None
        except BotoCoreError as error:
            raise DeployError(f"{what} {short} in {self._region}: {' '.join(str(error).split())}") from None


def first_failure(events: list[Event]) -> str:
    """The resource that failed first and why: the others are mostly cancelled because of it."""
    for event in events:
        if event.status.endswith("_FAILED") and _CANCELLED not in event.reason and event.type != _STACK:
            return f"{event.resource} ({event.type}): {event.reason or 'no reason given'}"
    for event in events:
        if "ROLLBACK" in event.status and event.reason:
            return event.reason
    return "no resource reported a failure"


_STACK: Final = "AWS::CloudFormation::Stack"
