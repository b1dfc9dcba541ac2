"""The task file: DMS's names, DMS's defaults, and one line for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.dms.errors import SettingsError
from local.dms.settings import DEFAULT_TASK, load_settings, read_settings

SELECT_ALL = {
    "rules": [
        {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "all",
            "object-locator": {"schema-name": "shop", "table-name": "%"},
            "rule-action": "include",
        }
    ]
}


def _default() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DEFAULT_TASK.read_text())
    return document


def _problems(document: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(document)
    return str(caught.value).splitlines()


def test_the_shipped_file_loses_nothing() -> None:
    settings = load_settings(DEFAULT_TASK)
    assert settings.include_transaction_details
    assert settings.include_partition_value
    assert settings.partition_include_schema_table
    assert settings.include_table_alter_operations
    assert settings.include_control_details
    assert settings.include_null_and_empty
    assert settings.use_large_integer_value
    assert settings.map_boolean_as_boolean
    assert (settings.before_image, settings.before_image_field) == (True, "before-image")
    assert settings.before_image_filter == "pk-only"
    assert settings.lossless_numerics
    assert not settings.send_large_keys
    assert settings.table_mappings.partition_key_type("shop", "orders") == "primary-key"


def test_what_a_file_leaves_out_has_the_defaults_of_dms() -> None:
    settings = read_settings({"TableMappings": SELECT_ALL})
    assert settings.tabbed
    assert not settings.include_transaction_details
    assert not settings.include_null_and_empty
    assert not settings.map_boolean_as_boolean
    assert not settings.before_image
    assert settings.lob_max_kb == 32
    assert settings.target_table_prep_mode == "DO_NOTHING"
    assert settings.table_mappings.partition_key_type("shop", "orders") is None


@pytest.mark.parametrize(
    ("part", "name", "value", "line"),
    [
        (
            "KinesisSettings",
            "IncludeNullsAndEmpty",
            True,
            "KinesisSettings.IncludeNullsAndEmpty: unknown setting, did you mean IncludeNullAndEmpty?",
        ),
        (
            "KinesisSettings",
            "MessageFormat",
            "xml",
            'KinesisSettings.MessageFormat: must be one of json, json-unformatted, got "xml"',
        ),
        (
            "KinesisSettings",
            "NoHexPrefix",
            "true",
            'KinesisSettings.NoHexPrefix: must be true or false, got "true"',
        ),
        (
            "PostgreSQLSettings",
            "MapBoolean",
            True,
            "PostgreSQLSettings.MapBoolean: unknown setting, did you mean MapBooleanAsBoolean?",
        ),
        ("StandIn", "LosslessNumerics", 1, "StandIn.LosslessNumerics: must be true or false, got 1"),
        ("StandIn", "LargeKeys", True, "StandIn.LargeKeys: must be one of refuse, send, got true"),
        (
            "StandIn",
            "PutRecordsFailureRate",
            1.5,
            "StandIn.PutRecordsFailureRate: must be at most 0.9, got 1.5",
        ),
    ],
)
def test_a_mistake_gives_one_line_that_names_it(part: str, name: str, value: object, line: str) -> None:
    document = _default()
    document[part][name] = value
    assert _problems(document) == [line]


@pytest.mark.parametrize(
    ("group", "changes", "line"),
    [
        ("TargetMetadata", {"FullLobMode": True}, "a Kinesis target has no full LOB mode"),
        ("TargetMetadata", {"BatchApplyEnabled": True}, "loses data on a Kinesis target"),
        ("TargetMetadata", {"ParallelApplyThreads": 33}, "must be at most 32, got 33"),
        ("TargetMetadata", {"LobMaxSize": -1}, "must be a number that is not negative, got -1"),
        ("BeforeImageSettings", {"FieldName": ""}, "required when EnableBeforeImage is true"),
        ("FullLoadSettings", {"TargetTablePrepMode": "DROP"}, "must be one of DO_NOTHING, DROP_AND_CREATE"),
    ],
)
def test_task_settings_that_cannot_work_are_refused(group: str, changes: dict[str, Any], line: str) -> None:
    document = _default()
    document["TaskSettings"][group] |= changes
    [problem] = _problems(document)
    assert problem.startswith(f"TaskSettings.{group}.{next(iter(changes))}: ")
    assert line in problem


def test_all_mistakes_are_told_at_once() -> None:
    problems = _problems({"Kinesis": {}, "TaskSettings": {"Loging": {}}, "TableMappings": {"rules": []}})
    assert problems == [
        "Kinesis: unknown setting, did you mean KinesisSettings?",
        "TaskSettings.Loging: unknown setting, did you mean Logging?",
        "TableMappings: must hold a list of rules, with at least one selection rule",
    ]


def test_a_name_with_a_line_break_gives_one_line_as_well() -> None:
    (line,) = _problems({**_default(), "a\nb\ud800": 1})
    assert line.startswith("a?b?: unknown setting")


def test_documented_settings_without_effect_here_are_accepted() -> None:
    document = _default()
    document["KinesisSettings"]["StreamArn"] = "arn:aws:kinesis:eu-west-1:1:stream/s"
    document["PostgreSQLSettings"]["PluginName"] = "pglogical"
    document["TaskSettings"]["Logging"] = {"EnableLogging": True}
    read_settings(document)


def test_a_file_problem_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    with pytest.raises(SettingsError, match=r"task\.json: cannot be read"):
        load_settings(path)
    path.write_text("{")
    with pytest.raises(SettingsError, match=r"task\.json: not JSON"):
        load_settings(path)
    path.write_text("[]")
    with pytest.raises(SettingsError, match=r"task\.json: task file: must be an object"):
        load_settings(path)
