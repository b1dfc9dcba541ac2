"""A bad sample for every rule, and nothing else found in it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.dms_lint.samples import CHANGE_SEQUENCE, OBJECT_MAPPING, SELECTION, Found, brief
from worker.dms.documents import settings_of
from worker.dms.findings import Severity
from worker.dms.lint import lint

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741  as the table below is read


def test_settings_that_lose_nothing_have_no_finding(findings: Found) -> None:
    assert findings() == []


@pytest.mark.parametrize("engine", ["mysql", "oracle", "sqlserver"])
def test_other_engines_have_only_what_settings_do_not_show(findings: Found, engine: str) -> None:
    found = findings(engine, rules=[SELECTION, OBJECT_MAPPING, CHANGE_SEQUENCE])
    assert brief(found) == [(W if engine == "oracle" else I, "")]


@pytest.mark.parametrize(
    ("change", "severity", "wanted"),
    [
        ({"MessageFormat": "json"}, I, "set MessageFormat to json-unformatted"),
        ({"IncludeTransactionDetails": False}, E, "set IncludeTransactionDetails to true"),
        ({"IncludeTransactionDetails": None}, E, "set IncludeTransactionDetails to true"),
        ({"IncludeNullAndEmpty": False}, E, "set IncludeNullAndEmpty to true"),
        ({"UseLargeIntegerValue": False}, W, "set UseLargeIntegerValue to true"),
        ({"PartitionIncludeSchemaTable": False}, W, "set PartitionIncludeSchemaTable to true"),
        ({"IncludePartitionValue": False}, I, "set IncludePartitionValue to true"),
        ({"IncludeControlDetails": False}, I, "set IncludeControlDetails to true"),
        ({"IncludeTableAlterOperations": False}, I, "set IncludeTableAlterOperations to true"),
        ({"NoHexPrefix": True}, I, ""),
        ({"IncludeNullsAndEmpty": True}, W, "rename it to IncludeNullAndEmpty"),
    ],
)
def test_kinesis_settings(findings: Found, change: dict[str, Any], severity: Severity, wanted: str) -> None:
    [found] = findings(target=change)
    assert (found.severity, found.change) == (severity, wanted)
    assert (found.file, found.path) == ("endpoints.json", f"$.Endpoints[1].KinesisSettings.{next(iter(change))}")


@pytest.mark.parametrize(
    ("group", "change", "severity"),
    [
        ("TargetMetadata", {"SupportLobs": False}, E),
        ("TargetMetadata", {"FullLobMode": True}, E),
        ("TargetMetadata", {"LimitedSizeLobMode": False}, W),
        ("TargetMetadata", {"LobMaxSize": 32}, W),
        ("TargetMetadata", {"LobMaxSize": 2048}, E),
        ("TargetMetadata", {"BatchApplyEnabled": True}, E),
        ("TargetMetadata", {"ParallelLoadThreads": 8}, I),
        ("TargetMetadata", {"ParallelApplyThreads": 8}, I),
        ("TargetMetadata", {"ParallelLoadBufferSize": 1001}, E),
        ("TargetMetadata", {"ParallelApplyBufferSize": 1001}, E),
        ("TargetMetadata", {"ParallelLoadQueuesPerThread": 513}, E),
        ("TargetMetadata", {"ParallelApplyQueuesPerThread": 513}, E),
        ("TargetMetadata", {"LobMaxSise": 64}, W),
        ("FullLoadSettings", {"StopTaskCachedChangesApplied": True}, W),
        ("FullLoadSettings", {"StopTaskCachedChangesNotApplied": True}, W),
        ("FullLoadSettings", {"MaxFullLoadSubTasks": 50}, E),
        ("FullLoadSettings", {"TargetTablePrepMode": "DO_NOTHING"}, I),
        ("ControlTablesSettings", {"SuspendedTablesTableEnabled": False}, I),
        ("ErrorBehavior", {"DataErrorPolicy": "IGNORE_RECORD"}, E),
        ("ErrorBehavior", {"DataErrorPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"DataTruncationErrorPolicy": "IGNORE_RECORD"}, E),
        ("ErrorBehavior", {"DataTruncationErrorPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"DataErrorEscalationPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"TableErrorPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"ApplyErrorInsertPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"ApplyErrorUpdatePolicy": "IGNORE_RECORD"}, W),
        ("ErrorBehavior", {"ApplyErrorDeletePolicy": "IGNORE_RECORD"}, W),
        ("ErrorBehavior", {"ApplyErrorEscalationPolicy": "LOG_ERROR"}, W),
        ("ErrorBehavior", {"RecoverableErrorCount": 3}, W),
        ("ErrorBehavior", {"FailOnNoTablesCaptured": False}, W),
        ("ErrorBehavior", {"ApplyErrorFailOnTruncationDdl": False}, I),
        ("ValidationSettings", {"EnableValidation": True}, W),
        ("ValidationSettings", {"ValidationOnly": True}, E),
        ("Logging", {"EnableLogging": False}, W),
        ("LoopbackPreventionSettings", {"EnableLoopbackPrevention": True}, W),
        ("CharacterSetSettings", {"CharacterReplacements": [{"SourceCharacterCodePoint": 35}]}, W),
        ("BeforeImageSettings", {"EnableBeforeImage": False}, E),
        ("BeforeImageSettings", {"FieldName": ""}, E),
        ("BeforeImageSettings", {"FieldName": "data"}, E),
        ("BeforeImageSettings", {"FieldName": "old"}, I),
        ("BeforeImageSettings", {"ColumnFilter": "all"}, I),
    ],
)
def test_task_settings(findings: Found, group: str, change: dict[str, Any], severity: Severity) -> None:
    found = findings(task={group: change})
    assert brief(found) == [(severity, f"{group}.{next(iter(change))}")]
    assert found[0].file == "task.json"


def test_too_many_threads_are_refused_beside_what_they_do(findings: Found) -> None:
    found = findings(task={"TargetMetadata": {"ParallelApplyThreads": 33}})
    assert [severity for severity, _ in brief(found)] == [E, I]


def test_a_misspelt_group_is_named_and_a_setting_nobody_knows_is_not(findings: Found) -> None:
    found = findings(task={"ErorBehavior": {}, "SomethingOfNextYear": {}, "TargetMetadata": {"Brandnew": 1}})
    assert [(f.severity, f.change) for f in found] == [(W, "rename it to ErrorBehavior")]


def test_settings_that_are_null_are_dms_s_defaults(findings: Found) -> None:
    found = brief(findings(task={"BeforeImageSettings": None}))
    assert found == [(E, "BeforeImageSettings.EnableBeforeImage")]


@pytest.mark.parametrize(("kind", "severity"), [("full-load", E), ("cdc", W)])
def test_migration_types(findings: Found, kind: str, severity: Severity) -> None:
    assert brief(findings(migration_type=kind)) == [(severity, "MigrationType")]


@pytest.mark.parametrize(
    ("engine", "change", "severity"),
    [
        ("postgres", {"MapBooleanAsBoolean": False}, W),
        ("postgres", {"PluginName": "test_decoding"}, W),
        ("postgres", {"PluginName": "pglogical"}, I),
        ("postgres", {"HeartbeatEnable": False}, W),
        ("postgres", {"SlotName": ""}, I),
        ("postgres", {"CaptureDdls": False}, I),
        ("postgres", {"FailTasksOnLobTruncation": False}, W),
        ("postgres", {"TrimSpaceInChar": True}, I),
        ("postgres", {"HeartbeatEnabled": True}, W),
        ("mysql", {"ServerTimezone": ""}, I),
        ("oracle", {"ConvertTimestampWithZoneToUTC": False}, W),
        ("oracle", {"NumberDatatypeScale": None}, I),
        ("oracle", {"FailTasksOnLobTruncation": None}, W),
        ("sqlserver", {"TrimSpaceInChar": None}, I),
    ],
)
def test_source_settings(findings: Found, engine: str, change: dict[str, Any], severity: Severity) -> None:
    found = findings(engine, source=change, rules=[SELECTION, OBJECT_MAPPING, CHANGE_SEQUENCE])
    assert (severity, next(iter(change))) in brief(found)


@pytest.mark.parametrize("engine", ["oracle", "sqlserver"])
def test_engines_whose_positions_do_not_order_need_the_change_sequence(findings: Found, engine: str) -> None:
    assert (E, "rules") in brief(findings(engine))
    too_short = CHANGE_SEQUENCE | {"data-type": {"type": "string", "length": "30"}}
    assert brief(findings(engine, rules=[SELECTION, OBJECT_MAPPING, too_short]))[0] == (E, "rules[2].data-type.length")


def test_oracle_must_not_leave_out_open_transactions(findings: Found) -> None:
    found = findings(
        "oracle",
        task={"ErrorBehavior": {"FailOnTransactionConsistencyBreached": False}},
        rules=[SELECTION, OBJECT_MAPPING, CHANGE_SEQUENCE],
    )
    assert (E, "ErrorBehavior.FailOnTransactionConsistencyBreached") in brief(found)


def test_an_engine_nobody_has_tried_is_an_error() -> None:
    endpoint = {"EndpointType": "SOURCE", "EngineName": "db2", "IBMDb2Settings": {}}
    found = lint(settings_of({"e.json": endpoint}))
    assert (found[0].severity, found[0].message.split(":")[0]) == (E, "nobody has tried the source engine db2")


def _rule(target: str, action: str, **rest: Any) -> dict[str, Any]:
    rule = {"rule-type": "transformation", "rule-id": "9", "rule-target": target, "rule-action": action}
    return rule | {"object-locator": SELECTION["object-locator"]} | {n.replace("_", "-"): v for n, v in rest.items()}


OLD_VALUES = _rule("column", "add-before-image-columns", before_image_def={"column-prefix": "BI_"})


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], (E, "rules")),
        ([SELECTION | {"rule-action": "exclude"}, OBJECT_MAPPING], (E, "rules")),
        ([SELECTION], (W, "rules[0].object-locator")),
        ([SELECTION | {"filters": [{"column-name": "id"}]}, OBJECT_MAPPING], (E, "rules[0].filters")),
        ([SELECTION, OBJECT_MAPPING | {"rule-id": "1"}], (E, "rules[0].rule-id")),
        ([SELECTION, OBJECT_MAPPING, _rule("column", "change-data-type")], (W, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("column", "data-masking-hash-mask")], (W, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("table", "define-primary-key")], (W, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("column", "remove-column")], (I, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("column", "include-column")], (I, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("table", "add-prefix", value="x_")], (I, "rules[2].rule-action")),
        ([SELECTION, OBJECT_MAPPING, _rule("column", "convert-upercase")], (W, "rules[2].rule-action")),
        (
            [SELECTION, OBJECT_MAPPING, _rule("column", "rename") | {"rule-type": "transform"}],
            (W, "rules[2].rule-type"),
        ),
        ([SELECTION, OBJECT_MAPPING, OLD_VALUES], (E, "rules[2].rule-action")),
    ],
)
def test_table_mappings(findings: Found, rules: list[dict[str, Any]], expected: tuple[Severity, str]) -> None:
    assert brief(findings(rules=rules))[0] == expected


@pytest.mark.parametrize(
    ("parameters", "severity", "name"),
    [
        ({}, W, "partition-key-type"),
        ({"partition-key-type": "constant"}, W, "partition-key-type"),
        ({"partition-key-type": "transaction-id"}, W, "partition-key-type"),
        ({"partition-key-type": "attribute-name"}, W, "partition-key-type"),
        ({"partition-key-type": "schema-table"}, I, "partition-key-type"),
        ({"partition-key-type": "primary_key"}, W, "partition-key-type"),
        ({"partition-key-type": {"a": 1}}, W, "partition-key-type"),
        ({"partition-key-type": "primary-key", "target-table-name": "x"}, W, "target-table-name"),
        ({"partition-key-type": "primary-key", "exclude-columns": ["a"]}, W, "exclude-columns"),
        ({"partition-key-type": "primary-key", "attribute-mappings": [{}]}, W, "attribute-mappings"),
    ],
)
def test_object_mappings(findings: Found, parameters: dict[str, Any], severity: Severity, name: str) -> None:
    found = findings(rules=[SELECTION, OBJECT_MAPPING | {"mapping-parameters": parameters}])
    assert brief(found) == [(severity, f"rules[1].mapping-parameters.{name}")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": "unlimited"}, (E, "rules[2].lob-settings.mode")),
        ({"mode": "limited", "bulk-max-size": "16"}, (W, "rules[2].lob-settings.bulk-max-size")),
    ],
)
def test_lob_settings_of_a_table(findings: Found, settings: dict[str, Any], expected: tuple[Severity, str]) -> None:
    rule = {"rule-type": "table-settings", "rule-id": "7", "object-locator": SELECTION["object-locator"]}
    assert brief(findings(rules=[SELECTION, OBJECT_MAPPING, rule | {"lob-settings": settings}])) == [expected]


def test_old_values_in_data_are_as_good_as_a_before_image(findings: Found) -> None:
    found = findings(task={"BeforeImageSettings": None}, rules=[SELECTION, OBJECT_MAPPING, OLD_VALUES])
    assert brief(found) == [(I, "rules[2].before-image-def")]
    assert "NEARVIEW_BEFORE_COLUMN_PREFIX" in found[0].change


def test_an_object_mapping_covers_what_its_patterns_hold(findings: Found) -> None:
    one = SELECTION | {"object-locator": {"schema-name": "shop", "table-name": "orders"}}
    assert findings(rules=[one, OBJECT_MAPPING]) == []
    other = SELECTION | {"object-locator": {"schema-name": "other", "table-name": "orders"}}
    assert brief(findings(rules=[other, OBJECT_MAPPING])) == [(W, "rules[0].object-locator")]


def test_what_is_not_given_is_told() -> None:
    found = lint(settings_of({"m.json": {"rules": [SELECTION, OBJECT_MAPPING]}}))
    assert brief(found) == [(I, "$")] * 3
    assert "no task settings given" in " ".join(f.message for f in found)


def test_the_worst_comes_first(findings: Found) -> None:
    found = findings(target={"MessageFormat": "json", "IncludeNullAndEmpty": False, "UseLargeIntegerValue": False})
    assert [finding.severity for finding in found] == [E, W, I]
