"""The DMS template loses nothing, whatever the source's engine is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from local import templates
from tests.cloudformation.render import Rendered
from worker.dms.documents import Settings, settings_of
from worker.dms.findings import Severity
from worker.dms.lint import lint
from worker.records.positions import NEEDS_SEQUENCE, Engine

TEMPLATE = templates.load(templates.FOLDER / "35-dms.yaml")
ENGINES: tuple[str, ...] = tuple(TEMPLATE["Parameters"]["SourceEngine"]["AllowedValues"])
SSL_MODES: tuple[str, ...] = tuple(TEMPLATE["Parameters"]["SourceSslMode"]["AllowedValues"])
MYSQL = ("mysql", "mariadb", "aurora")
SEQUENCE = "NV_SEQ"


def rendered(engine: str, **parameters: str) -> Rendered:
    return Rendered(TEMPLATE, {"SourceEngine": engine, "SourceSchema": "shop", "SubnetIds": "a,b", **parameters})


def usual(engine: str) -> Rendered:
    """What somebody with this engine would give."""
    sequence = {"ChangeSequenceColumn": SEQUENCE} if engine in ("oracle", "sqlserver") else {}
    return rendered(engine, SourceDatabase="shop", SourceSslMode="verify-ca", **sequence)


def settings(stack: Rendered) -> Settings:
    """With the command of the output EnableLargeIntegers, for which CloudFormation has no property."""
    target = stack.properties("TargetEndpoint")
    name, value = re.findall(r"--kinesis-settings (\w+)=(\w+)", stack.output("EnableLargeIntegers"))[0]
    target["KinesisSettings"][name] = json.loads(value)
    documents = {"task": stack.properties("ReplicationTask"), "source": stack.properties("SourceEndpoint")}
    return settings_of({**documents, "target": target})


@pytest.mark.parametrize("engine", ENGINES)
def test_lint_finds_nothing_that_the_template_could_set(engine: str) -> None:
    found = [finding for finding in lint(settings(usual(engine))) if finding.severity is not Severity.INFO]
    beyond = [finding for finding in found if "supplemental logging of all columns" in finding.message]
    assert found == beyond
    assert len(beyond) == (1 if engine == "oracle" else 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_endpoint_has_the_settings_of_its_own_engine_only(engine: str) -> None:
    source = usual(engine).properties("SourceEndpoint")
    (group,) = (name for name in source if name.endswith("Settings"))
    assert source[group]["SecretsManagerSecretId"] == "<SourceSecretArn>"
    found = settings_of({"source": source}).source
    assert found is not None
    assert found.engine == usual(engine).output("WorkerSourceEngine")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mysql_endpoint_gets_no_database(engine: str) -> None:
    """DMS would put the tables of all schemas into it."""
    assert ("DatabaseName" in usual(engine).properties("SourceEndpoint")) == (engine not in MYSQL)


@pytest.mark.parametrize("column", ["", SEQUENCE])
def test_the_change_sequence_is_added_when_it_is_asked_for(column: str) -> None:
    mappings = json.loads(
        rendered("postgres", ChangeSequenceColumn=column).properties("ReplicationTask")["TableMappings"]
    )
    added = [rule for rule in mappings["rules"] if rule["rule-type"] == "transformation"]
    if not column:
        assert added == []
        return
    (rule,) = added
    assert (rule["value"], rule["expression"], rule["data-type"]["length"]) == (SEQUENCE, "$AR_H_CHANGE_SEQ", 50)
    assert rule["object-locator"] == mappings["rules"][0]["object-locator"]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_whose_positions_do_not_order_need_the_sequence(engine: str) -> None:
    stack = rendered(engine, SourceDatabase="shop")
    needed = Engine(stack.output("WorkerSourceEngine")) in NEEDS_SEQUENCE
    assert any("ChangeSequenceColumn" in line for line in stack.refused()) == needed


@pytest.mark.parametrize(
    ("engine", "modes"),
    [
        ("postgres", {"require", "verify-ca", "verify-full"}),
        ("aurora-postgresql", {"require", "verify-ca", "verify-full"}),
        *((engine, {"verify-ca", "verify-full"}) for engine in MYSQL),
        ("oracle", {"verify-ca"}),
        ("sqlserver", {"require", "verify-full"}),
    ],
)
def test_an_ssl_mode_that_the_engine_does_not_have_is_refused(engine: str, modes: set[str]) -> None:
    def taken(mode: str) -> bool:
        stack = rendered(engine, SourceDatabase="shop", ChangeSequenceColumn=SEQUENCE, SourceSslMode=mode)
        return stack.refused() == []

    assert {mode for mode in SSL_MODES if taken(mode)} == modes


def test_a_database_is_needed_but_for_mysql() -> None:
    def missing(engine: str) -> bool:
        return any("SourceDatabase" in line for line in rendered(engine).refused())

    assert [engine for engine in ENGINES if not missing(engine)] == list(MYSQL)


@pytest.mark.parametrize(
    ("engine", "parameters", "group", "expected"),
    [
        ("mysql", {"ServerTimezone": "Europe/Paris"}, "MySqlSettings", {"ServerTimezone": "Europe/Paris"}),
        ("oracle", {"NumberScale": "20"}, "OracleSettings", {"NumberDatatypeScale": "20"}),
        ("postgres", {"SlotName": "nearview"}, "PostgreSqlSettings", {"SlotName": "nearview"}),
    ],
)
def test_what_only_one_engine_has_is_passed_on(
    engine: str, parameters: dict[str, str], group: str, expected: dict[str, Any]
) -> None:
    source = rendered(engine, **parameters).properties("SourceEndpoint")
    assert expected.items() <= source[group].items()
