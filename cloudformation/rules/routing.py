"""What Route 53 and ARC refuse or answer unexpectedly, and cfn-lint lets pass."""

from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

INTERVALS = {10, 30}
POLICIES = ("Failover", "GeoLocation", "GeoProximityLocation", "MultiValueAnswer", "Region", "Weight")
Path = list[Any]


def allowed(value: Any, cfn: Template) -> list[Any]:
    """What a value may be: of a parameter, all that it allows."""
    if not isinstance(value, dict):
        return [value]
    parameter = cfn.template.get("Parameters", {}).get(value.get("Ref"), {})
    return list(parameter.get("AllowedValues", ["(anything)"]))


class HealthCheckInterval(CloudFormationLintRule):  # type: ignore[misc]
    """How often a health check asks."""

    id = "E9501"
    shortdesc = "A health check asks every 10 or 30 seconds"
    description = "The schema takes every number between, the service only these two"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """A number, or a parameter with allowed values."""
        found = []
        for name, body in cfn.get_resources("AWS::Route53::HealthCheck").items():
            given = body.get("Properties", {}).get("HealthCheckConfig", {}).get("RequestInterval", 30)
            path: Path = ["Resources", name, "Properties", "HealthCheckConfig", "RequestInterval"]
            wrong = [value for value in allowed(given, cfn) if value not in INTERVALS]
            found += [RuleMatch(path, f"{value} seconds: only 10 and 30 are taken") for value in wrong]
        return found


class RecordPolicy(CloudFormationLintRule):  # type: ignore[misc]
    """Records of one name in several regions."""

    id = "E9502"
    shortdesc = "A routed record has one policy, an identifier and a health check"
    description = "Two policies are refused; without a health check a dead region stays in DNS"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each record."""
        found = []
        for name, body in cfn.get_resources("AWS::Route53::RecordSet").items():
            path: Path = ["Resources", name, "Properties"]
            found += [RuleMatch(path, problem) for problem in self._problems(body.get("Properties", {}))]
        return found

    @staticmethod
    def _problems(properties: dict[str, Any]) -> Iterator[str]:
        given = [name for name in POLICIES if name in properties]
        # those behind an Fn::If exclude each other by their conditions, which nobody can tell here
        fixed = [name for name in given if not (isinstance(properties[name], dict) and "Fn::If" in properties[name])]
        if len(fixed) > 1 or (fixed and len(given) > 1):
            yield f"{' and '.join(given)} cannot be combined"
        if given and "SetIdentifier" not in properties:
            yield f"{given[0]} needs SetIdentifier"
        if given and "HealthCheckId" not in properties:
            yield f"{given[0]} without HealthCheckId: a dead target would stay in DNS"


class RegionSwitch(CloudFormationLintRule):  # type: ignore[misc]
    """Plans of Region switch."""

    id = "E9503"
    shortdesc = "A plan of Region switch says which region is the primary"
    description = "activePassive needs PrimaryRegion, and it must be one of Regions"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each plan."""
        found = []
        for name, body in cfn.get_resources("AWS::ARCRegionSwitch::Plan").items():
            properties = body.get("Properties", {})
            path: Path = ["Resources", name, "Properties"]
            primary, regions = properties.get("PrimaryRegion"), properties.get("Regions", [])
            if properties.get("RecoveryApproach") == "activePassive" and primary is None:
                found.append(RuleMatch(path, "activePassive needs PrimaryRegion"))
            if isinstance(primary, str) and isinstance(regions, list) and primary not in regions:
                found.append(RuleMatch(path, f"PrimaryRegion {primary} is none of Regions"))
        return found
