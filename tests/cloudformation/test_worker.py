"""The worker's template gives the worker the settings and the rights it needs, and no right that nothing uses."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from local import templates
from local.processes import REPOSITORY
from tests.cloudformation.render import Rendered
from worker import settings as worker_settings
from worker.fencing import peers_of
from worker.log import Event
from worker.records.positions import NEEDS_SEQUENCE, Engine

FILE: Final = templates.FOLDER / "40-worker.yaml"
TEMPLATE: Final = templates.load(FILE)
SECRET: Final = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nearview/tokens-AbCdEf"
KMS_KEY: Final = "arn:aws:kms:eu-west-1:123456789012:key/1"

LEFT_OUT: Final = {
    "AWS_ENDPOINT_URL": "only for stand-ins",
    "NEARVIEW_TOKEN_KEY_FILE": "the key comes from Secrets Manager, into the environment",
    "NEARVIEW_TOKEN_KEY_SECRET": "ECS reads the secret, which needs no right in the container",
    "NEARVIEW_PARKED_KEY": "a key of KMS seals what is parked",
    "NEARVIEW_PARKED_KEY_FILE": "a key of KMS seals what is parked",
    "NEARVIEW_PARKED_WINDOW_SECONDS": "the limit is one for five minutes",
    "NEARVIEW_WORKER_NAME": "the host name of a task is unique, which a fixed name would not be",
    "NEARVIEW_MAX_DOCUMENT_BYTES": "the default is what the API hands over",
    "NEARVIEW_LARGE_FAN_OUT": "the default keeps a batch short, whatever rows point at one",
    "NEARVIEW_BATCH_RECORDS": "the default was measured, and fits the memory of a task",
    "NEARVIEW_MAX_RECORDS": "the default was measured, and fits the memory of a task",
    "NEARVIEW_POLL_MILLIS": "the default is what the reads of a shard allow",
    "NEARVIEW_FAILOVER_MILLIS": "nothing in a deployment changes it",
    "NEARVIEW_LEASE_ASSIGNMENT_MILLIS": "nothing in a deployment changes it",
    "NEARVIEW_REBALANCE_MILLIS": "nothing in a deployment changes it",
    "NEARVIEW_HANG_SECONDS": "the default is far above what a batch takes between two answers",
    "NEARVIEW_JAVA": "the image has Java where it is looked for",
    "NEARVIEW_JAVA_OPTIONS": "the default fits the memory of a task",
    "NEARVIEW_RUN_FOLDER": "the supervisor sets it",
    "NEARVIEW_COMMANDS_TABLE": "`nearview failover` reads it, and no worker; its document gives it",
}

# Every module that calls DynamoDB, and on which tables.
ROWS, DOCUMENTS, PARKED, LEASES, REGIONS = "rows", "documents", "parked", "worker", "regions"
CALLERS: Final = {
    "worker/fencing.py": {REGIONS},
    "worker/horizon.py": {ROWS},
    "worker/parked/commands.py": {PARKED, DOCUMENTS},
    "worker/parked/items.py": {PARKED},
    "worker/parked/parking.py": {PARKED},
    "worker/rebuild/first_start.py": {ROWS},
    "worker/rebuild/scan.py": {ROWS, DOCUMENTS},
    "worker/rebuild/stored_format.py": {ROWS},
    "worker/rebuild/token_key.py": {ROWS},
    "worker/replay/lease_rows.py": {LEASES},
    "worker/source_notes.py": {PARKED},
    "worker/store/dynamodb.py": {ROWS, DOCUMENTS},
    "worker/store/fenced.py": {ROWS, DOCUMENTS},
    "worker/store/requests.py": {ROWS, DOCUMENTS},
    "worker/supervisor/aws.py": {ROWS, DOCUMENTS, PARKED, LEASES},
    "worker/supervisor/leases.py": {LEASES},
    "worker/verify/target.py": {DOCUMENTS},
    "worker/whole.py": {DOCUMENTS},
}
STATEMENTS: Final = r'f"""?(INSERT|UPDATE|DELETE) |f\'(INSERT|UPDATE|DELETE) '
CALLS: Final = (
    r"(?:client|dynamodb)\.((?:batch_get|put|get|update|delete)_item|query|scan|describe_table|transact_write_items)\("
)
NAMED: Final = r'"(BatchGetItem|PutItem|UpdateItem|DeleteItem|Query)",\s'


def worker(**parameters: str) -> Rendered:
    return Rendered(TEMPLATE, parameters)


def container(stack: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = stack.properties("TaskDefinition")["ContainerDefinitions"][0]
    return found


def environment(stack: Rendered) -> dict[str, str]:
    return {entry["Name"]: str(entry["Value"]) for entry in container(stack)["Environment"]}


def statements(role: str, stack: Rendered) -> list[dict[str, Any]]:
    policies = stack.properties(role)["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def allowed(where: str) -> set[str]:
    """The DynamoDB actions that the worker may do on what has this name."""
    return {
        action.removeprefix("dynamodb:")
        for statement in statements("TaskRole", worker())
        if any(resource.endswith(f":table/nearview-{where}") for resource in listed(statement["Resource"]))
        for action in listed(statement["Action"])
    }


def called(file: str) -> set[str]:
    """The DynamoDB actions that this code calls; statements count as what they begin with."""
    source = (REPOSITORY / file).read_text()
    methods = {"".join(map(str.capitalize, name.split("_"))) for name in re.findall(CALLS, source)}
    verbs = {verb.capitalize() for pair in re.findall(STATEMENTS, source) for verb in pair if verb}
    return methods | set(re.findall(NAMED, source)) | {f"PartiQL{verb}" for verb in verbs}


def called_on(table: str) -> set[str]:
    return {action for file, tables in CALLERS.items() if table in tables for action in called(file)}


def test_every_module_that_calls_dynamodb_is_looked_at() -> None:
    files = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "worker").rglob("*.py")}
    assert {file for file in files if called(file)} == set(CALLERS)


def test_the_worker_may_do_what_it_does_on_its_tables_and_no_more() -> None:
    """Its commands too, which run as tasks with the same role."""
    assert allowed(ROWS) == called_on(ROWS)
    assert allowed(PARKED) == called_on(PARKED)
    assert allowed(f"{DOCUMENTS}/index/idx0") == {"Query"}
    assert allowed(DOCUMENTS) == called_on(DOCUMENTS)


@pytest.mark.parametrize(
    ("peers", "read"),
    [
        ({}, set()),
        ({"PeerRegion1": "us-east-1"}, {"eu-west-1", "us-east-1"}),
        ({"PeerRegion1": "us-east-1", "PeerRegion2": "ap-south-1"}, {"eu-west-1", "us-east-1", "ap-south-1"}),
    ],
)
def test_a_worker_with_peers_may_ask_them_who_the_primary_is(peers: dict[str, str], read: set[str]) -> None:
    stack = worker(**peers)
    asked = {
        resource.split(":")[3]
        for statement in statements("TaskRole", stack)
        for resource in listed(statement["Resource"])
        if resource.endswith("table/nearview-regions")
        and {f"dynamodb:{action}" for action in called("worker/fencing.py")} <= set(listed(statement["Action"]))
    }
    assert asked == read
    settings = worker_settings.parse(environment(stack))
    assert set(peers_of(settings.peer_regions, settings.region)) == set(peers.values())
    assert settings.fence_seconds == dict(worker_settings.specs())["fence_seconds"].default


def test_the_supervisor_may_do_what_it_does_on_the_lease_tables() -> None:
    """KCL's own calls come on top; a transaction needs the rights of its parts."""
    assert called_on(LEASES) - {"TransactWriteItems"} | {"Scan", "PutItem"} <= allowed(LEASES)


def test_the_environment_is_what_the_settings_take() -> None:
    parsed = worker_settings.parse(environment(worker()))
    assert parsed.application == "nearview-worker"
    assert parsed.region == "eu-west-1"


def test_every_setting_is_given_or_left_out_for_a_reason() -> None:
    stack = worker(TokenKeySecretArn=SECRET)
    given = set(environment(stack)) | {secret["Name"] for secret in container(stack)["Secrets"]}
    assert "NEARVIEW_SOURCE_URL" not in given, "no worker reads the source"
    known = {spec.name for _, spec in worker_settings.specs()}
    assert given | set(LEFT_OUT) == known
    assert given & set(LEFT_OUT) == set()


@pytest.mark.parametrize(
    ("attribute", "parameter"),
    [("initial_position", "InitialPosition"), ("log_level", "LogLevel"), ("source_engine", "SourceEngine")],
)
def test_every_choice_is_one_the_worker_takes(attribute: str, parameter: str) -> None:
    spec = dict(worker_settings.specs())[attribute]
    assert tuple(TEMPLATE["Parameters"][parameter]["AllowedValues"]) == spec.choices
    assert TEMPLATE["Parameters"][parameter]["Default"] == spec.default


@pytest.mark.parametrize("engine", list(Engine))
def test_engines_whose_positions_do_not_order_need_the_sequence(engine: Engine) -> None:
    assert bool(worker(SourceEngine=engine.value).refused()) == (engine in NEEDS_SEQUENCE)
    stack = worker(SourceEngine=engine.value, ChangeSequenceColumn="NV_SEQ")
    assert stack.refused() == []
    parsed = worker_settings.parse(environment(stack))
    assert (parsed.source_engine, parsed.change_sequence_column) == (engine.value, "NV_SEQ")


def test_without_a_token_key_there_is_no_secret_and_no_right_to_any() -> None:
    stack = worker(TokenKeySecretKeyArn=KMS_KEY)
    assert "Secrets" not in container(stack)
    actions = [action for statement in statements("ExecutionRole", stack) for action in listed(statement["Action"])]
    assert all(action.startswith("logs:") for action in actions)


def test_the_url_of_the_source_is_a_secret_for_operators_commands() -> None:
    stack = worker(SourceUrlSecretArn=SECRET)
    assert container(stack)["Secrets"] == [{"Name": "NEARVIEW_SOURCE_URL", "ValueFrom": SECRET}]
    granted = {str(entry["Action"]): entry["Resource"] for entry in statements("ExecutionRole", stack)}
    assert granted["secretsmanager:GetSecretValue"] == SECRET


@pytest.mark.parametrize("kms_key", ["", KMS_KEY])
def test_the_token_key_is_read_by_the_execution_role_alone(kms_key: str) -> None:
    """Nothing that runs in the container may ask Secrets Manager."""
    stack = worker(TokenKeySecretArn=SECRET, TokenKeySecretKeyArn=kms_key, TokenKeyId="k2")
    assert container(stack)["Secrets"] == [{"Name": "NEARVIEW_TOKEN_KEY", "ValueFrom": SECRET}]
    assert environment(stack)["NEARVIEW_TOKEN_KEY_ID"] == "k2"
    granted = {str(entry["Action"]): entry["Resource"] for entry in statements("ExecutionRole", stack)}
    assert granted["secretsmanager:GetSecretValue"] == SECRET
    assert granted.get("kms:Decrypt", "") == kms_key
    assert not any("secret" in str(statement["Action"]) for statement in statements("TaskRole", stack))


@pytest.mark.parametrize("kms_key", ["", KMS_KEY])
def test_a_secret_for_what_is_parked_is_read_by_the_worker_and_no_other(kms_key: str) -> None:
    stack = worker(ParkedKeySecretArn=SECRET, ParkedKeySecretKeyArn=kms_key)
    given = environment(stack)
    assert (given["NEARVIEW_PARKED_KEY_SECRET"], given["NEARVIEW_PARKED_KMS_KEY"]) == (SECRET, "")
    (granted,) = [entry for entry in statements("TaskRole", stack) if "secretsmanager" in str(entry["Action"])]
    assert (granted["Action"], granted["Resource"]) == ("secretsmanager:GetSecretValue", SECRET)
    opened = [entry for entry in statements("TaskRole", stack) if entry["Action"] == "kms:Decrypt"]
    assert [entry["Resource"] for entry in opened] == ([kms_key] if kms_key else [])
    assert all("kms:ViaService" in entry["Condition"]["StringEquals"] for entry in opened)
    assert "secretsmanager" not in str(statements("TaskRole", worker(ParkedKeySecretKeyArn=KMS_KEY)))


def test_what_is_parked_is_sealed_with_the_key_of_the_data_stack_and_nothing_else_may_be() -> None:
    alias = environment(worker())["NEARVIEW_PARKED_KMS_KEY"]
    data = Rendered(templates.load(templates.FOLDER / "20-data.yaml"), {})
    (granted,) = [entry for entry in statements("TaskRole", worker()) if "kms" in str(entry["Action"])]

    assert data.properties("ParkedKeyAlias")["AliasName"] == alias
    assert data.properties("ParkedKey")["EnableKeyRotation"] is True
    assert granted["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert granted["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": alias}
    assert granted["Condition"]["StringEquals"] == {"kms:EncryptionContext:nearview": "parked"}


@pytest.mark.parametrize(
    ("arn", "fits"), [("", True), (SECRET, True), (f"{SECRET}:key::", False), ("arn:aws:s3:::bucket", False)]
)
def test_the_secret_is_named_as_a_whole(arn: str, fits: bool) -> None:
    """With a JSON key behind it, the execution role's right would be to something that does not exist."""
    pattern = TEMPLATE["Parameters"]["TokenKeySecretArn"]["AllowedPattern"]
    assert bool(re.search(pattern, arn)) == fits


def test_the_container_has_more_time_to_stop_than_the_worker_takes() -> None:
    stack = worker()
    assert container(stack)["StopTimeout"] >= int(environment(stack)["NEARVIEW_SHUTDOWN_GRACE_SECONDS"]) + 5


def test_the_health_check_asks_the_port_that_is_served() -> None:
    stack = worker()
    command = " ".join(container(stack)["HealthCheck"]["Command"])
    assert f":{environment(stack)['NEARVIEW_HTTP_PORT']}/livez" in command


def test_the_image_has_the_mappings_where_the_template_looks() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert f"NEARVIEW_MAPPINGS={environment(worker())['NEARVIEW_MAPPINGS']} " in dockerfile


def test_log_filters_count_events_that_exist() -> None:
    events = set(re.findall(r'\$\.event = "(\w+)"', FILE.read_text()))
    assert events
    assert events <= {event.value for event in Event}
