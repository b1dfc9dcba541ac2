"""House rules: least privilege, data that outlives its stack, and one owner of the number of tasks."""

from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

STATEFUL = [
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::Kinesis::Stream",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
]

# Actions for which IAM knows no resource, or only ones that do not exist yet; nothing else may have Resource "*".
RESOURCELESS = {
    "ecr:GetAuthorizationToken": "the token is for the whole registry",
    "ec2:AssignPrivateIpAddresses": "of an interface that Lambda has just made",
    "ec2:CreateNetworkInterface": "the interface does not exist yet",
    "ec2:DeleteNetworkInterface": "of an interface that Lambda has made",
    "ec2:DescribeNetworkInterfaces": "no resource level",
    "ec2:DescribeSubnets": "no resource level",
    "ec2:UnassignPrivateIpAddresses": "of an interface that Lambda has made",
}
Path = list[Any]


def as_list(value: Any) -> list[Any]:
    """IAM takes one value or a list of them."""
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a policy, also those behind an Fn::If."""
    for entry in as_list(document.get("Statement", [])):
        for candidate in entry["Fn::If"][1:] if "Fn::If" in entry else [entry]:
            if "Effect" in candidate:
                yield candidate


class LeastPrivilege(CloudFormationLintRule):  # type: ignore[misc]
    """Policies of roles."""

    id = "E9401"
    shortdesc = "Roles name their actions and resources"
    description = "No wildcard action; Resource * only for actions that have no resource; no managed policies"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each role's inline policies."""
        found = []
        for name, body in cfn.get_resources("AWS::IAM::Role").items():
            properties = body.get("Properties", {})
            if "ManagedPolicyArns" in properties:
                path: Path = ["Resources", name, "Properties", "ManagedPolicyArns"]
                found.append(RuleMatch(path, "managed policies allow more than is needed: list the actions"))
            for index, policy in enumerate(properties.get("Policies", [])):
                path = ["Resources", name, "Properties", "Policies", index]
                for statement in statements(policy["PolicyDocument"]):
                    found += [RuleMatch(path, problem) for problem in self._problems(statement)]
        return found

    @staticmethod
    def _problems(statement: dict[str, Any]) -> Iterator[str]:
        for forbidden in ("NotAction", "NotResource"):
            if forbidden in statement:
                yield f"{forbidden} allows all that is not named"
        actions = as_list(statement.get("Action", []))
        for action in actions:
            if "*" in action:
                yield f"{action} is a wildcard"
        if "*" in as_list(statement.get("Resource", [])):
            for action in actions:
                if action not in RESOURCELESS:
                    yield f'{action} on Resource "*"'


class DataIsKept(CloudFormationLintRule):  # type: ignore[misc]
    """Tables and streams outlive their stack."""

    id = "E9402"
    shortdesc = "Data survives the removal of its stack"
    description = "Tables and streams have DeletionPolicy and UpdateReplacePolicy Retain"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each stateful resource."""
        return [
            RuleMatch(["Resources", name], f"{policy} must be Retain")
            for name, body in cfn.get_resources(STATEFUL).items()
            for policy in ("DeletionPolicy", "UpdateReplacePolicy")
            if body.get(policy) != "Retain"
        ]


class OneOwnerOfTheCount(CloudFormationLintRule):  # type: ignore[misc]
    """Services whose number of tasks is scaled."""

    id = "E9403"
    shortdesc = "A scaled service has no DesiredCount"
    description = "Every deployment would set the number of tasks back to it"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Only in templates that scale a service."""
        if not cfn.get_resources("AWS::ApplicationAutoScaling::ScalableTarget"):
            return []
        return [
            RuleMatch(["Resources", name, "Properties", "DesiredCount"], "scaling owns the number of tasks")
            for name, body in cfn.get_resources("AWS::ECS::Service").items()
            if "DesiredCount" in body.get("Properties", {})
        ]


class ContainersAreConfined(CloudFormationLintRule):  # type: ignore[misc]
    """Containers of tasks."""

    id = "E9404"
    shortdesc = "Containers are confined and have time to stop"
    description = "Read-only root, no capabilities, a stop time-out that Fargate accepts"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each container."""
        found = []
        for name, body in cfn.get_resources("AWS::ECS::TaskDefinition").items():
            for index, container in enumerate(body.get("Properties", {}).get("ContainerDefinitions", [])):
                path: Path = ["Resources", name, "Properties", "ContainerDefinitions", index]
                found += [RuleMatch(path, problem) for problem in self._problems(container)]
        return found

    @staticmethod
    def _problems(container: dict[str, Any]) -> Iterator[str]:
        if container.get("ReadonlyRootFilesystem") is not True:
            yield "ReadonlyRootFilesystem must be true"
        dropped = container.get("LinuxParameters", {}).get("Capabilities", {}).get("Drop", [])
        if "ALL" not in dropped:
            yield "LinuxParameters must drop ALL capabilities"
        if not 2 <= container.get("StopTimeout", 30) <= 120:
            yield "StopTimeout must be from 2 to 120 seconds"
