"""Deploys the templates of cloudformation/ into MiniStack, the same as on AWS, and proves that all is there."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local import deployed, partial, templates
from local.ministack import MiniStack
from local.processes import ProcessError, wait_until

PROJECT = "nearview"
DEPLOY_SECONDS = 120
AWS_ONLY = "35-dms and 40-worker deploy on AWS only: here the DMS stand-in and the worker are processes of this machine"

Say = Callable[[str], None]


class DeployError(Exception):
    """A stack could not be deployed, or lacks what its template says; str() names stack, resource and reason."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Names of the tables and the stream."""

    rows_table: str
    documents_table: str
    parked_table: str
    parked_key: str  # alias of the key that seals parked payloads
    commands_table: str
    regions_table: str
    application: str  # of KCL, and its lease table
    stream: str
    events_table: str = f"{PROJECT}-events"

    @property
    def global_tables(self) -> tuple[str, ...]:
        """The tables with a replica in every region."""
        documents = (self.documents_table, self.rows_table, self.parked_table)
        return (*documents, self.commands_table, self.regions_table, self.events_table)


@dataclass(frozen=True, slots=True)
class Api:
    """Where the HTTP API is. Both addresses lead to the same API."""

    api_id: str
    url: str  # for people: curl and most browsers take any name under .localhost for this machine
    direct_url: str  # for programs: needs neither a resolver nor a Host header


def deploy_storage(
    ministack: MiniStack, say: Say, project: str = PROJECT, shard_count: int = 2, retention_hours: int = 168
) -> Storage:
    """Create or update tables and stream. Raises DeployError."""
    data = deploy_template(
        ministack, say, f"{project}-data", "20-data.yaml", {"Project": project, "DeletionProtection": "false"}
    )
    own = {"Project": project, "DeletionProtection": "false", "ParkedKeyArn": data["ParkedKeyArn"]}
    leases = deploy_template(ministack, say, f"{project}-leases", "25-leases.yaml", own)
    stream = deploy_template(
        ministack,
        say,
        f"{project}-stream",
        "30-stream.yaml",
        {"Project": project, "ShardCount": str(shard_count), "RetentionHours": str(retention_hours)},
    )
    say(AWS_ONLY)
    return Storage(
        rows_table=data["RowsTable"],
        documents_table=data["DocumentsTable"],
        parked_table=data["ParkedTable"],
        parked_key=data["ParkedKeyAlias"],
        commands_table=data["CommandsTable"],
        regions_table=data["RegionsTableName"],
        application=leases["LeasesTable"],
        stream=stream["StreamName"],
        events_table=data["EventsTable"],
    )


def deploy_api(ministack: MiniStack, say: Say, code: bytes, monolith_url: str, project: str = PROJECT) -> Api:
    """Upload the functions' zip file (its bytes), then create or update the API. Raises DeployError."""
    bucket = f"{project}-code"
    key = _upload(ministack, bucket, code)
    outputs = deploy_template(
        ministack,
        say,
        f"{project}-api",
        "50-api.yaml",
        {
            "Project": project,
            "CodeBucket": bucket,
            "CodeKey": key,
            "MonolithUrl": monolith_url,
            # MiniStack does not check signatures
            "Authorization": "NONE",
            "CommandAuthorization": "NONE",
            "DescriptionAuthorization": "NONE",
        },
    )
    api_id = outputs["ApiId"]
    deploy_events(ministack, say, api_id, bucket, key, project)
    return Api(
        api_id=api_id,
        url=outputs["ApiUrl"],
        direct_url=f"{ministack.url}/_aws/execute-api/{api_id}/%24default",
    )


def deploy_events(
    ministack: MiniStack, say: Say, api_id: str, bucket: str, key: str, project: str = PROJECT
) -> dict[str, str]:
    """Create or update what takes events behind an API, and return the stack's outputs. Raises DeployError."""
    parameters = {
        "Project": project,
        "ApiId": api_id,
        "CodeBucket": bucket,
        "CodeKey": key,
        "EventAuthorization": "NONE",
    }
    return deploy_template(ministack, say, f"{project}-events", "55-events.yaml", parameters)


def _upload(ministack: MiniStack, bucket: str, code: bytes) -> str:
    """Store the zip file under its hash, so that other code is another key and the functions are updated."""
    s3 = ministack.client("s3")
    if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        if ministack.region == "us-east-1":  # the one region that must not be named
            s3.create_bucket(Bucket=bucket)
        else:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ministack.region})
    key = f"lambda/{hashlib.sha256(code).hexdigest()}.zip"
    s3.put_object(Bucket=bucket, Key=key, Body=code)
    return key


def deploy_template(
    ministack: MiniStack, say: Say, stack: str, file: str, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Create or update one stack, check what it made, return its outputs."""
    body = (templates.FOLDER / file).read_text()
    template, gone = partial.without(templates.parse(body), partial.not_deployed())
    if gone:
        body = json.dumps(template)
    if unchecked := deployed.unchecked(template):
        raise DeployError(f"{file}: cannot be deployed here: {'; '.join(unchecked)}")
    try:
        status, outputs = _apply(ministack, stack, body, parameters)
        _finish_indexes(ministack, stack)
    except ClientError as error:
        raise DeployError(f"stack {stack} of {file}: {error.response['Error']['Message']}") from error
    if problems := deployed.problems(ministack, stack, template, parameters):
        raise DeployError(f"stack {stack} is {status}, but: " + "; ".join(problems))
    left_out = f", without {', '.join(gone)}" if gone else ""
    say(f"stack {stack}: {len(template['Resources'])} resources of {file}, {status}{left_out}")
    return outputs


def _apply(ministack: MiniStack, stack: str, body: str, parameters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    client = ministack.client("cloudformation")
    before = _status(client, stack)
    if before == "ROLLBACK_COMPLETE":  # what is left of a failed creation can only be deleted
        client.delete_stack(StackName=stack)
        wait_until(lambda: _status(client, stack) in (None, "DELETE_COMPLETE"), DEPLOY_SECONDS, f"no stack {stack}")
        before = None
    request: dict[str, Any] = {
        "StackName": stack,
        "TemplateBody": body,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    try:
        if before in (None, "DELETE_COMPLETE"):
            client.create_stack(**request)
        else:
            client.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    return _finished(client, stack)


def _finished(client: Any, stack: str) -> tuple[str, dict[str, str]]:
    def end() -> str | None:
        status = _status(client, stack)
        return None if status is None or status.endswith("_IN_PROGRESS") else status

    try:
        status = wait_until(end, DEPLOY_SECONDS, f"end of the deployment of stack {stack}")
    except ProcessError as error:
        raise DeployError(str(error)) from error
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"stack {stack} is {status}: {_reason(client, stack)}")
    found = client.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return str(status), {output["OutputKey"]: output["OutputValue"] for output in found}


def _status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _reason(client: Any, stack: str) -> str:
    """The first resource that failed, oldest event first: the later ones are mostly cancelled because of it."""
    for event in reversed(client.describe_stack_events(StackName=stack)["StackEvents"]):
        if event["ResourceStatus"].endswith("_FAILED"):
            return f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
    return "no resource reported a failure"


def _finish_indexes(ministack: MiniStack, stack: str) -> None:
    """Make indexes active that MiniStack's CloudFormation leaves without a status: KCL would wait for them an hour."""
    dynamodb = ministack.client("dynamodb")
    resources = ministack.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    for resource in resources:
        if resource["ResourceType"] not in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            continue
        name = resource["PhysicalResourceId"]
        table = dynamodb.describe_table(TableName=name)["Table"]
        for index in table.get("GlobalSecondaryIndexes", []):
            if index.get("IndexStatus"):
                continue
            made = {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for update in ({"Delete": {"IndexName": index["IndexName"]}}, {"Create": made}):
                dynamodb.update_table(
                    TableName=name,
                    AttributeDefinitions=table["AttributeDefinitions"],
                    GlobalSecondaryIndexUpdates=[update],
                )
