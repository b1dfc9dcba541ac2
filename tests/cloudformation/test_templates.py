"""The templates agree with the code they deploy, with the stand-ins, and with each other."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import settings as api_settings
from local import templates
from local.processes import REPOSITORY
from worker import settings as worker_settings
from worker.log import Event

FILES = sorted(templates.FOLDER.glob("*.yaml"))
BOUNDS = {"AllowedPattern", "AllowedValues", "MinLength", "MinValue"}


def template(prefix: str) -> templates.Template:
    return next(templates.load(path) for path in FILES if path.name.startswith(prefix))


def text_of(value: Any) -> str:
    """A property's text with something in place of what only CloudFormation knows."""
    if isinstance(value, dict):
        text = value.get("Fn::Sub", "eu-west-1")
        return re.sub(r"\$\{Project\}", "nearview", text if isinstance(text, str) else text[0])
    return str(value)


def cfn_lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("cfn-lint")
    return subprocess.run([program], cwd=folder, capture_output=True, text=True, check=False)


def test_a_bare_cfn_lint_passes() -> None:
    done = cfn_lint(REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_bare_cfn_lint_runs_its_rules_and_ours(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".cfnlintrc", tmp_path)
    shutil.copytree(templates.FOLDER / "rules", tmp_path / "cloudformation" / "rules")
    text = all_text("30").replace("MinValue: 24", "MinValue: 1").replace("Name: !Sub", "Nome: !Sub", 1)
    (tmp_path / "cloudformation" / "30-stream.yaml").write_text(text)
    done = cfn_lint(tmp_path)
    assert done.returncode != 0
    assert "E9202" in done.stdout
    assert "E3002" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_parameter_is_described_and_bounded(path: Path) -> None:
    for name, parameter in templates.load(path)["Parameters"].items():
        assert parameter.get("Description"), name
        assert "List" in parameter["Type"] or BOUNDS & set(parameter), f"{name} takes anything"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_output_is_described_and_no_stack_imports_from_another(path: Path) -> None:
    """Imports do not cross regions; names follow from the project instead."""
    assert "ImportValue" not in path.read_text()
    for name, output in templates.load(path)["Outputs"].items():
        assert output.get("Description"), name


def test_tables_and_stream_are_named_alike_everywhere() -> None:
    """Who uses a name by convention must use one that a template gives."""
    given = set(re.findall(r"(?:TableName|Name): !Sub (\$\{Project\}-[\w-]+)", all_text("20") + all_text("30")))
    used = set(
        re.findall(r":(?:table|stream)/(\$\{Project\}-[\w-]+)", all_text("35") + all_text("40") + all_text("50"))
    )
    assert used
    assert used <= given


def all_text(prefix: str) -> str:
    return next(path.read_text() for path in FILES if path.name.startswith(prefix))


def container() -> dict[str, Any]:
    found: dict[str, Any] = template("40")["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    return found


def environment() -> dict[str, str]:
    return {entry["Name"]: text_of(entry["Value"]) for entry in container()["Environment"]}


def test_the_workers_environment_is_what_its_settings_take() -> None:
    resolved = {name: value for name, value in environment().items() if value != "eu-west-1"}
    parsed = worker_settings.parse({**resolved, "AWS_REGION": "eu-west-1"})
    assert parsed.application == "nearview-worker"
    known = {spec.name for _, spec in worker_settings.specs()}
    assert set(environment()) <= known


def test_every_choice_a_template_offers_is_one_the_worker_takes() -> None:
    parameters = template("40")["Parameters"]
    for attribute, parameter in (("initial_position", "InitialPosition"), ("log_level", "LogLevel")):
        spec = dict(worker_settings.specs())[attribute]
        assert tuple(parameters[parameter]["AllowedValues"]) == spec.choices


def test_the_container_has_more_time_to_stop_than_the_worker_takes() -> None:
    assert container()["StopTimeout"] >= int(environment()["NEARVIEW_SHUTDOWN_GRACE_SECONDS"]) + 5


def test_the_health_check_asks_the_port_that_is_served() -> None:
    command = " ".join(container()["HealthCheck"]["Command"])
    assert f":{environment()['NEARVIEW_HTTP_PORT']}/livez" in command


def allowed(role: str, where: str) -> set[str]:
    """The DynamoDB actions that a role may do on the table of that name."""
    found: set[str] = set()
    for policy in template("40")["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            resources = statement.get("Resource", [])
            for resource in resources if isinstance(resources, list) else [resources]:
                if text_of(resource).endswith(f":table/nearview-{where}"):
                    found |= {action.removeprefix("dynamodb:") for action in statement["Action"]}
    return found


def called(*files: str) -> set[str]:
    """The DynamoDB actions that this code calls; statements count as what they begin with."""
    source = "".join((REPOSITORY / file).read_text() for file in files)
    methods = set(re.findall(r"[\w)]\.((?:batch_get|put|get|update|delete)_item|query|describe_table)\(", source))
    statements = set(re.findall(r'f"""?(INSERT|UPDATE|DELETE)|f\'(INSERT|UPDATE|DELETE) ', source))
    verbs = {verb.capitalize() for pair in statements for verb in pair if verb}
    return {"".join(map(str.capitalize, name.split("_"))) for name in methods} | {f"PartiQL{verb}" for verb in verbs}


def test_the_worker_may_do_what_it_does_on_its_tables_and_no_more() -> None:
    looked_at = {"DescribeTable"}  # the supervisor asks whether they are there
    store = called("worker/store/dynamodb.py", "worker/store/requests.py")
    assert allowed("TaskRole", "rows") == store | looked_at
    assert allowed("TaskRole", "documents") < store | looked_at
    assert allowed("TaskRole", "parked") == called("worker/parking.py") | looked_at


def test_the_image_has_the_mappings_where_the_template_looks() -> None:
    assert (
        f"NEARVIEW_MAPPINGS={template('40')['Parameters']['Mappings']['Default']} "
        in (REPOSITORY / "Dockerfile").read_text()
    )


def test_log_filters_count_events_that_exist() -> None:
    events = set(re.findall(r'\$\.event = "(\w+)"', all_text("40")))
    assert events
    assert events <= {event.value for event in Event}


@pytest.mark.parametrize(
    ("function", "read"),
    [("QueryFunction", api_settings.query_settings), ("CommandFunction", api_settings.command_settings)],
)
def test_each_function_gets_the_settings_it_reads(function: str, read: Any) -> None:
    properties = template("50")["Resources"][function]["Properties"]
    variables = {name: text_of(value) for name, value in properties["Environment"]["Variables"].items()}
    source = Path(api_settings.__file__).read_text()
    assert [name for name in variables if f'"{name}"' not in source] == []
    assert [problem for problem in problems_of(read, variables) if "is not set" in problem] == []


def problems_of(read: Any, variables: dict[str, str]) -> tuple[str, ...]:
    try:
        read({**variables, "AWS_REGION": "eu-west-1"})
    except api_settings.SettingsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("function", ["QueryFunction", "CommandFunction"])
def test_each_handler_is_there(function: str) -> None:
    module, name = template("50")["Resources"][function]["Properties"]["Handler"].rsplit(".", 1)
    source = (REPOSITORY / module.replace(".", "/")).with_suffix(".py").read_text()
    assert re.search(rf"^(def {name}\(|{name}\b.* = )", source, re.MULTILINE)


def test_the_api_gives_a_command_more_time_than_the_monolith_may_take() -> None:
    resources = template("50")["Resources"]
    seconds = template("50")["Parameters"]["DispatchTimeoutSeconds"]["MaxValue"]
    assert seconds == api_settings.MAX_DISPATCH_TIMEOUT_SECONDS
    assert seconds < resources["CommandFunction"]["Properties"]["Timeout"]
    assert resources["CommandFunction"]["Properties"]["Timeout"] * 1000 <= 30_000


def test_the_query_function_can_read_every_index_and_cannot_scan() -> None:
    indexes = template("20")["Resources"]["DocumentsTable"]["Properties"]["GlobalSecondaryIndexes"]
    policy = template("50")["Resources"]["QueryRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1]
    allowed = {text_of(resource).rpartition("nearview-documents")[2] for resource in policy["Resource"]}
    assert allowed == {"", *(f"/index/{index['IndexName']}" for index in indexes)}
    assert set(policy["Action"]) == {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}


def without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def test_dms_and_its_stand_in_have_the_same_settings() -> None:
    """All settings of the stand-in's task that DMS knows are in the template, with the same values."""
    stand_in = json.loads((REPOSITORY / "local" / "dms" / "default_task.json").read_text())
    resources = template("35")["Resources"]
    # CloudFormation has no UseLargeIntegerValue: the stack's output has the command that sets it.
    kinesis = without(stand_in["KinesisSettings"], "UseLargeIntegerValue")
    assert stand_in["KinesisSettings"]["UseLargeIntegerValue"] is True
    assert "UseLargeIntegerValue=true" in text_of(template("35")["Outputs"]["EnableLargeIntegers"]["Value"])
    assert kinesis.items() <= resources["TargetEndpoint"]["Properties"]["KinesisSettings"].items()
    postgres = resources["SourceEndpoint"]["Properties"]["PostgreSqlSettings"]
    assert without(stand_in["PostgreSQLSettings"], "SlotName").items() <= postgres.items()
    task = resources["ReplicationTask"]["Properties"]
    settings = json.loads(task["ReplicationTaskSettings"])
    for group, expected in stand_in["TaskSettings"].items():
        # Threads make DMS fast enough; they change the order of records only, which the object mapping allows.
        wanted = without(expected, "ParallelLoadThreads", "ParallelApplyThreads")
        assert wanted.items() <= settings[group].items(), group


def test_dms_and_its_stand_in_capture_the_same_tables() -> None:
    stand_in = json.loads((REPOSITORY / "local" / "dms" / "default_task.json").read_text())
    mappings = template("35")["Resources"]["ReplicationTask"]["Properties"]["TableMappings"]["Fn::Sub"]

    def rules(document: dict[str, Any]) -> list[dict[str, Any]]:
        return [without(rule, "rule-name") for rule in document["rules"]]

    assert rules(json.loads(mappings.replace("${SourceSchema}", "shop"))) == rules(stand_in["TableMappings"])


def test_the_before_image_has_the_name_the_worker_looks_for() -> None:
    settings = json.loads(template("35")["Resources"]["ReplicationTask"]["Properties"]["ReplicationTaskSettings"])
    specs = dict(worker_settings.specs())
    assert settings["BeforeImageSettings"]["FieldName"] == specs["before_image_field"].default
