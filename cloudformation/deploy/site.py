"""An environment with all its stacks as they are now: what every part of a deployment works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cloudformation.deploy import values
from cloudformation.deploy.artefacts import Bucket
from cloudformation.deploy.cloud import MAX_BODY_BYTES, Cloud, Event, Stack
from cloudformation.deploy.environment import Environment
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.journal import Journal
from cloudformation.deploy.layers import Layer
from cloudformation.deploy.order import Place, Step
from cloudformation.deploy.template import Template
from cloudformation.deploy.values import Facts

UPLOADS = "upload-code"
CODE_BUCKET = "CodeBucket"
Result = TypeVar("Result")


class Clients(Protocol):
    """Clients by service and region."""

    def client(self, service: str, region: str) -> Any:
        """The client."""


class Tell(Protocol):
    """Where progress goes."""

    def step(self, step: Step, text: str) -> None:
        """Something about a step that people should know."""

    def event(self, step: Step, event: Event) -> None:
        """Something happened in the step's stack."""


def no_hook(_name: str) -> None:
    """Nothing happens between two effects, but in tests."""


@dataclass
class Site:
    """Shared by plan, deployment and removal. `layers` and `steps` are those that the environment has."""

    environment: Environment
    layers: Mapping[str, Layer]
    steps: list[Step]
    clients: Clients
    facts: Facts
    journal: Journal
    tell: Tell
    code: bytes | None = None
    make_cloud: Callable[[Any, str], Cloud] = Cloud
    hook: Callable[[str], None] = no_hook
    outputs: dict[Place, Mapping[str, str]] = field(default_factory=dict)
    _effects: int = 0

    def cloud(self, region: str) -> Cloud:
        """CloudFormation there."""
        return self.make_cloud(self.clients.client("cloudformation", region), region)

    def stack_name(self, step: Step) -> str:
        """Of the step's stack."""
        return step.stack(self.environment.prefix)

    def look(self, step: Step) -> Stack | None:
        """The step's stack; its outputs are known from now on."""
        found = self.cloud(step.region).find(self.stack_name(step))
        self.outputs[step.place] = found.outputs if found else {}
        return found

    def look_at_all(self) -> dict[Place, Stack | None]:
        """Every stack."""
        return {step.place: self.look(step) for step in self.steps}

    def parameters(self, step: Step) -> dict[str, str]:
        """The values of the step's parameters, as far as outputs are known by now."""
        if any(source.fact == values.ROUTE_TABLE for source in step.layer.parameters.values()):
            self._look_at_gateway(step.region)
        return values.values(step, self.environment, self.layers, self.facts, self.outputs)

    def _look_at_gateway(self, region: str) -> None:
        """No resource puts out the default route table of a Transit Gateway."""
        gateway = values.gateway(region, self.outputs)
        if not gateway or region in self.facts.route_tables:
            return
        try:
            found = self.clients.client("ec2", region).describe_transit_gateways(TransitGatewayIds=[gateway])
        except (ClientError, BotoCoreError) as error:
            raise DeployError(f"Transit Gateway {gateway} in {region}: {' '.join(str(error).split())}") from None
        options = found["TransitGateways"][0].get("Options", {}) if found["TransitGateways"] else {}
        table = options.get("AssociationDefaultRouteTableId", "")
        self.facts = replace(self.facts, route_tables={**self.facts.route_tables, region: table})

    def bucket(self, region: str) -> Bucket | None:
        """The bucket of artefacts of a region, once it is there."""
        for layer in self.layers.values():
            name = self.outputs.get((layer.name, region, ""), {}).get(CODE_BUCKET)
            if UPLOADS in layer.then and name:
                return Bucket(self.clients.client("s3", region), region, name)
        return None

    def template(self, template: Template, region: str) -> dict[str, str]:
        """A template as CloudFormation takes it: one that is too big for a request lies in the bucket."""
        body = template.text.encode()
        if len(body) <= MAX_BODY_BYTES:
            return {"TemplateBody": template.text}
        bucket = self.bucket(region)
        if bucket is None:
            raise DeployError(
                f"{template.name} has {len(body):,} bytes, more than {MAX_BODY_BYTES:,}, and {region} has no bucket yet"
            )
        key = f"templates/{template.digest}.yaml"
        bucket.add(key, body)
        return {"TemplateURL": bucket.url(key)}

    def effect(self, step: Step, name: str, call: Callable[[], Result]) -> Result:
        """Do something that changes something; a test can end the process on either side of it."""
        self.hook(f"before {name} of {step.name}")
        result = call()
        self.hook(f"after {name} of {step.name}")
        return result

    def token(self) -> str:
        """A new one for each request, from which stack events tell the run they come from."""
        self._effects += 1
        return f"{self.journal.run}-{self._effects}"

    def record(self, step: Step, what: str, **facts: Any) -> None:
        """Into the journal, and its copy where there is a bucket. A copy that fails stops nothing."""
        self.journal.record(
            what, layer=step.layer.name, region=step.region, stack=self.stack_name(step), peer=step.peer, **facts
        )
        bucket = self.bucket(self.environment.primary)
        if bucket is not None:
            prefix = f"deployments/{self.environment.prefix}/"
            try:
                self.journal.copy(lambda name, body: bucket.put(prefix + name, body))
            except DeployError as error:
                self.tell.step(step, f"the journal could not be copied: {error}")
