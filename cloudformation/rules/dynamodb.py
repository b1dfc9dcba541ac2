"""What DynamoDB refuses or does badly, and cfn-lint lets pass."""

from collections.abc import Iterator
from typing import Any

from cfnlint.helpers import REGIONS
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

Path = list[Any]


def branches(value: Any) -> Iterator[Any]:
    """All values that a property may have: both sides of every Fn::If, without AWS::NoValue."""
    if isinstance(value, dict) and list(value) == ["Fn::If"]:
        for branch in value["Fn::If"][1:]:
            yield from branches(branch)
    elif value != {"Ref": "AWS::NoValue"}:
        yield value


def key_attributes(properties: dict[str, Any]) -> set[str]:
    """The attributes that the keys of a table and of its indexes name."""
    schemas = [properties.get("KeySchema", [])]
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        schemas += [index.get("KeySchema", []) for index in properties.get(kind, [])]
    return {key["AttributeName"] for schema in schemas for key in schema}


class KeysAreDefined(CloudFormationLintRule):  # type: ignore[misc]
    """Keys and AttributeDefinitions must name the same attributes."""

    id = "E9101"
    shortdesc = "Keys and attribute definitions of a table agree"
    description = "DynamoDB refuses a key without a definition and a definition without a key"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Compare both sets, for tables and global tables."""
        found = []
        for name, body in cfn.get_resources(["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"]).items():
            properties = body.get("Properties", {})
            defined = {a["AttributeName"] for a in properties.get("AttributeDefinitions", [])}
            wanted = key_attributes(properties)
            path: Path = ["Resources", name, "Properties", "AttributeDefinitions"]
            found += [RuleMatch(path, f"{it} is part of a key but not defined") for it in sorted(wanted - defined)]
            found += [RuleMatch(path, f"{it} is defined but part of no key") for it in sorted(defined - wanted)]
        return found


class GlobalTableReplicas(CloudFormationLintRule):  # type: ignore[misc]
    """Replicas of a global table."""

    id = "E9102"
    shortdesc = "Replicas of a global table can be made"
    description = (
        "The stack's own region is a replica, several replicas need a stream, regions exist, each replica has"
        " point-in-time recovery and either all or none have a key of their own"
    )

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each global table."""
        found = []
        for name, body in cfn.get_resources("AWS::DynamoDB::GlobalTable").items():
            properties = body.get("Properties", {})
            path: Path = ["Resources", name, "Properties", "Replicas"]
            found += [RuleMatch(path, problem) for problem in self._problems(properties)]
        return found

    @staticmethod
    def _problems(properties: dict[str, Any]) -> Iterator[str]:
        replicas = [replica for item in properties.get("Replicas", []) for replica in branches(item)]
        regions = [replica.get("Region") for replica in replicas]
        if {"Ref": "AWS::Region"} not in regions:
            yield "no replica in the stack's own region (!Ref AWS::Region)"
        for region in regions:
            if isinstance(region, str) and region not in REGIONS:
                yield f"there is no region {region}"
        if len(replicas) > 1 and "StreamSpecification" not in properties:
            yield "more than one replica needs StreamSpecification"
        if len({"SSESpecification" in replica for replica in replicas}) > 1:
            yield "some replicas have a key of their own and some have not"
        for replica in replicas:
            recovery = replica.get("PointInTimeRecoverySpecification", {})
            if recovery.get("PointInTimeRecoveryEnabled") is not True:
                yield f"no point-in-time recovery in {replica.get('Region')}"


class GlobalTableModes(CloudFormationLintRule):  # type: ignore[misc]
    """Billing and consistency of a global table."""

    id = "E9103"
    shortdesc = "Billing and consistency of a global table are complete"
    description = "PROVISIONED needs write autoscaling; STRONG needs three replicas, or two and a witness"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each global table."""
        found = []
        for name, body in cfn.get_resources("AWS::DynamoDB::GlobalTable").items():
            properties = body.get("Properties", {})
            path: Path = ["Resources", name, "Properties"]
            provisioned = properties.get("BillingMode", "PROVISIONED") == "PROVISIONED"
            if provisioned and "WriteProvisionedThroughputSettings" not in properties:
                found.append(RuleMatch(path, "PROVISIONED needs WriteProvisionedThroughputSettings"))
            places = len(properties.get("Replicas", [])) + len(properties.get("GlobalTableWitnesses", []))
            if properties.get("MultiRegionConsistency") == "STRONG" and places != 3:
                found.append(RuleMatch(path, "STRONG needs three replicas, or two and a witness"))
        return found
