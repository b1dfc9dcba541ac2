"""The templates deploy into MiniStack, what they declare is really there, and a deployment that lies is refused."""

import io
import json
import shutil
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local import deploy, deployed, templates
from local.deploy import Api, DeployError
from local.ministack import MiniStack

ECHO = """
import json, os
def handler(event, context):
    answer = {key: event[key] for key in ("routeKey", "rawPath", "pathParameters")}
    return {"statusCode": 200, "body": json.dumps({**answer, "word": WORD, "table": os.environ.get("TABLE")})}
"""


@pytest.fixture
def project() -> str:
    return f"p{uuid.uuid4().hex[:12]}"


@pytest.fixture
def said() -> list[str]:
    return []


def code_zip(word: str) -> bytes:
    source = ECHO.replace("WORD", repr(word)).replace("TABLE", "DOCUMENTS_TABLE")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("api_lambdas/__init__.py", "")
        for name in ("query", "command"):
            archive.writestr(f"api_lambdas/{name}.py", source)
    return packed.getvalue()


def call(url: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None


def test_storage_has_the_names_the_worker_is_told(ministack: MiniStack, project: str, said: list[str]) -> None:
    storage = deploy.deploy_storage(ministack, said.append, project, shard_count=3)
    assert storage.rows_table == f"{project}-rows"
    assert storage.documents_table == f"{project}-documents"
    assert storage.parked_table == f"{project}-parked"
    assert storage.commands_table == f"{project}-commands"
    assert storage.application == f"{project}-worker"
    stream = ministack.client("kinesis").describe_stream_summary(StreamName=storage.stream)
    assert stream["StreamDescriptionSummary"]["OpenShardCount"] == 3
    assert said[-1] == deploy.AWS_ONLY


def test_a_second_deployment_keeps_what_the_tables_hold(ministack: MiniStack, project: str, said: list[str]) -> None:
    storage = deploy.deploy_storage(ministack, said.append, project)
    dynamodb = ministack.client("dynamodb")
    item = {"pk": {"S": "order#1"}, "sk": {"S": "#"}, "_i1p": {"S": "order#by#7"}, "_i1s": {"S": "1#"}}
    dynamodb.put_item(TableName=storage.documents_table, Item=item)
    assert deploy.deploy_storage(ministack, said.append, project) == storage
    found = dynamodb.query(
        TableName=storage.documents_table,
        IndexName="idx1",
        KeyConditionExpression="#p = :p",
        ExpressionAttributeNames={"#p": "_i1p"},
        ExpressionAttributeValues={":p": {"S": "order#by#7"}},
    )["Items"]
    assert found == [item]


def test_kcl_finds_its_index_active(ministack: MiniStack, project: str, said: list[str]) -> None:
    storage = deploy.deploy_storage(ministack, said.append, project)
    table = ministack.client("dynamodb").describe_table(TableName=storage.application)["Table"]
    assert [index["IndexStatus"] for index in table["GlobalSecondaryIndexes"]] == ["ACTIVE"]


def test_routes_reach_their_functions_and_nothing_else(ministack: MiniStack, project: str, said: list[str]) -> None:
    api = deploy.deploy_api(ministack, said.append, code_zip("one"), "http://127.0.0.1:1", project)
    status, body = call(f"{api.direct_url}/orders/42")
    assert status == 200
    assert body["routeKey"] == "GET /{collection}/{key}"
    assert body["pathParameters"] == {"collection": "orders", "key": "42"}
    assert body["rawPath"] == "/orders/42"
    assert body["table"] == f"{project}-documents"
    assert call(f"{api.direct_url}/orders?customer_id=7")[1]["routeKey"] == "GET /{collection}"
    assert call(f"{api.direct_url}/commands/place", "POST")[1]["routeKey"] == "POST /commands/{name}"
    assert call(f"{api.direct_url}/orders/42", "DELETE")[0] == 404


def test_other_code_replaces_the_running_functions(ministack: MiniStack, project: str, said: list[str]) -> None:
    def word(name: str) -> tuple[Api, str]:
        code = code_zip(name)
        api = deploy.deploy_api(ministack, said.append, code, "http://127.0.0.1:1", project)
        return api, call(f"{api.direct_url}/orders/42")[1]["word"]

    first, one = word("one")
    second, two = word("two")
    assert (one, two) == ("one", "two")
    assert first == second


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the templates that a test may spoil."""
    copy = shutil.copytree(templates.FOLDER, tmp_path / "cloudformation")
    monkeypatch.setattr(templates, "FOLDER", copy)
    return Path(copy)


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_resource_type_that_nobody_can_look_up_is_refused(
    ministack: MiniStack, project: str, said: list[str], folder: Path
) -> None:
    spoil(folder / "30-stream.yaml", "AWS::Kinesis::Stream", "AWS::KinesisFirehose::DeliveryStream")
    with pytest.raises(DeployError, match=r"30-stream\.yaml: .*ChangesStream: no check for AWS::KinesisFirehose"):
        deploy.deploy_storage(ministack, said.append, project)


def test_a_refused_template_names_stack_file_and_reason(
    ministack: MiniStack, project: str, said: list[str], folder: Path
) -> None:
    spoil(folder / "25-leases.yaml", "AWS::DynamoDB::Table", "AWS::DynamoDB::Tables")
    deployed_types = {**deployed.CHECKS, "AWS::DynamoDB::Tables": deployed.CHECKS["AWS::DynamoDB::Table"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployed, "CHECKS", deployed_types)
        with pytest.raises(DeployError, match=rf"stack {project}-leases of 25-leases\.yaml: .*AWS::DynamoDB::Tables"):
            deploy.deploy_storage(ministack, said.append, project)


def test_a_resource_that_fails_is_named_and_the_next_deployment_starts_afresh(
    ministack: MiniStack, project: str, said: list[str], folder: Path
) -> None:
    code = code_zip("x")
    template = folder / "50-api.yaml"
    right = template.read_text()
    spoil(template, "Principal: {Service: lambda", "NotPrincipal: {Service: lambda")
    with pytest.raises(DeployError, match=rf"stack {project}-api is ROLLBACK_COMPLETE: QueryRole: .+"):
        deploy.deploy_api(ministack, said.append, code, "http://127.0.0.1:1", project)
    template.write_text(right)
    deploy.deploy_api(ministack, said.append, code, "http://127.0.0.1:1", project)


def test_an_index_without_its_attribute_is_refused(
    ministack: MiniStack, project: str, said: list[str], folder: Path
) -> None:
    spoil(folder / "20-data.yaml", "        - {AttributeName: _i3s, AttributeType: S}\n", "")
    with pytest.raises(DeployError, match=rf"stack {project}-data of 20-data\.yaml: .*_i3s"):
        deploy.deploy_storage(ministack, said.append, project)


def test_a_key_without_its_attribute_is_found_although_the_stack_reports_success(
    ministack: MiniStack, project: str, said: list[str], folder: Path
) -> None:
    spoil(folder / "20-data.yaml", "        - {AttributeName: sk, AttributeType: S}\n", "")
    with pytest.raises(DeployError, match=r"is CREATE_COMPLETE, but: RowsTable: set of defined attributes"):
        deploy.deploy_storage(ministack, said.append, project)


def test_a_number_of_shards_that_did_not_change_is_found(ministack: MiniStack, project: str, said: list[str]) -> None:
    deploy.deploy_storage(ministack, said.append, project, shard_count=2)
    with pytest.raises(DeployError, match=r"ChangesStream: number of shards is 2, the template says 4"):
        deploy.deploy_storage(ministack, said.append, project, shard_count=4)


def test_every_kind_of_resource_is_looked_up(ministack: MiniStack, project: str, said: list[str]) -> None:
    """Taking a resource away behind CloudFormation's back is noticed, for each one of the API's stack."""
    deploy.deploy_storage(ministack, said.append, project)
    api = deploy.deploy_api(ministack, said.append, code_zip("x"), "http://127.0.0.1:1", project)
    take_away(ministack, project, api.api_id)
    for stack, file in ((f"{project}-data", "20-data.yaml"), (f"{project}-api", "50-api.yaml")):
        template = templates.load(templates.FOLDER / file)
        parameters = {
            "Project": project,
            "Authorization": "NONE",
            "CodeBucket": "b",
            "CodeKey": "k",
            "MonolithUrl": "u",
        }
        found = {line.split(":")[0] for line in deployed.problems(ministack, stack, template, parameters)}
        spared = {"RowsTable", "ParkedTable", "RegionsTable", "EventsTable"}
        spared |= {"Domain", "DomainOfApi"}  # not part of a stack without DomainName
        assert found == set(template["Resources"]) - spared


def take_away(ministack: MiniStack, project: str, api_id: str) -> None:
    def client(name: str) -> Any:
        return ministack.client(name)

    for table in ("documents", "commands"):
        client("dynamodb").delete_table(TableName=f"{project}-{table}")
    alias = f"alias/{project}-parked"
    key = client("kms").describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
    client("kms").delete_alias(AliasName=alias)
    client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    resources = client("cloudformation").describe_stack_resources(StackName=f"{project}-api")["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    client("apigatewayv2").delete_api(ApiId=api_id)
    client("cloudwatch").delete_alarms(AlarmNames=[physical[name] for name in physical if name.endswith("Alarm")])
    client("secretsmanager").delete_secret(SecretId=physical["CursorSecret"], ForceDeleteWithoutRecovery=True)
    for name in ("Query", "Command", "Health"):
        client("lambda").delete_function(FunctionName=physical[f"{name}Function"])
        client("iam").delete_role_policy(RoleName=physical[f"{name}Role"], PolicyName=name.lower())
        client("iam").delete_role(RoleName=physical[f"{name}Role"])
        client("logs").delete_log_group(logGroupName=physical[f"{name}LogGroup"])
    client("logs").delete_log_group(logGroupName=physical["ApiLogGroup"])
