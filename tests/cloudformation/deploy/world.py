"""What these tests deploy: small templates into MiniStack's regions, with the program's own parts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cloudformation.deploy import compose, plan, remove
from cloudformation.deploy.aws import Identity
from cloudformation.deploy.changes import Change
from cloudformation.deploy.cloud import MARK, Event, Stack
from cloudformation.deploy.finishing import Finishing
from cloudformation.deploy.order import Step
from cloudformation.deploy.plan import Planned
from cloudformation.deploy.remove import Removal
from cloudformation.deploy.run import Deployment, Done
from cloudformation.deploy.site import Site, no_hook
from local.ministack import ACCOUNT, MiniStack

TEMPLATES: Final = Path(__file__).parent / "templates"
REGIONS: Final = ("eu-west-1", "us-west-2")
IDENTITY: Final = Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/tester")


def sleep(_seconds: float) -> None:
    """Short: MiniStack needs no time."""
    time.sleep(0.01)


@dataclass
class Told:
    """What a run said."""

    lines: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def step(self, step: Step, text: str) -> None:
        """Keep it."""
        self.lines.append(f"{step.name}: {text}")

    def event(self, step: Step, event: Event) -> None:
        """Keep it."""
        self.events.append(event)


class Killed(BaseException):
    """The process ended here: nothing of it runs any more, which is why no code of ours may catch it."""


def killer(at: int) -> Callable[[str], None]:
    """A hook that ends the run at its n-th call."""
    left = [at]

    def hook(name: str) -> None:
        if not left[0]:
            raise Killed(name)
        left[0] -= 1

    return hook


@dataclass
class World:
    """An environment of its own in a MiniStack that others use as well."""

    ministack: MiniStack
    folder: Path
    project: str
    content: dict[str, Any]
    told: Told = field(default_factory=Told)
    confirm: Callable[[Step, tuple[Change, ...]], bool] = lambda step, found: True

    @property
    def templates(self) -> Path:
        """A copy that a test may change."""
        return self.folder / "templates"

    @property
    def file(self) -> Path:
        """The environment's file."""
        return self.folder / "test.yaml"

    def write(self) -> None:
        """The environment's file as `content` says."""
        self.file.write_text(yaml.safe_dump(self.content))

    def change(self, template: str, old: str, new: str) -> None:
        """Another text in a template."""
        path = self.templates / template
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def site(self, hook: Callable[[str], None] = no_hook, only: Iterable[str] = ()) -> Site:
        """As the command line makes it."""
        self.write()
        wanted = compose.read(str(self.file), self.folder, self.templates, lint_too=False)
        return compose.site(
            wanted, self.ministack, IDENTITY, self.folder / "journal.jsonl", self.told, sleep, hook, only
        )

    def plan(self) -> list[Planned]:
        """What would be done."""
        site = self.site()
        return plan.plan(site, site.journal.run)

    def deploy(self, hook: Callable[[str], None] = no_hook, allowed: Iterable[str] = ()) -> list[Done]:
        """Plan and do it."""
        site = self.site(hook)
        planned = plan.plan(site, site.journal.run)
        return Deployment(site, Finishing(site, sleep), self.confirm, frozenset(allowed)).run(planned)

    def remove(self, hook: Callable[[str], None] = no_hook, *, delete_data: bool = False) -> list[Removal]:
        """Plan the removal and do it."""
        site = self.site(hook)
        return remove.run(site, remove.plan(site, delete_data=delete_data), sleep, delete_data=delete_data)

    def stacks(self) -> dict[str, Stack | None]:
        """All stacks by step."""
        site = self.site()
        return {step.name: site.look(step) for step in site.steps}

    def left_over(self) -> list[str]:
        """Change sets of ours that were not executed, and stacks without anything in them."""
        found = []
        for region in {step.region for step in self.site().steps}:
            client = self.ministack.client("cloudformation", region)
            for stack in client.describe_stacks()["Stacks"]:
                if not stack["StackName"].startswith(f"{self.project}-"):
                    continue
                if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                    found.append(stack["StackName"])
                listed = client.list_change_sets(StackName=stack["StackName"])["Summaries"]
                found += [
                    one["ChangeSetName"]
                    for one in listed
                    if one["ChangeSetName"].startswith(MARK) and not one["ExecutionStatus"].startswith("EXECUTE")
                ]
        return found


def make(ministack: MiniStack, folder: Path, project: str) -> World:
    """A world in two regions, with code to upload."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(TEMPLATES, folder / "templates")
    (folder / "api.zip").write_bytes(b"PK-code")
    content = {
        "project": project,
        "env": "test",
        "regions": [*REGIONS],
        "artefacts": {"api": {"file": "api.zip"}},
    }
    return World(ministack, folder, project, content)
