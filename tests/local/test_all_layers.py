"""All layers of an installation of two regions deploy here; what does not is listed with the reason."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from cloudformation.deploy import environment, layers, order, values
from local import deploy, deployed, partial, templates
from local.ministack import MiniStack

OPTIONAL: Final = frozenset({"dms", "keys", "key-replica", "routing", "routing-controls"})
# of what MiniStack does not make; a template that refers to it gets these
ABSENT: Final = {
    "TransitGatewayId": "tgw-00000000",
    "PeerTransitGatewayId": "tgw-00000001",
    "TransitGatewayRouteTableId": "tgw-rtb-00000000",
    "AttachmentId": "tgw-attach-00000000",
    "RouteTableA": "rtb-00000000",
    "RouteTableB": "rtb-00000001",
    "HealthCheckId1": "0" * 36,
    "HealthCheckId2": "0" * 36,
    "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/one",
    "ApiUrl": "https://api.example.com",
}
PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all": {"DeletionProtection": "false"},
    "api": {"DomainName": "api.example.com", "CertificateArn": ABSENT["CertificateArn"]},
    "routing": {
        "ZoneName": "example.com",
        "DistributionName": "www.example.com",
        "DistributionCertificateArn": ABSENT["CertificateArn"],
    },
    "alarms": {"Email": "operators@example.com"},
    "failover": {"ApiUrl": ABSENT["ApiUrl"]},
}


def used_types() -> set[str]:
    files = templates.FOLDER.glob("[0-9]*.yaml")
    return {body["Type"] for path in files for body in templates.load(path)["Resources"].values()}


def test_what_cannot_be_deployed_here_is_listed_and_nothing_else() -> None:
    """A type that is in neither list would be deployed without anybody looking; one in both could be, and is not."""
    assert set(partial.not_deployed()) == used_types() - set(_RESOURCE_HANDLERS)
    assert used_types() <= set(partial.not_deployed()) | set(deployed.CHECKS)
    assert all(reason for reason in partial.not_deployed().values())


def installation() -> environment.Environment:
    example = environment.read(templates.FOLDER / "environments" / "example.yaml")
    given = {
        name: {**dict(example.parameters.get(name, {})), **dict(PARAMETERS.get(name, {}))}
        for name in {*example.parameters, *PARAMETERS}
    }
    return dataclasses.replace(example, project="all", env="layers", including=OPTIONAL, parameters=given)


def test_all_layers_deploy_in_two_regions(ministack: MiniStack) -> None:
    """In the order of layers.yaml; outputs of one stack go into the next; each resource is looked up at its service."""
    whole = installation()
    known = layers.read(templates.FOLDER / "layers.yaml")
    regions = {region: MiniStack(ministack.port, region) for region in whole.regions}
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("api_lambdas/__init__.py", "")
    outputs: dict[order.Place, Mapping[str, str]] = {}
    facts = values.Facts(account="000000000000", code_key="code.zip", image="registry.example.com/worker:1")
    made: set[tuple[str, str]] = set()
    for step in order.sequence(order.chosen(known, whole), whole.regions):
        given = values.values(step, whole, known, facts, outputs)
        declared = step.layer.template.parameters
        lost = [
            name for name, one in declared.items() if name not in given and ("Default" not in one or name in ABSENT)
        ]
        given |= {name: ABSENT[name] for name in lost if name in ABSENT}
        outputs[step.place] = deploy.deploy_template(
            regions[step.region], lambda _: None, step.stack(whole.prefix), step.layer.template.name, given
        )
        made.add((step.layer.name, step.region))
        if step.layer.name == "artifacts":
            bucket = outputs[step.place]["CodeBucket"]
            regions[step.region].client("s3").put_object(Bucket=bucket, Key="code.zip", Body=code.getvalue())
    assert {name for name, _ in made} == set(known)
    assert {region for _, region in made} == set(whole.regions)
