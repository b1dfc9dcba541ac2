"""What a template cannot do: code into buckets, images into registries, a peering accepted, a setting of DMS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudformation.deploy import images
from cloudformation.deploy.errors import DeployError, Failed
from cloudformation.deploy.order import Step
from cloudformation.deploy.site import Site
from cloudformation.deploy.values import repository

ATTACHMENT: Final = "AttachmentId"
LARGE_INTEGERS: Final = "EnableLargeIntegers"
POLL_SECONDS: Final = 5.0
_ENDPOINT: Final = re.compile(r"arn:[a-z-]+:dms:[a-z0-9-]+:\d{12}:endpoint:[A-Za-z0-9-]+")


class Finishing:
    """Each of these looks first and does nothing where all is done, so it may be run again at any time."""

    def __init__(self, site: Site, sleep: Callable[[float], None]) -> None:
        self._site = site
        self._sleep = sleep

    def before(self, step: Step) -> None:
        """Raises Failed where a stack could not come up: its image is not there."""
        tag = self._site.facts.image_tag
        uses = any(source.fact == "image" for source in step.layer.parameters.values())
        given = self._site.environment.given(step.layer.name, "Image", step.region)
        arn = repository(step.region, self._site.outputs)
        if not (uses and tag and arn) or given is not None:
            return
        name = _name(arn)
        with _one_line(step):
            if images.digest(self._site.clients.client("ecr", step.region), name, tag) is None:
                raise Failed(
                    f"{step.name}: there is no image {name}:{tag} in the registry of {step.region}: push it there or to"
                    f" {self._site.environment.primary} (docker push), then run again"
                )

    def after(self, step: Step) -> Iterator[str]:
        """What is done after a stack is as it should be; a line for each thing that had to be done."""
        actions: dict[str, Callable[[Step], Iterator[str]]] = {
            "upload-code": self._upload,
            "copy-image": self._copy_image,
            "accept-peering": self._accept,
            "large-integers": self._large_integers,
        }
        for name in step.layer.then:
            with _one_line(step):
                for line in actions[name](step):
                    self._site.tell.step(step, line)
                    yield line

    def _upload(self, step: Step) -> Iterator[str]:
        code, bucket = self._site.code, self._site.bucket(step.region)
        if code is None or bucket is None:
            return
        key = self._site.facts.code_key
        if self._site.effect(step, "upload", lambda: bucket.add(key, code)):
            yield f"{key}: {len(code):,} bytes uploaded"

    def _copy_image(self, step: Step) -> Iterator[str]:
        """From the first of the other regions that has it, so that it has to be pushed once only."""
        tag, outputs = self._site.facts.image_tag, self._site.outputs
        arn = repository(step.region, outputs)
        if not tag or not arn:
            return
        target = self._site.clients.client("ecr", step.region)
        if images.digest(target, _name(arn), tag) is not None:
            return
        for region in self._site.environment.regions:
            other = repository(region, outputs)
            if region == step.region or not other:
                continue
            source = self._site.clients.client("ecr", region)
            found = images.digest(source, _name(other), tag)
            if found is None:
                continue
            copy = images.Copy(source, _name(other), target, _name(arn))
            self._site.effect(step, "image", lambda copy=copy: copy.image(tag))  # type: ignore[misc]
            yield f"image {_name(arn)}:{tag} copied from {region} ({found})"
            return

    def _accept(self, step: Step) -> Iterator[str]:
        """The other side accepts what this region's gateway asked for; routes need it to be available."""
        attachment = self._output(step, ATTACHMENT)
        peer = self._site.clients.client("ec2", step.peer)
        while True:
            state = self._state(peer, attachment)
            if state == "available":
                return
            if state == "pendingAcceptance":
                self._site.effect(
                    step,
                    "acceptance",
                    lambda: peer.accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=attachment),
                )
                yield f"peering {attachment} accepted in {step.peer}"
            elif state not in ("", "initiating", "initiatingRequest", "pending", "modifying"):
                raise Failed(f"{step.name}: peering {attachment} is {state}: delete the stack, then run again")
            self._sleep(POLL_SECONDS)

    @staticmethod
    def _state(peer: Any, attachment: str) -> str:
        """As the peer sees it; empty while it does not see it yet."""
        try:
            found = peer.describe_transit_gateway_peering_attachments(TransitGatewayAttachmentIds=[attachment])
        except ClientError as error:
            if "NotFound" in error.response["Error"].get("Code", ""):
                return ""
            raise
        listed = found["TransitGatewayPeeringAttachments"]
        return str(listed[0]["State"]) if listed else ""

    def _large_integers(self, step: Step) -> Iterator[str]:
        """CloudFormation has no property for it; without it DMS rounds whole numbers of more than 16 digits."""
        endpoint = _ENDPOINT.search(self._output(step, LARGE_INTEGERS))
        if endpoint is None:
            raise Failed(f"{step.name}: its output {LARGE_INTEGERS} names no endpoint")
        client = self._site.clients.client("dms", step.region)
        found = client.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [endpoint[0]]}])["Endpoints"]
        if found and found[0].get("KinesisSettings", {}).get("UseLargeIntegerValue"):
            return
        self._site.effect(
            step,
            "large integers",
            lambda: client.modify_endpoint(EndpointArn=endpoint[0], KinesisSettings={"UseLargeIntegerValue": True}),
        )
        yield "the task's target endpoint keeps whole numbers of more than 16 digits"

    def _output(self, step: Step, name: str) -> str:
        value = self._site.outputs.get(step.place, {}).get(name)
        if not value:
            raise Failed(f"{step.name}: its stack has no output {name}")
        return value


def _name(repository_arn: str) -> str:
    return repository_arn.split(":", 5)[5].removeprefix("repository/")


@contextmanager
def _one_line(step: Step) -> Iterator[None]:
    try:
        yield
    except DeployError:
        raise
    except ClientError as error:
        raise Failed(f"{step.name}: {error.operation_name}: {error.response['Error'].get('Message', error)}") from None
    except BotoCoreError as error:
        raise Failed(f"{step.name}: {' '.join(str(error).split())}") from None
