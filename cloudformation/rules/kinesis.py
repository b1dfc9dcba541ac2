"""What Kinesis refuses, and cfn-lint lets pass."""

from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

MIN_RETENTION_HOURS = 24
Path = list[Any]


class StreamCapacity(CloudFormationLintRule):  # type: ignore[misc]
    """Capacity mode and number of shards of a stream."""

    id = "E9201"
    shortdesc = "Capacity mode and number of shards agree"
    description = "PROVISIONED needs ShardCount, ON_DEMAND refuses it; a mode by parameter needs an Fn::If"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each stream."""
        found = []
        for name, body in cfn.get_resources("AWS::Kinesis::Stream").items():
            properties = body.get("Properties", {})
            path: Path = ["Resources", name, "Properties"]
            mode = properties.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
            count = properties.get("ShardCount")
            if mode == "ON_DEMAND" and count is not None:
                found.append(RuleMatch(path, "ON_DEMAND refuses ShardCount"))
            if mode == "PROVISIONED" and count is None:
                found.append(RuleMatch(path, "PROVISIONED needs ShardCount"))
            chosen = isinstance(count, dict) and "Fn::If" in count
            if isinstance(mode, dict) and not chosen:
                found.append(RuleMatch(path, "ShardCount must depend on the mode by an Fn::If"))
        return found


class StreamRetention(CloudFormationLintRule):  # type: ignore[misc]
    """Retention of a stream."""

    id = "E9202"
    shortdesc = "A stream keeps its records for 24 hours at least"
    description = "The service's minimum is 24 hours, the schema says 1"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """A number, or a parameter with a bound."""
        found = []
        for name, body in cfn.get_resources("AWS::Kinesis::Stream").items():
            hours = body.get("Properties", {}).get("RetentionPeriodHours", MIN_RETENTION_HOURS)
            if isinstance(hours, dict):
                hours = cfn.template.get("Parameters", {}).get(hours.get("Ref"), {}).get("MinValue", 0)
            if int(hours) < MIN_RETENTION_HOURS:
                path: Path = ["Resources", name, "Properties", "RetentionPeriodHours"]
                found.append(RuleMatch(path, f"{hours} hours are possible, {MIN_RETENTION_HOURS} are the least"))
        return found
