"""A DMS task whose settings lose nothing, as DMS prints it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from worker.dms.findings import Finding, Severity

TASK: dict[str, Any] = {
    "TargetMetadata": {
        "SupportLobs": True,
        "FullLobMode": False,
        "LimitedSizeLobMode": True,
        "LobMaxSize": 1024,
        "ParallelApplyThreads": 0,
        "BatchApplyEnabled": False,
    },
    "FullLoadSettings": {"TargetTablePrepMode": "DROP_AND_CREATE", "MaxFullLoadSubTasks": 8},
    "ControlTablesSettings": {"SuspendedTablesTableEnabled": True},
    "BeforeImageSettings": {"EnableBeforeImage": True, "FieldName": "before-image", "ColumnFilter": "pk-only"},
    "ErrorBehavior": {
        "DataErrorPolicy": "SUSPEND_TABLE",
        "DataTruncationErrorPolicy": "SUSPEND_TABLE",
        "DataErrorEscalationPolicy": "SUSPEND_TABLE",
        "TableErrorPolicy": "SUSPEND_TABLE",
        "ApplyErrorInsertPolicy": "SUSPEND_TABLE",
        "ApplyErrorUpdatePolicy": "SUSPEND_TABLE",
        "ApplyErrorDeletePolicy": "SUSPEND_TABLE",
        "ApplyErrorEscalationPolicy": "SUSPEND_TABLE",
        "ApplyErrorFailOnTruncationDdl": True,
        "FailOnTransactionConsistencyBreached": True,
        "RecoverableErrorCount": -1,
    },
    "ValidationSettings": {"EnableValidation": False},
    "CharacterSetSettings": None,
    "LoopbackPreventionSettings": None,
    "Logging": {"EnableLogging": True},
}
TARGET: dict[str, Any] = {
    "StreamArn": "arn:aws:kinesis:eu-west-1:1:stream/changes",
    "MessageFormat": "json-unformatted",
    "IncludeTransactionDetails": True,
    "IncludePartitionValue": True,
    "PartitionIncludeSchemaTable": True,
    "IncludeTableAlterOperations": True,
    "IncludeControlDetails": True,
    "IncludeNullAndEmpty": True,
    "NoHexPrefix": False,
    "UseLargeIntegerValue": True,
}
SOURCES: dict[str, dict[str, Any]] = {
    "postgres": {
        "PluginName": "pgoutput",
        "SlotName": "nearview",
        "MapBooleanAsBoolean": True,
        "HeartbeatEnable": True,
        "FailTasksOnLobTruncation": True,
        "TrimSpaceInChar": False,
    },
    "mysql": {"ServerTimezone": "UTC"},
    "oracle": {
        "ConvertTimestampWithZoneToUTC": True,
        "NumberDatatypeScale": 20,
        "FailTasksOnLobTruncation": True,
        "TrimSpaceInChar": False,
    },
    "sqlserver": {"TrimSpaceInChar": False},
}
_GROUPS = {
    "postgres": "PostgreSQLSettings",
    "mysql": "MySQLSettings",
    "oracle": "OracleSettings",
    "sqlserver": "MicrosoftSQLServerSettings",
}
SHOP = {"schema-name": "shop", "table-name": "%"}
SELECTION: dict[str, Any] = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "1",
    "object-locator": SHOP,
    "rule-action": "include",
    "filters": [],
}
OBJECT_MAPPING: dict[str, Any] = {
    "rule-type": "object-mapping",
    "rule-id": "2",
    "rule-name": "2",
    "rule-action": "map-record-to-record",
    "object-locator": SHOP,
    "mapping-parameters": {"partition-key-type": "primary-key"},
}
CHANGE_SEQUENCE: dict[str, Any] = {
    "rule-type": "transformation",
    "rule-id": "3",
    "rule-target": "column",
    "rule-action": "add-column",
    "object-locator": SHOP,
    "value": "change_seq",
    "expression": "$AR_H_CHANGE_SEQ",
    "data-type": {"type": "string", "length": 50},
}

Found = Callable[..., list[Finding]]


def described(
    engine: str = "postgres",
    task: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    rules: list[dict[str, Any]] | None = None,
    migration_type: str = "full-load-and-cdc",
) -> dict[str, Any]:
    """The documents that DMS prints of a task and its endpoints; all but `rules` is merged into clean settings."""
    settings = copy.deepcopy(TASK)
    for group, changes in (task or {}).items():
        known = settings.get(group)
        settings[group] = {**known, **changes} if isinstance(known, dict) and isinstance(changes, dict) else changes
    mappings = {"rules": [SELECTION, OBJECT_MAPPING] if rules is None else rules}
    one = {
        "ReplicationTaskIdentifier": "t",
        "MigrationType": migration_type,
        "TableMappings": json.dumps(mappings),
        "ReplicationTaskSettings": json.dumps(settings),
    }
    endpoints = [
        {"EndpointType": "SOURCE", "EngineName": engine, _GROUPS[engine]: {**SOURCES[engine], **(source or {})}},
        {"EndpointType": "TARGET", "EngineName": "kinesis", "KinesisSettings": {**TARGET, **(target or {})}},
    ]
    return {"task.json": {"ReplicationTasks": [one]}, "endpoints.json": {"Endpoints": endpoints}}


def brief(found: list[Finding]) -> list[tuple[Severity, str]]:
    """Severity and the end of each path."""
    prefixes = (
        "$.ReplicationTasks[0].ReplicationTaskSettings.",
        "$.ReplicationTasks[0].TableMappings.",
        "$.ReplicationTasks[0].",
        *(f"$.Endpoints[{n}].{group}" for n in (0, 1) for group in (*_GROUPS.values(), "KinesisSettings")),
    )
    return [(f.severity, _without(f.path, prefixes)) for f in found]


def _without(path: str, prefixes: tuple[str, ...]) -> str:
    prefix = next((prefix for prefix in prefixes if path.startswith(prefix)), "")
    return path.removeprefix(prefix).removeprefix(".")
