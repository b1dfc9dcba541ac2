"""Checks that what a stack reports as created exists and is what the template says, asking each service itself.

A stand-in's CREATE_COMPLETE is no evidence: it may know a resource type and still leave out half of its properties.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local import existing
from local.ministack import MiniStack
from local.templates import Template, resolve


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a deployed stack; `ids` has the physical ids of all resources of the stack."""

    name: str
    physical_id: str
    properties: Mapping[str, Any]
    ids: Mapping[str, str]
    template: Template
    parameters: Mapping[str, str]

    def expected(self, name: str) -> Any:
        """A property as the template and its parameters say; None where only CloudFormation knows."""
        return resolve(self.properties.get(name), self.template, self.parameters)

    def id_of(self, name: str) -> str:
        """The physical id that a property refers to."""
        named = self.properties[name]["Ref"]
        return self.ids[named] if named in self.ids else self.parameters[named]


Check = Callable[[MiniStack, Resource], Iterator[str]]


def problems(ministack: MiniStack, stack: str, template: Template, parameters: Mapping[str, str]) -> list[str]:
    """What is missing or different in a stack, a line each; empty when all is there."""
    listed = ministack.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}
    found = []
    for name, body in template["Resources"].items():
        if name not in ids:
            if "Condition" not in body:
                found.append(f"{name}: not part of the stack")
            continue
        if body["Type"] not in CHECKS:
            found.append(f"{name}: no check for {body['Type']}")
            continue
        resource = Resource(name, ids[name], body.get("Properties", {}), ids, template, parameters)
        try:
            found += [f"{name}: {problem}" for problem in CHECKS[body["Type"]](ministack, resource)]
        except ClientError as error:
            found.append(f"{name}: {error.response['Error'].get('Message', error)}")
    return found


def unchecked(template: Template) -> list[str]:
    """Resources whose type nobody here can look up, so that a deployment of them would prove nothing.

    One that a condition may leave out is known only afterwards: `problems` says it.
    """
    return [
        f"{name}: no check for {body['Type']}"
        for name, body in template["Resources"].items()
        if body["Type"] not in CHECKS and "Condition" not in body
    ]


def _differ(what: str, expected: Any, actual: Any) -> Iterator[str]:
    if expected is not None and str(expected) != str(actual):
        yield f"{what} is {actual}, the template says {expected}"


def _keys(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(key["AttributeName"], key["KeyType"]) for key in schema]


def _indexes(indexes: list[dict[str, Any]]) -> dict[str, Any]:
    return {index["IndexName"]: (_keys(index["KeySchema"]), index["Projection"]) for index in indexes}


def _table(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    table = ministack.client("dynamodb").describe_table(TableName=resource.physical_id)["Table"]
    yield from _differ("name", resource.expected("TableName"), table["TableName"])
    yield from _differ("status", "ACTIVE", table["TableStatus"])
    yield from _differ("key", _keys(resource.properties["KeySchema"]), _keys(table["KeySchema"]))
    stored = table.get("GlobalSecondaryIndexes", [])
    yield from _differ("indexes", _indexes(resource.properties.get("GlobalSecondaryIndexes", [])), _indexes(stored))
    for index in stored:
        yield from _differ(f"status of {index['IndexName']}", "ACTIVE", index.get("IndexStatus"))
    # An attribute of a key that is not defined: DynamoDB refuses it, MiniStack does not.
    defined = {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]}
    schemas = [table["KeySchema"], *(index["KeySchema"] for index in stored)]
    yield from _differ("set of defined attributes", {name for keys in schemas for name, _ in _keys(keys)}, defined)


def _stream(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    summary = ministack.client("kinesis").describe_stream_summary(StreamName=resource.physical_id)
    stream = summary["StreamDescriptionSummary"]
    yield from _differ("status", "ACTIVE", stream["StreamStatus"])
    yield from _differ("retention in hours", resource.expected("RetentionPeriodHours"), stream["RetentionPeriodHours"])
    if stream["StreamModeDetails"]["StreamMode"] == "PROVISIONED":
        wanted = resource.properties["ShardCount"]
        wanted = wanted["Fn::If"][1] if isinstance(wanted, dict) and "Fn::If" in wanted else wanted
        count = resolve(wanted, resource.template, resource.parameters)
        yield from _differ("number of shards", count, stream["OpenShardCount"])


def _alarm(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    alarms = ministack.client("cloudwatch").describe_alarms(AlarmNames=[resource.physical_id])["MetricAlarms"]
    if not alarms:
        yield "no such alarm"
        return
    yield from _differ("metric", resource.expected("MetricName"), alarms[0].get("MetricName"))


def _api(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    api = ministack.client("apigatewayv2").get_api(ApiId=resource.physical_id)
    yield from _differ("protocol", resource.expected("ProtocolType"), api["ProtocolType"])


def _stage(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    stages = ministack.client("apigatewayv2").get_stages(ApiId=resource.id_of("ApiId"))["Items"]
    if resource.expected("StageName") not in [stage["StageName"] for stage in stages]:
        yield "no such stage"


def _integration(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("apigatewayv2").get_integration(
        ApiId=resource.id_of("ApiId"), IntegrationId=resource.physical_id
    )
    function = resource.ids[resource.properties["IntegrationUri"]["Fn::GetAtt"][0]]
    if not found["IntegrationUri"].endswith(f":function:{function}"):
        yield f"it calls {found['IntegrationUri']}, the template says {function}"
    for name in ("IntegrationType", "PayloadFormatVersion"):
        yield from _differ(name, resource.expected(name), found.get(name))


def _route(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    routes = ministack.client("apigatewayv2").get_routes(ApiId=resource.id_of("ApiId"))["Items"]
    targets = {route["RouteKey"]: route.get("Target", "") for route in routes}
    key = resource.properties["RouteKey"]
    if key not in targets:
        yield f"no route {key}"
        return
    integration = resource.properties["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
    yield from _differ("target", f"integrations/{resource.ids[integration]}", targets[key])


def _function(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("lambda").get_function(FunctionName=resource.physical_id)["Configuration"]
    if not found["CodeSize"]:
        yield "it has no code: the zip file was not found"
    for name in ("Handler", "Runtime", "Timeout", "MemorySize"):
        yield from _differ(name, resource.expected(name), found.get(name))
    wanted = sorted(resource.properties.get("Environment", {}).get("Variables", {}))
    yield from _differ("environment", wanted, sorted(found.get("Environment", {}).get("Variables", {})))


def _permission(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    policy = ministack.client("lambda").get_policy(FunctionName=resource.id_of("FunctionName"))["Policy"]
    if resource.properties["Principal"] not in policy:
        yield "the function's policy does not name the caller"


def _role(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    iam = ministack.client("iam")
    iam.get_role(RoleName=resource.physical_id)
    wanted = sorted(policy["PolicyName"] for policy in resource.properties.get("Policies", []))
    yield from _differ("policies", wanted, sorted(iam.list_role_policies(RoleName=resource.physical_id)["PolicyNames"]))


def _log_group(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    groups = ministack.client("logs").describe_log_groups(logGroupNamePrefix=resource.physical_id)["logGroups"]
    if resource.physical_id not in [group["logGroupName"] for group in groups]:
        yield "no such log group"


def _secret(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    value = ministack.client("secretsmanager").get_secret_value(SecretId=resource.physical_id)
    if not value.get("SecretString"):
        yield "it has no value"


def _kms_key(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    client = ministack.client("kms")
    key = client.describe_key(KeyId=resource.physical_id)["KeyMetadata"]
    yield from _differ("state", "Enabled", key["KeyState"])
    yield from _differ("description", resource.expected("Description"), key["Description"])
    rotates = client.get_key_rotation_status(KeyId=resource.physical_id)["KeyRotationEnabled"]
    yield from _differ("rotation", resource.expected("EnableKeyRotation"), rotates)


def _kms_alias(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("kms").describe_key(KeyId=resource.physical_id)["KeyMetadata"]["KeyId"]
    yield from _differ("key", resource.id_of("TargetKeyId").rpartition("/")[2], found)


def _bus(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("events").describe_event_bus(Name=resource.physical_id)
    yield from _differ("name", resource.physical_id, found["Name"])


def _rule(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    events = ministack.client("events")
    bus = resource.id_of("EventBusName") if "EventBusName" in resource.properties else "default"
    rule = events.describe_rule(Name=resource.physical_id, EventBusName=bus)
    yield from _differ("state", resource.expected("State"), rule["State"])
    targets = events.list_targets_by_rule(Rule=resource.physical_id, EventBusName=bus)["Targets"]
    wanted = [target["Id"] for target in resource.properties["Targets"]]
    yield from _differ("targets", wanted, [target["Id"] for target in targets])
    # a schedule comes again by itself
    if "EventPattern" in resource.properties and any(not target.get("DeadLetterConfig") for target in targets):
        yield "a target has no dead-letter queue"


def _queue(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("sqs").get_queue_attributes(QueueUrl=resource.physical_id, AttributeNames=["All"])
    yield from _differ(
        "visibility time-out", resource.expected("VisibilityTimeout"), found["Attributes"]["VisibilityTimeout"]
    )


def _queue_policy(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    for queue in resource.properties["Queues"]:
        url = resource.ids[queue["Ref"]]
        found = ministack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        policy = found.get("Attributes", {}).get("Policy", "")
        for statement in resource.properties["PolicyDocument"]["Statement"]:
            if statement["Sid"] not in policy:
                yield f"the queue's policy lacks {statement['Sid']}"


def _mapping(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    found = ministack.client("lambda").get_event_source_mapping(UUID=resource.physical_id)
    function = resource.id_of("FunctionName")
    if not found["FunctionArn"].endswith(f":function:{function}"):
        yield f"it calls {found['FunctionArn']}, the template says {function}"
    yield from _differ("batch size", resource.expected("BatchSize"), found["BatchSize"])


def _retries(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    function, qualifier = resource.id_of("FunctionName"), resource.expected("Qualifier")
    found = ministack.client("lambda").get_function_event_invoke_config(FunctionName=function, Qualifier=qualifier)
    yield from _differ("attempts", resource.expected("MaximumRetryAttempts"), found["MaximumRetryAttempts"])
    if not found.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        yield "what fails goes nowhere"


def _existing(ministack: MiniStack, resource: Resource) -> Iterator[str]:
    kind = resource.template["Resources"][resource.name]["Type"]
    yield from existing.missing(ministack, kind, resource.physical_id, resource.id_of)


def _listed(_ministack: MiniStack, resource: Resource) -> Iterator[str]:
    if not resource.physical_id:
        yield "it has no id"


CHECKS: Mapping[str, Check] = {
    **dict.fromkeys(existing.EXISTING, _existing),
    **dict.fromkeys(existing.LISTED, _listed),
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::ApiGatewayV2::Route": _route,
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": _kms_alias,
    "AWS::KMS::Key": _kms_key,
    "AWS::Kinesis::Stream": _stream,
    "AWS::Lambda::EventInvokeConfig": _retries,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SecretsManager::Secret": _secret,
}
