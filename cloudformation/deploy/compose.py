"""Puts a deployment together from its files and checks all that can be checked before anything is touched."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cloudformation.deploy import artefacts, environment, layers, lint, networks, order, values
from cloudformation.deploy.aws import Aws, Identity
from cloudformation.deploy.cloud import Cloud
from cloudformation.deploy.environment import Environment
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.journal import Journal
from cloudformation.deploy.layers import Layer
from cloudformation.deploy.order import Step
from cloudformation.deploy.site import Clients, Site, Tell, no_hook
from cloudformation.deploy.values import Facts

FOLDER: Final = Path(__file__).parents[1]
ENVIRONMENTS: Final = FOLDER / "environments"
_NO_ACCOUNT: Final = "000000000000"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What files say, checked as far as files go."""

    environment: Environment
    layers: dict[str, Layer]
    steps: list[Step]
    code: bytes | None
    facts: Facts


def read(env: str, environments: Path, templates: Path, *, lint_too: bool) -> Wanted:
    """Everything from the files. Raises DeployError with every problem."""
    path = Path(env) if env.endswith((".yaml", ".yml")) else environments / f"{env}.yaml"
    read_environment = environment.read(path)
    all_layers = layers.read(templates / "layers.yaml")
    chosen = order.chosen(all_layers, read_environment)
    steps = order.sequence(chosen, read_environment.regions)
    code = artefacts.code(read_environment)
    facts = _facts(read_environment, code)
    problems = list(values.problems(steps, read_environment, chosen, facts))
    problems += [f"{path}: {problem}" for problem in networks.problems(steps, read_environment)]
    if lint_too and lint.installed():
        files = (layer.template.name for layer in chosen.values())
        problems += lint.problems(templates, files, dict.fromkeys(step.region for step in steps))
    if problems:
        raise DeployError(*problems)
    return Wanted(read_environment, chosen, steps, code, facts)


def _facts(environment: Environment, code: bytes | None) -> Facts:
    worker = environment.artefacts.get("worker", {})
    if unknown := sorted(worker.keys() - {"image", "tag"}):
        raise DeployError(
            f"{environment.file}: artefacts: worker: unknown key {', '.join(unknown)} (known: image, tag)"
        )
    if strange := sorted(environment.artefacts.keys() - {"api", "worker"}):
        raise DeployError(f"{environment.file}: artefacts: {', '.join(strange)} is unknown (known: api, worker)")
    return Facts(
        account=environment.account or _NO_ACCOUNT,
        code_key=artefacts.code_key(code) if code is not None else "",
        image=worker.get("image", ""),
        image_tag=worker.get("tag", ""),
    )


def identify(wanted: Wanted, aws: Aws) -> Identity:
    """Who we are, once account and regions were found to be usable. Raises DeployError with every problem."""
    identity = aws.identity(wanted.environment.primary)
    if wanted.environment.account and wanted.environment.account != identity.account:
        raise DeployError(
            f"{wanted.environment.file}: account is {wanted.environment.account}, but these credentials are of"
            f" {identity.account}"
        )
    regions = dict.fromkeys(step.region for step in wanted.steps)
    if problems := [problem for region in regions if (problem := aws.unusable(region))]:
        raise DeployError(*problems)
    return identity


def site(
    wanted: Wanted,
    aws: Clients,
    identity: Identity,
    journal: Path,
    tell: Tell,
    sleep: Callable[[float], None] = time.sleep,
    hook: Callable[[str], None] = no_hook,
    only: Iterable[str] = (),
) -> Site:
    """What plan, deployment and removal work on. Raises DeployError: `only` names a layer that is not there."""
    if unknown := sorted(set(only) - wanted.layers.keys()):
        raise DeployError(f"no layer {', '.join(unknown)} in this environment (it has {', '.join(wanted.layers)})")
    found = Site(
        environment=wanted.environment,
        layers=wanted.layers,
        steps=wanted.steps,
        clients=aws,
        facts=Facts(identity.account, wanted.facts.code_key, wanted.facts.image, wanted.facts.image_tag),
        journal=Journal(
            journal, new_run(), {"env": wanted.environment.prefix, "account": identity.account, "who": identity.arn}
        ),
        tell=tell,
        code=wanted.code,
        make_cloud=lambda client, region: Cloud(client, region, sleep),
        hook=hook,
    )
    if only:
        found.look_at_all()
        found.steps = [step for step in found.steps if step.layer.name in set(only)]
    return found


def new_run() -> str:
    """A name for a run, in order of time; CloudFormation takes it in names of change sets and tokens."""
    return f"{datetime.now(UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(3)}"
