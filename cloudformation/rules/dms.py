"""DMS settings that cfn-lint cannot judge: free texts, JSON in strings, and switches whose default loses data."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

ENGINES = {
    "aurora", "aurora-postgresql", "azuredb", "db2", "docdb", "dynamodb", "elasticsearch", "kafka", "kinesis",
    "mariadb", "mongodb", "mysql", "neptune", "opensearch", "oracle", "postgres", "redis", "redshift", "s3",
    "sqlserver", "sybase",
}  # fmt: skip
FORMATS = {"json", "json-unformatted"}
LOSSLESS = ("IncludeTransactionDetails", "IncludeNullAndEmpty", "IncludePartitionValue", "PartitionIncludeSchemaTable")
SETTINGS_OF = {
    "aurora": "MySqlSettings",
    "aurora-postgresql": "PostgreSqlSettings",
    "mariadb": "MySqlSettings",
    "mysql": "MySqlSettings",
    "oracle": "OracleSettings",
    "postgres": "PostgreSqlSettings",
    "sqlserver": "MicrosoftSqlServerSettings",
}
CAPACITIES = {1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384}
Path = list[Any]


def branches(value: Any) -> list[Any]:
    """What a value may be: both sides of an Fn::If, without AWS::NoValue."""
    if isinstance(value, dict) and "Fn::If" in value:
        return [found for branch in value["Fn::If"][1:] for found in branches(branch)]
    return [] if value == {"Ref": "AWS::NoValue"} else [value]


def texts(value: Any) -> Iterator[str]:
    """What a text may be; of an Fn::Sub, its variables are filled in and parameters are left. Raises ValueError."""
    for branch in branches(value):
        if isinstance(branch, dict) and "Fn::Sub" in branch:
            sub = branch["Fn::Sub"]
            text, variables = (sub, {}) if isinstance(sub, str) else sub
            for values in product(*(texts(variable) for variable in variables.values())):
                filled = text
                for name, given in zip(variables, values, strict=True):
                    filled = filled.replace(f"${{{name}}}", given)
                yield filled
        elif isinstance(branch, str):
            yield branch
        else:
            raise ValueError("not a text")


def engines(value: Any, cfn: Template) -> list[Any]:
    """The engines that an EngineName may be: of a parameter, all that it allows."""
    if not isinstance(value, dict):
        return [value]
    parameter = cfn.template.get("Parameters", {}).get(value.get("Ref"), {})
    return list(parameter.get("AllowedValues", ["(anything)"]))


class Endpoint(CloudFormationLintRule):  # type: ignore[misc]
    """Endpoints of DMS."""

    id = "E9301"
    shortdesc = "A DMS endpoint says all that nearview needs"
    description = "Known engine, no password in the template, Kinesis settings that lose nothing"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each endpoint."""
        found = []
        for name, body in cfn.get_resources("AWS::DMS::Endpoint").items():
            path: Path = ["Resources", name, "Properties"]
            properties = body.get("Properties", {})
            names = engines(properties.get("EngineName"), cfn)
            problems = [problem for engine in names for problem in self._problems(engine, properties)]
            found += [RuleMatch(path, problem) for problem in dict.fromkeys(problems)]
        return found

    def _problems(self, engine: Any, properties: dict[str, Any]) -> Iterator[str]:
        if engine not in ENGINES:
            yield f"DMS has no engine {engine}"
        if "Password" in properties:
            yield "a password belongs into Secrets Manager (SecretsManagerSecretId)"
        if properties.get("EndpointType") == "source" and engine in SETTINGS_OF:
            for secret in branches(properties.get(SETTINGS_OF[engine], {})):
                for setting in ("SecretsManagerSecretId", "SecretsManagerAccessRoleArn"):
                    if setting not in secret:
                        yield f"{SETTINGS_OF[engine]} lacks {setting}"
        if engine == "kinesis":
            yield from self._kinesis(properties.get("KinesisSettings"))

    @staticmethod
    def _kinesis(settings: dict[str, Any] | None) -> Iterator[str]:
        if settings is None:
            yield "engine kinesis needs KinesisSettings"
            return
        for setting in ("StreamArn", "ServiceAccessRoleArn"):
            if setting not in settings:
                yield f"KinesisSettings lacks {setting}"
        if settings.get("MessageFormat", "json") not in FORMATS:
            yield f"MessageFormat {settings['MessageFormat']} is none of {', '.join(sorted(FORMATS))}"
        for setting in LOSSLESS:
            if settings.get(setting) is not True:
                yield f"{setting} must be true, else changes cannot be ordered or told apart"


class Task(CloudFormationLintRule):  # type: ignore[misc]
    """Replication tasks."""

    id = "E9302"
    shortdesc = "A DMS task's JSON can be read and loses nothing"
    description = "TableMappings and ReplicationTaskSettings parse, before images are on, BatchApply is off"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Look at each task."""
        found = []
        for name, body in cfn.get_resources("AWS::DMS::ReplicationTask").items():
            properties = body.get("Properties", {})
            for key, problems in (("TableMappings", self._mappings), ("ReplicationTaskSettings", self._settings)):
                path: Path = ["Resources", name, "Properties", key]
                try:
                    documents = [json.loads(text) for text in texts(properties.get(key, "{}"))]
                except ValueError as error:
                    found.append(RuleMatch(path, f"not JSON: {error}"))
                    continue
                found += [RuleMatch(path, problem) for document in documents for problem in problems(document)]
        return found

    @staticmethod
    def _mappings(document: dict[str, Any]) -> Iterator[str]:
        rules = document.get("rules", [])
        if not any(rule.get("rule-type") == "selection" for rule in rules):
            yield "no selection rule: DMS would capture nothing"
        kinds = [
            rule.get("mapping-parameters", {}).get("partition-key-type")
            for rule in rules
            if rule.get("rule-type") == "object-mapping"
        ]
        if not kinds or set(kinds) != {"primary-key"}:
            yield "an object mapping must set partition-key-type primary-key, or load and changes go apart"

    @staticmethod
    def _settings(document: dict[str, Any]) -> Iterator[str]:
        if document.get("BeforeImageSettings", {}).get("EnableBeforeImage") is not True:
            yield "BeforeImageSettings must be on: the old key of a changed key comes no other way"
        if document.get("TargetMetadata", {}).get("BatchApplyEnabled") is not False:
            yield "BatchApplyEnabled must be false: it may lose changes on Kinesis"


class Capacity(CloudFormationLintRule):  # type: ignore[misc]
    """Serverless replications."""

    id = "E9303"
    shortdesc = "A serverless replication has a capacity that is sold"
    description = "The schema takes any whole number"

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Least and greatest number of units."""
        found = []
        for name, body in cfn.get_resources("AWS::DMS::ReplicationConfig").items():
            config = body.get("Properties", {}).get("ComputeConfig", {})
            for key in ("MinCapacityUnits", "MaxCapacityUnits"):
                units = config.get(key)
                if isinstance(units, int) and units not in CAPACITIES:
                    path: Path = ["Resources", name, "Properties", "ComputeConfig", key]
                    found.append(RuleMatch(path, f"{units} units are not sold, but {sorted(CAPACITIES)}"))
        return found
