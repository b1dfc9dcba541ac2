"""What API Gateway, Lambda, S3, SQS, ECS and Direct Connect refuse or ignore, and cfn-lint lets pass."""

import re
from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

BANDWIDTHS = {
    "50Mbps", "100Mbps", "200Mbps", "300Mbps", "400Mbps", "500Mbps", "1Gbps", "2Gbps", "5Gbps", "10Gbps", "25Gbps",
    "100Gbps", "400Gbps",
}  # fmt: skip
INLINE_MODULE = "index"
Path = list[Any]


class _PerResource(CloudFormationLintRule):  # type: ignore[misc]
    """Looks at the properties of each resource of one type."""

    kind = ""

    def match(self, cfn: Template) -> list[RuleMatch]:
        """A match for each problem of each resource."""
        found = []
        for name, body in cfn.get_resources(self.kind).items() if self.kind else ():
            path: Path = ["Resources", name, "Properties"]
            found += [RuleMatch(path, problem) for problem in self.problems(body.get("Properties") or {})]
        return found

    def problems(self, _properties: dict[str, Any], /) -> Iterator[str]:
        """What is wrong with a resource."""
        yield from ()


class RegionalDomain(_PerResource):
    """Custom domains of REST APIs."""

    id = "E9601"
    shortdesc = "A regional domain has a regional certificate"
    description = "CertificateArn is for edge-optimized domains; a regional one ignores it"
    kind = "AWS::ApiGateway::DomainName"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """Only where the endpoint is regional."""
        if "REGIONAL" not in properties.get("EndpointConfiguration", {}).get("Types", []):
            return
        if "RegionalCertificateArn" not in properties:
            yield "REGIONAL needs RegionalCertificateArn"
        if "CertificateArn" in properties:
            yield "CertificateArn is for EDGE"


class JwtAuthorizer(_PerResource):
    """Authorizers of HTTP APIs."""

    id = "E9602"
    shortdesc = "A JWT authorizer says whose tokens it takes"
    description = "JWT needs JwtConfiguration with Issuer and Audience"
    kind = "AWS::ApiGatewayV2::Authorizer"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """Only of type JWT."""
        if properties.get("AuthorizerType") != "JWT":
            return
        configuration = properties.get("JwtConfiguration", {})
        for name in ("Issuer", "Audience"):
            if name not in configuration:
                yield f"JWT needs JwtConfiguration with {name}"


class InlineHandler(_PerResource):
    """Functions whose code stands in the template."""

    id = "E9603"
    shortdesc = "The handler of inline code is in index"
    description = "CloudFormation writes ZipFile to a file called index"
    kind = "AWS::Lambda::Function"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """Only with ZipFile."""
        handler = properties.get("Handler", "")
        if "ZipFile" in properties.get("Code", {}) and isinstance(handler, str):
            module = handler.rpartition(".")[0]
            if module != INLINE_MODULE:
                yield f"inline code is in {INLINE_MODULE}, the handler looks in {module}"


class Replication(_PerResource):
    """Buckets that are replicated."""

    id = "E9604"
    shortdesc = "A replicated bucket keeps versions"
    description = "ReplicationConfiguration needs VersioningConfiguration Enabled"
    kind = "AWS::S3::Bucket"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """Only with replication."""
        status = properties.get("VersioningConfiguration", {}).get("Status")
        if "ReplicationConfiguration" in properties and status != "Enabled":
            yield "ReplicationConfiguration needs VersioningConfiguration Enabled"


class FifoQueue(_PerResource):
    """Queues that keep order."""

    id = "E9605"
    shortdesc = "A queue called .fifo is one"
    description = "FifoQueue is true or absent; false is refused"
    kind = "AWS::SQS::Queue"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """False is no value of it."""
        name = properties.get("QueueName", "")
        if properties.get("FifoQueue") is False:
            yield "FifoQueue false is refused: leave it out"
        if isinstance(name, str) and name.endswith(".fifo") and properties.get("FifoQueue") is not True:
            yield "a name that ends in .fifo needs FifoQueue true"


class LaunchOrStrategy(_PerResource):
    """Where tasks of a service run."""

    id = "E9606"
    shortdesc = "A service has a launch type or a capacity provider strategy"
    description = "Both together are refused"
    kind = "AWS::ECS::Service"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """One of both at most."""
        if "LaunchType" in properties and "CapacityProviderStrategy" in properties:
            yield "LaunchType and CapacityProviderStrategy exclude each other"


class Bandwidth(_PerResource):
    """Connections of Direct Connect."""

    id = "E9607"
    shortdesc = "A connection has a bandwidth that is sold"
    description = "The schema knows a pattern only"
    kind = "AWS::DirectConnect::Connection"

    def problems(self, properties: dict[str, Any], /) -> Iterator[str]:
        """Of those that are sold."""
        given = properties.get("Bandwidth")
        if isinstance(given, str) and given not in BANDWIDTHS:
            yield f"there is no bandwidth {given} (there are {', '.join(sorted(BANDWIDTHS, key=_megabits))})"


def _megabits(bandwidth: str) -> int:
    number = int(re.sub(r"\D", "", bandwidth))
    return number * 1000 if bandwidth.endswith("Gbps") else number
