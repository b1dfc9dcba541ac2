"""The templates agree with the code they deploy, with the stand-ins, and with each other."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import health, package
from api_lambdas.commands.settings import MAX_DISPATCH_TIMEOUT_SECONDS, command_settings
from api_lambdas.events import settings as event_settings
from api_lambdas.queries.settings import query_settings
from api_lambdas.shared.settings import SettingsError
from local import templates
from local.processes import REPOSITORY
from tests.cloudformation.render import Rendered
from worker import settings as worker_settings

FILES = sorted(templates.FOLDER.glob("[0-9]*.yaml"))
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
    given = set(
        re.findall(r"(?:TableName|Name): !Sub (\$\{Project\}-[\w-]+)", all_text("20") + all_text("25") + all_text("30"))
    )
    used = set(
        re.findall(r":(?:table|stream)/(\$\{Project\}-[\w-]+)", all_text("35") + all_text("40") + all_text("50"))
    )
    assert used
    assert used <= given


def all_text(prefix: str) -> str:
    return next(path.read_text() for path in FILES if path.name.startswith(prefix))


@pytest.mark.parametrize(
    ("file", "function", "read"),
    [
        ("50", "QueryFunction", query_settings),
        ("50", "CommandFunction", command_settings),
        ("50", "HealthFunction", health.health_settings),
        ("55", "IngestFunction", event_settings.ingest_settings),
        ("55", "StoreFunction", event_settings.storing_settings),
    ],
)
def test_each_function_gets_the_settings_it_reads(file: str, function: str, read: Any) -> None:
    properties = template(file)["Resources"][function]["Properties"]
    variables = {name: text_of(value) for name, value in properties["Environment"]["Variables"].items()}
    assert [problem for problem in problems_of(read, variables) if "is not set" in problem] == []


def problems_of(read: Any, variables: dict[str, str]) -> tuple[str, ...]:
    try:
        read({**variables, "AWS_REGION": "eu-west-1"})
    except SettingsError as error:
        return error.problems
    return ()


FUNCTIONS = [
    pytest.param(body["Properties"], id=f"{path.stem}-{name}")
    for path in FILES
    for name, body in templates.load(path)["Resources"].items()
    if body["Type"] == "AWS::Lambda::Function"
]


@pytest.mark.parametrize("properties", FUNCTIONS)
def test_each_handler_is_there_and_packed(properties: dict[str, Any]) -> None:
    module, name = properties["Handler"].rsplit(".", 1)
    source = (REPOSITORY / module.replace(".", "/")).with_suffix(".py").read_text()
    assert re.search(rf"^(def {name}\(|{name}\b.* = )", source, re.MULTILINE)
    assert not f"{module.replace('.', '/')}.py".startswith(package.NOT_PACKED)


@pytest.mark.parametrize("properties", FUNCTIONS)
def test_every_variable_of_a_function_is_one_that_its_code_reads(properties: dict[str, Any]) -> None:
    sources = "".join(path.read_text() for path in (REPOSITORY / "api_lambdas").rglob("*.py"))
    assert [name for name in properties["Environment"]["Variables"] if f'"{name}"' not in sources] == []


def test_the_api_gives_a_command_more_time_than_the_monolith_may_take() -> None:
    resources = template("50")["Resources"]
    seconds = template("50")["Parameters"]["DispatchTimeoutSeconds"]["MaxValue"]
    assert seconds == MAX_DISPATCH_TIMEOUT_SECONDS
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
    stack = Rendered(template("35"), {})
    # CloudFormation has no UseLargeIntegerValue: the stack's output has the command that sets it.
    kinesis = without(stand_in["KinesisSettings"], "UseLargeIntegerValue")
    assert stand_in["KinesisSettings"]["UseLargeIntegerValue"] is True
    assert "UseLargeIntegerValue=true" in stack.output("EnableLargeIntegers")
    assert kinesis.items() <= stack.properties("TargetEndpoint")["KinesisSettings"].items()
    postgres = stack.properties("SourceEndpoint")["PostgreSqlSettings"]
    assert without(stand_in["PostgreSQLSettings"], "SlotName").items() <= postgres.items()
    settings = json.loads(stack.properties("ReplicationTask")["ReplicationTaskSettings"])
    for group, expected in stand_in["TaskSettings"].items():
        # Threads make DMS fast enough; they change the order of records only, which the object mapping allows.
        wanted = without(expected, "ParallelLoadThreads", "ParallelApplyThreads")
        assert wanted.items() <= settings[group].items(), group


def test_dms_and_its_stand_in_capture_the_same_tables() -> None:
    stand_in = json.loads((REPOSITORY / "local" / "dms" / "default_task.json").read_text())
    task = Rendered(template("35"), {"SourceSchema": "shop"}).properties("ReplicationTask")

    def rules(document: dict[str, Any]) -> list[dict[str, Any]]:
        return [without(rule, "rule-name") for rule in document["rules"]]

    assert rules(json.loads(task["TableMappings"])) == rules(stand_in["TableMappings"])


def test_the_before_image_has_the_name_the_worker_looks_for() -> None:
    settings = json.loads(template("35")["Resources"]["ReplicationTask"]["Properties"]["ReplicationTaskSettings"])
    specs = dict(worker_settings.specs())
    assert settings["BeforeImageSettings"]["FieldName"] == specs["before_image_field"].default
